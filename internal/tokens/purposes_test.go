package tokens

import "testing"

func TestPurposesAreToldApart(t *testing.T) {
	key := aSealer(t, 1).ring.newest()
	seen := map[string]string{}
	for _, purpose := range []string{purposeID, purposeMeta, purposeRecord, purposeSealed, purposeCookieMAC, purposeCookieEnc, purposeFlow} {
		derived := string(key.derive(purpose, KeySize))
		if other, there := seen[derived]; there {
			t.Errorf("%q and %q make one key", purpose, other)
		}
		seen[derived] = purpose
	}
	flow, _, _ := aSealer(t, 1).ring.FlowKey("")
	if seen[string(flow)] != purposeFlow {
		t.Errorf("flows use the key of %q", seen[string(flow)])
	}
}

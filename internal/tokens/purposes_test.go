package tokens

import (
	"crypto/cipher"
	"testing"
)

func TestPurposesAreToldApart(t *testing.T) {
	key := aSealer(t, 1).ring.newest()
	seen := map[string]string{}
	for _, purpose := range []string{purposeID, purposeMeta, purposeRecord, purposeSealed, purposeCookieMAC, purposeCookieEnc, purposeFlow, purposeJob, purposeKept, purposeForm} {
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

func TestWhatIsSealedForOnePurposeOpensForNoOther(t *testing.T) {
	key, nonce := aSealer(t, 1).ring.newest(), make([]byte, nonceSize)
	all := map[string]cipher.AEAD{"meta": key.meta, "sealed": key.sealed, "job": key.job, "kept": key.kept, "form": key.form}
	for purpose, aead := range all {
		sealed := aead.Seal(nil, nonce, []byte("plain"), nil)
		for other, opener := range all {
			if _, err := opener.Open(nil, nonce, sealed, nil); (err == nil) != (purpose == other) {
				t.Errorf("what is sealed for %s opens for %s: %v", purpose, other, err)
			}
		}
	}
}

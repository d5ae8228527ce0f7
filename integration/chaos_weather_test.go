package integration

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

func TestAnOutageOfTheProviderEndsNoSession(t *testing.T) {
	t.Parallel()
	c := newChaos(t, chaosSpec{})
	const life = 12 * time.Second
	c.lifetime(life)
	g := c.guest("alice")
	c.signedIn([]*guest{g})
	end, session := time.Now().Add(life), g.session()
	// What one sees of a service that is being rolled out.
	for _, kind := range []string{simulator.Fault502HTML, simulator.FaultFastify404, simulator.FaultHTML} {
		c.provider.SetKnobs(func(k *simulator.Knobs) {
			k.Faults = append(k.Faults, simulator.Fault{Kind: kind, Scope: simulator.ScopeRefresh, Count: 1})
		})
	}
	c.provider.SetKnobs(func(k *simulator.Knobs) {
		k.Faults = append(k.Faults, simulator.Fault{Kind: simulator.Fault503, Scope: simulator.ScopeRefresh})
	})
	for time.Until(end) > slack/2 {
		if err := g.visit(0); err != nil {
			t.Fatalf("%v before the token ended: %v", time.Until(end), err)
		}
		await(time.Now().Add(50 * time.Millisecond))
	}
	await(end.Add(time.Second))
	for outage := time.Now().Add(shortOrLong(4*time.Second, 3*time.Minute)); time.Now().Before(outage); await(time.Now().Add(250 * time.Millisecond)) {
		got, err := g.fetch(0)
		if err := unavailable(got, err, "provider_unavailable"); err != nil {
			t.Fatal(err)
		}
	}
	page, err := g.open(0, "/studio")
	if err := unavailable(page, err, "provider_unavailable"); err != nil || !strings.Contains(page.Body, `http-equiv="refresh"`) {
		t.Errorf("a page: %v %v", err, page)
	}
	failed := c.provider.Counters().Refreshes
	if failed < 3 {
		t.Errorf("the provider was asked %d times only", failed)
	}
	c.provider.faults()
	c.lifetime(time.Hour)
	restored := time.Now()
	for g.visit(0) != nil {
		if time.Since(restored) > patience+10*time.Second { // pauses are up to a minute
			t.Fatal("the session does not come back")
		}
		await(time.Now().Add(100 * time.Millisecond))
	}
	t.Logf("asked %d times in the outage; back after %v", failed, time.Since(restored).Round(time.Millisecond))
	counted := c.provider.Counters()
	if g.session() != session || counted.CodeExchanges != 1 || counted.ReuseDetected != 0 || counted.RefreshesOK != 1 {
		t.Errorf("%+v", counted)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	const seconds = 6
	c := newChaos(t, chaosSpec{})
	c.lifetime(6 * time.Second)
	all := c.guests(4)
	c.signedIn(all)
	c.lifetime(time.Hour)
	// The others may be on their way when the first is told.
	c.provider.faults(simulator.Fault{Kind: simulator.Fault429, Scope: simulator.ScopeRefresh, Count: 1, RetryAfterSeconds: seconds})
	eventually(t, "the provider asked for a pause", func() bool { return len(c.provider.refreshes()) > 0 })
	eventually(t, "everybody has a new token", func() bool {
		for _, g := range all {
			got, err := g.fetch(0)
			if err == nil && got.Status == http.StatusOK {
				continue
			}
			if err := unavailable(got, err, "provider_unavailable"); err != nil {
				t.Fatal(err)
			}
		}
		return c.provider.Counters().RefreshesOK == len(all)
	})
	calls := c.provider.refreshes()
	told := calls[slices.IndexFunc(calls, func(call refreshCall) bool { return !call.granted })]
	const slack = 500 * time.Millisecond
	for _, call := range calls {
		underWay := 2 * time.Second // a busy machine may take that long over it
		if call.user == told.user {
			underWay = 0
		}
		if after := call.at.Sub(told.at); after > underWay && after < seconds*time.Second-slack {
			t.Errorf("%s asked %v after %s was told to wait %ds", call.user, after, told.user, seconds)
		}
	}
	c.provider.faults()
	if n := c.provider.Counters().CodeExchanges; n != len(all) {
		t.Errorf("%d sign-ins", n)
	}
}

func TestARefusalIsAskedForOnce(t *testing.T) {
	t.Parallel()
	redis := newRedis(t)
	c := newChaos(t, chaosSpec{gateways: 2, global: redis.store()})
	const life = 8 * time.Second
	c.lifetime(life)
	g := c.guest("alice")
	c.signedIn([]*guest{g})
	end := time.Now().Add(life)
	c.provider.RevokeUser("alice")
	c.slowly(time.Second)
	c.asleep(end)
	for range 2 { // the second time it is written in the store
		crowd(t, "asking", 20, 20, func(i int) error {
			got, err := g.fetch(i % 2)
			if err == nil && reasonOf(got) != "refresh_rejected" {
				t.Errorf("%v", got)
			}
			return err
		})
	}
	if counted := c.provider.Counters(); counted.Refreshes != 1 || counted.RefreshRejected != 1 {
		t.Errorf("the provider was asked %d times", counted.Refreshes)
	}
	if err := g.signIn(1); err != nil {
		t.Error(err)
	}
	if err := g.visit(0); err != nil {
		t.Error(err)
	}
}

package integration

import (
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

func TestASessionNobodyUsesIsKept(t *testing.T) {
	t.Parallel()
	c := newChaos(t, chaosSpec{})
	c.provider.SetKnobs(func(k *simulator.Knobs) {
		k.Token.AccessLifetimeSeconds, k.Token.RefreshLifetimeSeconds = 12, 24
	})
	g := c.guest("alice")
	c.signedIn([]*guest{g})
	session, back := g.session(), time.Now().Add(shortOrLong(30*time.Second, 5*time.Minute))
	for time.Now().Before(back) {
		await(time.Now().Add(time.Second))
		if c.provider.Counters().LiveFamilies == 0 {
			t.Fatal("the refresh token died")
		}
	}
	if err := g.visit(0); err != nil || g.session() != session {
		t.Errorf("after lunch: %v", err)
	}
	counted := c.provider.Counters()
	if counted.Refreshes < 3 || counted.RefreshesOK != counted.Refreshes || counted.CodeExchanges != 1 {
		t.Errorf("%+v", counted)
	}
	t.Logf("%d refreshes with no request", counted.Refreshes)
}

func TestASessionIsKeptNoLongerThanItsIdleLimit(t *testing.T) {
	t.Parallel()
	c := newChaos(t, chaosSpec{global: "\t\tidle_timeout 10s\n"})
	c.provider.SetKnobs(func(k *simulator.Knobs) {
		k.Token.AccessLifetimeSeconds, k.Token.RefreshLifetimeSeconds = 4, 8
	})
	g := c.guest("alice")
	c.signedIn([]*guest{g})
	eventually(t, "the gateway let go", func() bool { return c.provider.Counters().LiveFamilies == 0 })
	counted := c.provider.Counters()
	if counted.Refreshes < 2 || counted.RefreshesOK != counted.Refreshes {
		t.Errorf("%+v", counted)
	}
	if got, err := g.fetch(0); err != nil || reasonOf(got) != "session_expired" {
		t.Errorf("%v %v", got, err)
	}
	if n := c.provider.Counters().Refreshes; n != counted.Refreshes {
		t.Errorf("the provider was asked for a session that is over")
	}
}

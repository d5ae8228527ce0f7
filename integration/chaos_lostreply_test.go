package integration

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// The provider has rotated, and its answer did not arrive. The old token is all
// the gateway has: whether that is good once more is up to the provider.
func TestALostReplyIsAskedForOnceMore(t *testing.T) {
	t.Parallel()
	c := newChaos(t, chaosSpec{})
	for i, tt := range []struct {
		fault, rotation string
		kept            bool
	}{
		{simulator.FaultCloseAfterCommit, simulator.RotationStrictFamily, false},
		{simulator.FaultCloseAfterCommit, simulator.RotationGrace, true},
		{simulator.FaultTruncatedJSON, simulator.RotationGrace, true},
	} {
		t.Run(tt.fault+" with rotation "+tt.rotation, func(t *testing.T) {
			before := c.provider.Counters()
			c.lifetime(9 * time.Second)
			c.provider.SetKnobs(func(k *simulator.Knobs) { k.Token.Rotation = tt.rotation })
			g := c.guest(fmt.Sprintf("guest-%d", i))
			if err := g.signIn(0); err != nil {
				t.Fatal(err)
			}
			session := g.session()
			c.lifetime(time.Hour)
			c.provider.faults(simulator.Fault{Kind: tt.fault, Scope: simulator.ScopeRefresh, Count: 1})
			eventually(t, "the provider was asked again", func() bool {
				if got, err := g.fetch(0); err != nil || got.Status != http.StatusOK && reasonOf(got) != "refresh_rejected" {
					t.Errorf("meanwhile: %v %v", got, err)
				}
				return c.provider.Counters().Refreshes == before.Refreshes+2
			})
			var got answer
			eventually(t, "the provider has decided", func() bool {
				var err error
				got, err = g.fetch(0)
				return err == nil && (tt.kept || got.Status != http.StatusOK)
			})
			after := c.provider.Counters()
			if tt.kept {
				if got.Status != http.StatusOK || g.session() != session || after.ReuseDetected != before.ReuseDetected {
					t.Errorf("not kept: %v", got)
				}
				return
			}
			if got.Status != http.StatusUnauthorized || reasonOf(got) != "refresh_rejected" || after.ReuseDetected != before.ReuseDetected+1 {
				t.Errorf("%v, reuse detected %d times", got, after.ReuseDetected-before.ReuseDetected)
			}
			if err := g.signIn(0); err != nil {
				t.Errorf("signing in again: %v", err)
			}
			if err := g.visit(0); err != nil {
				t.Error(err)
			}
			if n := c.provider.Counters().Refreshes - before.Refreshes; n != 2 {
				t.Errorf("the provider was asked %d times", n)
			}
		})
	}
}

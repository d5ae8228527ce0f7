package tokens_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func TestARejectedRefreshEndsTheSessionForEverybody(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.provider.fails(fmt.Errorf("400 invalid_grant: %w", tokens.ErrRejected))
		r.clock.Advance(time.Hour)
		for range 3 {
			r.fresh(t, ticket).wantEnded(t, tokens.EndRejected)
			r.clock.Advance(time.Hour)
		}
		other := r.replica()
		other.fresh(t, ticket).wantEnded(t, tokens.EndRejected)
		other.wantCalls(t)
		r.wantCalls(t, 1)
	})
}

func TestARejectionBehindARequestHoldsFromTheNextOneOn(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.provider.fails(tokens.ErrRejected)
		r.clock.Advance(56 * time.Minute)
		r.fresh(t, ticket).wantToken(t, 1)
		settle()
		r.fresh(t, ticket).wantEnded(t, tokens.EndRejected)
		r.wantCalls(t, 1)
	})
}

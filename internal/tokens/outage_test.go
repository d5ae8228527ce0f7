package tokens_test

import (
	"context"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// rotates makes the provider grant, and the store fail from then on.
func rotates(r *rig, set tokens.Set, f fault, operations ...string) {
	r.provider.does(func(context.Context, string) (tokens.Set, error) {
		r.store.put(f, operations...)
		return set, nil
	})
}

func TestAPairTheStoreDoesNotTakeIsServedAndSavedLater(t *testing.T) {
	for name, operations := range map[string][]string{"nothing works": {"load", "replace"}, "nothing can be written": {"replace"}} {
		for when, left := range map[string]time.Duration{"the old token lives": 10 * time.Second, "the old token is dead": 0} {
			t.Run(name+", "+when, func(t *testing.T) {
				bubble(t, func(t *testing.T, r *rig) {
					ticket := r.signIn(t, grant(1))
					rotates(r, grant(2), down, operations...)
					r.clock.Advance(time.Hour - left)
					r.fresh(t, ticket).wantToken(t, 2)
					settle()
					r.store.heal()
					r.clock.Advance(time.Second)
					r.fresh(t, ticket).wantToken(t, 2)
					settle()
					r.wantCalls(t, 1)
					other := r.replica()
					other.fresh(t, ticket).wantToken(t, 2)
					other.wantCalls(t)
				})
			})
		}
	}
}

func TestAWriteWhoseAnswerWasLostIsFoundAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		rotates(r, grant(2), answerLost, "replace")
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantToken(t, 2)
		settle()
		r.fresh(t, ticket).wantToken(t, 2)
		r.wantCalls(t, 1)
	})
}

func TestARejectionThatCannotBeStoredIsNotAskedForAgainAtEveryRequest(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.provider.fails(tokens.ErrRejected)
		r.store.put(down, "replace")
		r.clock.Advance(time.Hour)
		for range 10 {
			r.fresh(t, ticket)
			settle()
		}
		r.wantCalls(t, 1)
		r.store.heal()
		r.clock.Advance(2 * time.Minute)
		r.fresh(t, ticket).wantEnded(t, tokens.EndRejected)
	})
}

func TestTheProviderIsNotAskedWhileTheStoreIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		goOn := pausedLoad(r)
		waiting := r.ask(t.Context(), ticket)
		settle()
		r.store.put(down, "load")
		close(goOn)
		(<-waiting).wantUnavailable(t, tokens.PartStore)
		r.wantCalls(t)
		r.store.heal()
		r.fresh(t, ticket).wantToken(t, 2)
	})
}

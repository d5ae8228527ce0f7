package tokens_test

import (
	"cmp"
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

func TestAPairTheStoreDoesNotTakeEndsNothing(t *testing.T) {
	for name, operations := range map[string][]string{"nothing works": {"load", "replace"}, "nothing can be written": {"replace"}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, grant(1))
				rotates(r, grant(2), down, operations...)
				r.clock.Advance(time.Hour - 10*time.Second)
				r.fresh(t, ticket).wantToken(t, 1) // it lives for ten seconds yet
				settle()
				r.store.heal()
				rotates(r, grant(2), down, operations...)
				r.clock.Advance(time.Minute)
				r.fresh(t, ticket).wantUnavailable(t, tokens.PartStore)
			})
		})
	}
}

func TestAWriteWhoseAnswerWasLostIsFoundAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		rotates(r, grant(2), func(call func() error) error { return cmp.Or(call(), errDown) }, "replace")
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantUnavailable(t, tokens.PartStore)
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

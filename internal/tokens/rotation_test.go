package tokens_test

import (
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// rotate gives the vault another ring, as a configuration that is loaded does.
func (r *rig) rotate(t *testing.T, numbers ...byte) {
	t.Helper()
	r.Adopt(tokens.Policy{Limits: limits, Refresher: r.provider, Ring: newRing(t, numbers...)})
}

// wantSealedWith fails unless the record was sealed with a key by number.
func (r *rig) wantSealedWith(t *testing.T, ticket tokens.Ticket, number byte) {
	t.Helper()
	stored, err := r.store.Load(t.Context(), ticket.Name())
	if err != nil {
		t.Fatal(err)
	}
	if _, id, _ := newRing(t, number).FlowKey(""); tokens.KeyID(stored.Sealed) != id {
		t.Fatalf("the record was not sealed with key %d", number)
	}
}

func TestSessionsMoveToTheNewestKeyAsTheyAreWritten(t *testing.T) {
	for by, write := range map[string]func(t *testing.T, r *rig, ticket tokens.Ticket){
		"a refresh": func(t *testing.T, r *rig, ticket tokens.Ticket) {
			r.clock.Advance(time.Hour)
			r.fresh(t, ticket).wantToken(t, 2)
		},
		"a use": func(t *testing.T, r *rig, ticket tokens.Ticket) {
			r.clock.Advance(50 * time.Minute)
			r.fresh(t, ticket).wantToken(t, 1)
		},
		"its end": func(t *testing.T, r *rig, ticket tokens.Ticket) {
			if err := r.End(t.Context(), ticket.Name(), tokens.EndRevoked); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(by, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, grant(1))
				r.fresh(t, ticket).wantToken(t, 1)
				r.rotate(t, 3, 2, 1)
				r.fresh(t, ticket).wantToken(t, 1)
				r.wantSealedWith(t, ticket, 1) // reading writes nothing
				write(t, r, ticket)
				settle()
				r.wantSealedWith(t, ticket, 3)
				r.rotate(t, 3)
				if got := r.fresh(t, ticket); by == "its end" {
					got.wantEnded(t, tokens.EndRevoked)
				} else if got.err != nil {
					t.Fatal(got.err)
				}
			})
		})
	}
}

func TestAKeyThatIsTakenAwayTakesItsSessionsAlong(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.signIn(t, grant(1))
		r.fresh(t, old).wantToken(t, 1)
		r.rotate(t, 2, 1)
		young := r.signIn(t, grant(1))
		r.rotate(t, 2)
		r.fresh(t, old).wantAbsent(t)
		r.fresh(t, young).wantToken(t, 1)
		r.rotate(t, 2, 1) // a mistake, mended
		r.fresh(t, old).wantToken(t, 1)
	})
}

func TestAPolicyWithoutARingLeavesTheOneThereWas(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.rotate(t, 2, 1)
		ticket := r.signIn(t, grant(1))
		r.Adopt(tokens.Policy{Limits: limits, Refresher: r.provider})
		r.fresh(t, ticket).wantToken(t, 1)
		r.wantSealedWith(t, ticket, 2)
	})
}

func TestARefreshSurvivesARotationThatOvertakesIt(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		release := r.provider.holds(grant(2))
		waiting := r.ask(t.Context(), ticket)
		settle()
		r.rotate(t, 2, 1)
		close(release)
		(<-waiting).wantToken(t, 2)
		r.wantSealedWith(t, ticket, 2)
		r.rotate(t, 2)
		r.fresh(t, ticket).wantToken(t, 2)
		r.wantCalls(t, 1)
	})
}

func TestAnUnsavedPairSurvivesARotation(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.store.put(down, "replace")
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantToken(t, 2)
		r.rotate(t, 2, 1)
		r.store.heal()
		r.clock.Advance(2 * time.Second)
		r.fresh(t, ticket).wantToken(t, 2)
		settle()
		r.wantSealedWith(t, ticket, 2)
		r.wantCalls(t, 1)
	})
}

// While a fleet is rolled out, some replicas have the new key and some do not:
// first the new key goes to the end of every ring, then to the front.
func TestARollOutOfAKeyInTwoStepsSignsNobodyOut(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		other := r.replica()
		ticket := r.signIn(t, dayLong(1))
		for _, step := range []struct{ mine, theirs []byte }{
			{[]byte{1, 2}, []byte{1}}, {[]byte{1, 2}, []byte{1, 2}}, {[]byte{2, 1}, []byte{1, 2}}, {[]byte{2, 1}, []byte{2, 1}},
		} {
			r.rotate(t, step.mine...)
			other.rotate(t, step.theirs...)
			r.clock.Advance(time.Hour)
			r.fresh(t, ticket).wantToken(t, 1)
			settle()
			other.fresh(t, ticket).wantToken(t, 1)
			settle()
		}
		r.wantSealedWith(t, ticket, 2)
	})
}

package tokens_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// unsavedBubble is a strict bubble with a session of ada's whose second pair is
// in the memory of r only, and whose store takes no writes.
func unsavedBubble(t *testing.T, test func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket)) {
	t.Helper()
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		ticket := r.signIn(t, p.authorize("ada"))
		r.store.put(down, "replace")
		pass(time.Hour)
		p.wantServed(t, r.fresh(t, ticket), "ada")
		settle()
		test(t, r, p, ticket)
	})
}

// wantSaved fails unless another replica serves the session without a call.
func wantSaved(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
	t.Helper()
	calls := len(p.sends())
	p.wantServed(t, r.twin(p).fresh(t, ticket), "ada")
	settle()
	if len(p.sends()) != calls {
		t.Fatal("the pair had not been saved")
	}
	p.wantNoneTwice(t)
}

func TestAnUnsavedPairIsServedToEverybody(t *testing.T) {
	unsavedBubble(t, func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
		for range 50 {
			p.wantServed(t, r.fresh(t, ticket), "ada")
			if s, err := r.Peek(t.Context(), site, ticket); err != nil || p.faultOf(s.Access.Reveal(), "ada") != "" {
				t.Fatalf("Peek: %v", err)
			}
			pass(time.Minute)
		}
		p.wantNoneTwice(t)
		if calls := len(p.sends()); calls != 1 {
			t.Fatalf("%d calls", calls)
		}
	})
}

func TestSavingAnUnsavedPairIsNotTriedForEveryRequest(t *testing.T) {
	unsavedBubble(t, func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
		writes := r.store.count("replace")
		for range 1000 {
			p.wantServed(t, r.fresh(t, ticket), "ada")
			pass(10 * time.Millisecond)
		}
		// A touch is tried as well, once per request: it is due, too.
		if more := r.store.count("replace") - writes; more > 1000+12 {
			t.Fatalf("%d writes were tried in ten seconds", more)
		}
	})
}

func TestAnUnsavedPairIsSavedOnceTheStoreTakesIt(t *testing.T) {
	for by, save := range map[string]func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket){
		"by the next request": func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
			p.wantServed(t, r.fresh(t, ticket), "ada")
			settle()
		},
		"by a request that comes when the pair is old": func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
			pass(time.Hour)
			p.wantServed(t, r.fresh(t, ticket), "ada")
		},
		"by the keeper": func(t *testing.T, r *rig, _ *strict, _ tokens.Ticket) {
			pass(15 * time.Second)
		},
		"at the end of the process": func(t *testing.T, r *rig, _ *strict, _ tokens.Ticket) {
			if err := r.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(by, func(t *testing.T) {
			unsavedBubble(t, func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
				if by == "by the keeper" {
					r.keepAlive(t)
				}
				pass(time.Minute)
				r.store.heal()
				save(t, r, p, ticket)
				wantSaved(t, r, p, ticket)
			})
		})
	}
}

func TestAPairThatDiedBeforeItWasSavedIsNotServed(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.Adopt(tokens.Policy{Limits: tokens.Limits{Idle: 100 * limits.Idle, Lifetime: limits.Lifetime}, Refresher: p}) // notes no use
		ticket := r.signIn(t, p.authorize("ada"))
		r.store.put(down, "replace")
		pass(time.Hour)
		p.wantServed(t, r.fresh(t, ticket), "ada")
		r.store.heal()
		pass(time.Hour)
		p.wantServed(t, r.fresh(t, ticket), "ada")
		wantSaved(t, r, p, ticket)
	})
}

// A request that is served from memory must not make the keeper think that all
// is well until the next refresh.
func TestTheKeeperSavesAPairThatRequestsWereServedFrom(t *testing.T) {
	unsavedBubble(t, func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
		r.keepAlive(t)
		for range 30 {
			pass(time.Second)
			p.wantServed(t, r.fresh(t, ticket), "ada")
		}
		settle()
		r.store.heal()
		pass(15 * time.Second)
		wantSaved(t, r, p, ticket)
	})
}

func TestAPairIsRefreshedAgainWhileItIsUnsaved(t *testing.T) {
	for name, operations := range map[string][]string{"by itself": {"replace"}, "with the touch going through": nil} {
		t.Run(name, func(t *testing.T) {
			unsavedBubble(t, func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
				for range 4 {
					r.store.put(down, operations...)
					pass(time.Hour)
					p.wantServed(t, r.fresh(t, ticket), "ada")
				}
				r.store.heal()
				pass(2 * time.Second)
				p.wantServed(t, r.fresh(t, ticket), "ada")
				settle()
				wantSaved(t, r, p, ticket)
				if calls := len(p.sends()); calls != 5 {
					t.Fatalf("%d calls in five hours", calls)
				}
			})
		})
	}
}

// Noting a use writes the pair it finds. By the time that is done there may be
// a newer one, which is not in the store yet.
func TestAPairIsNotForgottenBecauseTheOneBeforeItWasSaved(t *testing.T) {
	for name, f := range map[string]func(call func() error) error{"saved": func(call func() error) error { return call() }, "saved without an answer": answerLost} {
		t.Run(name, func(t *testing.T) {
			unsavedBubble(t, func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
				goOn := make(chan struct{})
				pass(59*time.Minute + 30*time.Second)
				p.wantServed(t, r.fresh(t, ticket), "ada") // saving fails, and pauses
				settle()
				r.store.put(func(call func() error) error { <-goOn; return f(call) }, "replace")
				p.wantServed(t, r.fresh(t, ticket), "ada") // notes the use, slowly
				settle()
				r.store.put(down, "replace")
				pass(20 * time.Second)
				p.wantServed(t, r.fresh(t, ticket), "ada") // the third pair
				settle()
				close(goOn)
				settle()
				p.wantServed(t, r.fresh(t, ticket), "ada")
				r.store.heal()
				pass(2 * time.Second)
				p.wantServed(t, r.fresh(t, ticket), "ada")
				settle()
				wantSaved(t, r, p, ticket)
			})
		})
	}
}

func TestSigningOutDropsAnUnsavedPair(t *testing.T) {
	unsavedBubble(t, func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
		if err := r.Revoke(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		r.store.heal()
		r.fresh(t, ticket).wantAbsent(t)
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.twin(p).fresh(t, ticket).wantAbsent(t)
	})
}

func TestASignOutThatFailedKeepsAnUnsavedPair(t *testing.T) {
	unsavedBubble(t, func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
		r.store.put(down, "delete")
		wantUnavailable(t, r.Revoke(t.Context(), ticket), tokens.PartStore)
		r.store.heal()
		pass(time.Minute)
		p.wantServed(t, r.fresh(t, ticket), "ada")
		settle()
		wantSaved(t, r, p, ticket)
	})
}

func TestASessionThatWasSignedOutElsewhereStaysSo(t *testing.T) {
	unsavedBubble(t, func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
		if err := r.twin(p).Revoke(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		r.store.heal()
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.fresh(t, ticket).wantAbsent(t)
	})
}

func TestAnUnsavedPairGivesWayToTheOneAnotherReplicaStored(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.store.put(down, "replace")
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantToken(t, 2)
		other := r.replica()
		other.provider.grants(grant(3)) // a forgiving provider
		other.fresh(t, ticket).wantToken(t, 3)
		r.store.heal()
		r.fresh(t, ticket).wantToken(t, 3)
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		other.fresh(t, ticket).wantToken(t, 3)
	})
}

func TestAPairForSomebodyElseIsNotServedWhileTheStoreIsAway(t *testing.T) {
	for name, operations := range map[string][]string{"nothing works": {"load", "replace"}, "nothing can be written": {"replace"}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, grant(1))
				foreign := grant(2)
				foreign.User = "eve"
				rotates(r, foreign, down, operations...)
				r.clock.Advance(time.Hour)
				for range 3 {
					if got := r.fresh(t, ticket); got.err == nil {
						t.Fatalf("ada was served %q", got.session.Access.Reveal())
					}
					settle()
				}
				r.store.heal()
				r.provider.fails(tokens.ErrRejected)
				r.clock.Advance(2 * time.Minute)
				r.fresh(t, ticket).wantEnded(t, tokens.EndRejected)
			})
		})
	}
}

func TestClosingGivesUpOnAStoreThatStaysAway(t *testing.T) {
	unsavedBubble(t, func(t *testing.T, r *rig, _ *strict, _ tokens.Ticket) {
		r.store.put(hangs, "load", "replace")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begun := time.Now()
		if err := r.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 4*time.Second {
			t.Fatalf("closing took %v", took)
		}
	})
}

// hangs is a store that gives up by itself, as the contract says.
func hangs(func() error) error { pass(2 * time.Second); return errDown }

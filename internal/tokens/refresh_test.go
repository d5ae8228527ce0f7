package tokens_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func TestParallelRequestsShareOneRefresh(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		release := r.provider.holds(grant(2))
		var waiting []<-chan answer
		for range 200 {
			waiting = append(waiting, r.ask(t.Context(), ticket))
		}
		settle()
		close(release)
		for _, answers := range waiting {
			(<-answers).wantToken(t, 2)
		}
		r.wantCalls(t, 1)
	})
}

// Without a bubble, requests come at every moment of the refresh.
func TestParallelRequestsOfAnyTimingGetTheNewToken(t *testing.T) {
	for range 20 {
		r := newRig(t, 0)
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		start := make(chan struct{})
		answers := make([]answer, 200)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() {
				<-start
				answers[i].session, answers[i].err = r.Fresh(t.Context(), site, ticket)
			})
		}
		close(start)
		wg.Wait()
		for _, a := range answers {
			a.wantToken(t, 2)
		}
		r.wantCalls(t, 1)
	}
}

// pausedLoad blocks whoever loads next once the record was read.
func pausedLoad(r *rig) (goOn chan struct{}) {
	goOn = make(chan struct{})
	r.store.put(func(call func() error) error {
		err := call()
		<-goOn
		return err
	}, "load")
	return goOn
}

func TestARequestThatReadTheOldRecordGetsTheNewToken(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		goOn := pausedLoad(r)
		late := r.ask(t.Context(), ticket)
		settle()
		r.store.heal()
		r.fresh(t, ticket).wantToken(t, 2)
		close(goOn)
		(<-late).wantToken(t, 2)
		r.wantCalls(t, 1)
	})
}

func TestARequestWaitsForATokenThatIsBeingStored(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		goOn := make(chan struct{})
		r.provider.does(func(context.Context, string) (tokens.Set, error) {
			r.store.put(func(call func() error) error { <-goOn; return call() }, "replace")
			return grant(2), nil
		})
		first := r.ask(t.Context(), ticket)
		settle()
		second := r.ask(t.Context(), ticket)
		settle()
		close(goOn)
		(<-first).wantToken(t, 2)
		(<-second).wantToken(t, 2)
		r.wantCalls(t, 1)
	})
}

func TestATokenThatEndsSoonIsServedWhileItIsRefreshed(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(56 * time.Minute)
		release := r.provider.holds(grant(2))
		for range 20 {
			r.fresh(t, ticket).wantToken(t, 1)
		}
		settle()
		r.wantCalls(t, 1)
		close(release)
		settle()
		r.fresh(t, ticket).wantToken(t, 2)
		r.wantCalls(t, 1)
	})
}

func TestARefreshOutlivesTheRequestThatAskedForIt(t *testing.T) {
	for name, left := range map[string]time.Duration{"due": 0, "soon": time.Minute} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, grant(1))
				r.clock.Advance(time.Hour - left)
				release := r.provider.holds(grant(2))
				ctx, cancel := context.WithCancel(t.Context())
				gone := r.ask(ctx, ticket)
				settle()
				cancel()
				if got := <-gone; left == 0 && !errors.Is(got.err, context.Canceled) {
					t.Fatalf("Fresh error = %v, want the context's", got.err)
				}
				close(release)
				settle()
				r.clock.Advance(2 * time.Second)
				r.fresh(t, ticket).wantToken(t, 2)
				r.wantCalls(t, 1)
			})
		})
	}
}

func TestOneRequestGoingAwayDoesNotDisturbTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		release := r.provider.holds(grant(2))
		ctx, cancel := context.WithCancel(t.Context())
		first := r.ask(ctx, ticket)
		settle()
		second := r.ask(t.Context(), ticket)
		settle()
		cancel()
		<-first
		close(release)
		(<-second).wantToken(t, 2)
		r.wantCalls(t, 1)
	})
}

func TestAProviderThatNeverAnswersIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		r.provider.holds(grant(2))
		got := r.fresh(t, ticket).wantUnavailable(t, tokens.PartProvider)
		if !errors.Is(got, context.DeadlineExceeded) {
			t.Fatalf("%v, want a deadline's end", got)
		}
	})
}

func TestSessionsAreRefreshedSideBySide(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		slow, quick := r.signIn(t, grant(1)), r.signIn(t, grant(3))
		r.clock.Advance(time.Hour)
		release := r.provider.holds(grant(2))
		waiting := r.ask(t.Context(), slow)
		settle()
		r.provider.grants(grant(4))
		r.fresh(t, quick).wantToken(t, 4)
		close(release)
		(<-waiting).wantToken(t, 2)
	})
}

func TestEachSessionIsRefreshedByTheClientThatGotItsTokens(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		other := tokens.Client{ID: "another", Secret: secret.New(canary + "another"), Dynamic: true}
		a, b := r.signIn(t, grant(1)), r.signInWith(t, other, grant(3))
		r.clock.Advance(time.Hour)
		r.fresh(t, a).wantToken(t, 2)
		r.fresh(t, b).wantToken(t, 2)
		for i, want := range []tokens.Client{client, other} {
			got := r.provider.clients[i]
			if got.ID != want.ID || !got.Secret.Equal(want.Secret) || got.Dynamic != want.Dynamic {
				t.Errorf("refresh %d was made as %q, want %q", i, got.ID, want.ID)
			}
		}
	})
}

func TestARefreshWithoutARefreshTokenKeepsTheOldOne(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		kept := grant(2)
		kept.Refresh = secret.String{}
		r.provider.grants(kept)
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantToken(t, 2)
		r.provider.grants(grant(3))
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantToken(t, 3)
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantToken(t, 3)
		r.wantCalls(t, 1, 1, 3)
	})
}

func TestTokensForSomebodyElseEndTheSession(t *testing.T) {
	for name, test := range map[string]struct {
		user, tenant string
		ends         bool
	}{
		"the same":          {"ada", "acme", false},
		"another user":      {"eve", "acme", true},
		"another tenant":    {"ada", "evil", true},
		"no user named":     {"", "acme", false},
		"nothing named":     {"", "", false},
		"differing in case": {"Ada", "acme", true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, grant(1))
				set := grant(2)
				set.User, set.Tenant = test.user, test.tenant
				r.provider.grants(set)
				r.clock.Advance(time.Hour)
				if !test.ends {
					got := r.fresh(t, ticket)
					got.wantToken(t, 2)
					if got.session.User != "ada" || got.session.Tenant != "acme" {
						t.Errorf("the session became %s of %s", got.session.User, got.session.Tenant)
					}
					return
				}
				for range 2 {
					r.fresh(t, ticket).wantEnded(t, tokens.EndRejected)
				}
				r.wantCalls(t, 1)
			})
		})
	}
}

func TestATokenOfNextToNoLifetimeDoesNotFloodTheProvider(t *testing.T) {
	for name, lifetime := range map[string]time.Duration{"none": 0, "a millisecond": time.Millisecond, "a second": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 0)
				short := grant(1)
				short.Lifetime = lifetime
				ticket := r.signIn(t, short)
				r.provider.grants(short)
				r.clock.Advance(lifetime)
				r.fresh(t, ticket).wantToken(t, 1)
				for range 100 {
					r.clock.Advance(100 * time.Millisecond)
					if got := r.fresh(t, ticket); got.err != nil {
						got.wantUnavailable(t, tokens.PartProvider)
					}
					settle()
				}
				if calls := len(r.provider.calls()); calls < 10 || calls > 12 {
					t.Fatalf("%d calls in ten seconds, want about one a second", calls)
				}
			})
		})
	}
}

package tokens_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// keepAlive has the vault keep its sessions until the test ends.
func (r *rig) keepAlive(t *testing.T) {
	t.Helper()
	r.KeepAlive()
	t.Cleanup(func() { _ = r.Close(context.Background()) })
}

func (r *rig) wantSessions(t *testing.T, n int) {
	t.Helper()
	if got := r.Sessions(); got != n {
		t.Fatalf("Sessions = %d, want %d", got, n)
	}
}

func TestAQuietSessionIsKeptFreshUntilItIsIdle(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.keepAlive(t)
		ticket := r.signIn(t, p.authorize("ada"))
		pass(limits.Idle - time.Second)
		calls := len(p.sends())
		if calls < 12 || calls > 14 {
			t.Fatalf("%d calls in %v", calls, limits.Idle)
		}
		if s, err := r.Peek(t.Context(), site, ticket); err != nil || p.faultOf(s.Access.Reveal(), "ada") != "" {
			t.Fatalf("the token was not kept fresh: %v", err)
		}
		p.wantNoneTwice(t)
		r.wantSessions(t, 1)
		pass(2 * time.Hour)
		r.wantSessions(t, 0)
		r.fresh(t, ticket).wantEnded(t, tokens.EndExpired)
	})
}

func TestASessionNobodyUsesIsNotRefreshedBeyondTheIdleLimit(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.keepAlive(t)
		for i := range 50 {
			r.signIn(t, p.authorize(fmt.Sprint("user", i)))
		}
		signedIn := time.Now()
		pass(20 * time.Hour)
		for _, s := range p.sends() {
			if idle := s.at.Sub(signedIn); idle > limits.Idle {
				t.Errorf("refreshed after %v without use", idle)
			}
		}
		r.wantSessions(t, 0)
	})
}

func TestUseKeepsASessionForItsWholeLifetime(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.keepAlive(t)
		ticket := r.signIn(t, p.authorize("ada"))
		const pause = 11 * time.Hour
		for used := pause; used < limits.Lifetime; used += pause {
			pass(pause)
			p.wantServed(t, r.fresh(t, ticket), "ada")
		}
		p.wantNoneTwice(t)
		pass(pause)
		if got := r.fresh(t, ticket); got.err == nil {
			t.Fatal("the session outlived its lifetime")
		}
		pass(2 * time.Hour)
		r.wantSessions(t, 0)
		for _, s := range p.sends() {
			if s.at.After(p.sent[0].at.Add(limits.Lifetime)) {
				t.Error("the session was refreshed after its end")
			}
		}
	})
}

func TestKeptSessionsDoNotComeToTheProviderTogether(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.keepAlive(t)
		const sessions = 400
		begun := time.Now()
		for i := range sessions {
			r.signIn(t, p.authorize(fmt.Sprint("user", i)))
		}
		pass(time.Hour)
		seconds := map[time.Duration]int{}
		for _, s := range p.sends() {
			at := s.at.Sub(begun)
			if at < 52*time.Minute+30*time.Second || at > 55*time.Minute+time.Second {
				t.Errorf("refreshed after %v, want between 5 and 7.5 minutes before the end", at)
			}
			seconds[at/time.Second]++
		}
		if len(p.sends()) != sessions {
			t.Fatalf("%d calls for %d sessions", len(p.sends()), sessions)
		}
		for at, n := range seconds {
			if n > 20 {
				t.Errorf("%d refreshes in second %d", n, at)
			}
		}
	})
}

func TestKeepingBoundsTheCallsUnderWay(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		var mu sync.Mutex
		under, most := 0, 0
		p.feels(func(_ context.Context, trade func() (tokens.Set, error)) (tokens.Set, error) {
			mu.Lock()
			under++
			most = max(most, under)
			mu.Unlock()
			pass(2 * time.Second)
			mu.Lock()
			under--
			mu.Unlock()
			return trade()
		})
		r.keepAlive(t)
		const sessions = 1000
		var tickets []tokens.Ticket
		for i := range sessions {
			tickets = append(tickets, r.signIn(t, p.authorize(fmt.Sprint("user", i))))
		}
		pass(time.Hour)
		if most != tokens.MaxKeeping {
			t.Errorf("%d calls at once, want %d", most, tokens.MaxKeeping)
		}
		if calls := len(p.sends()); calls != sessions {
			t.Errorf("%d calls for %d sessions", calls, sessions)
		}
		p.wantNoneTwice(t)
		for i, ticket := range tickets {
			p.wantServed(t, r.fresh(t, ticket), fmt.Sprint("user", i))
		}
		r.wantSessions(t, sessions)
	})
}

func TestReplicasThatKnowOneSessionRefreshItOncePerPeriod(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		p.feels(slow(20 * time.Second))
		other := r.twin(p)
		r.keepAlive(t)
		other.keepAlive(t)
		ticket := r.signIn(t, p.authorize("ada"))
		other.fresh(t, ticket)
		pass(11 * time.Hour)
		if calls := len(p.sends()); calls < 11 || calls > 13 {
			t.Errorf("%d calls in eleven hours", calls)
		}
		p.wantNoneTwice(t)
		p.wantServed(t, other.fresh(t, ticket), "ada")
	})
}

func TestASessionIsKeptByWhoeverIsLeftOfItsReplicas(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		other := r.twin(p)
		r.keepAlive(t)
		other.keepAlive(t)
		ticket := r.signIn(t, p.authorize("ada"))
		other.fresh(t, ticket)
		pass(2 * time.Hour)
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(8 * time.Hour)
		p.wantServed(t, other.fresh(t, ticket), "ada")
		p.wantNoneTwice(t)
	})
}

func TestASessionThatIsOverIsNotKept(t *testing.T) {
	for how, over := range map[string]func(t *testing.T, r, other *rig, ticket tokens.Ticket) error{
		"signed out": func(t *testing.T, r, _ *rig, ticket tokens.Ticket) error { return r.Revoke(t.Context(), ticket) },
		"signed out elsewhere": func(t *testing.T, _, other *rig, ticket tokens.Ticket) error {
			return other.Revoke(t.Context(), ticket)
		},
		"ended": func(t *testing.T, r, _ *rig, ticket tokens.Ticket) error {
			return r.End(t.Context(), ticket.Name(), tokens.EndRevoked)
		},
		"ended elsewhere": func(t *testing.T, _, other *rig, ticket tokens.Ticket) error {
			return other.End(t.Context(), ticket.Name(), tokens.EndRevoked)
		},
		"sealed with a key that is gone": func(t *testing.T, r, _ *rig, _ tokens.Ticket) error {
			r.Adopt(tokens.Policy{Limits: limits, Refresher: r.provider, Ring: newRing(t, 7)})
			return nil
		},
	} {
		t.Run(how, func(t *testing.T) {
			strictBubble(t, func(t *testing.T, r *rig, p *strict) {
				r.keepAlive(t)
				ticket := r.signIn(t, p.authorize("ada"))
				if err := over(t, r, r.twin(p), ticket); err != nil {
					t.Fatal(err)
				}
				pass(time.Hour)
				r.wantSessions(t, 0)
				if len(p.sends())+len(r.provider.calls()) != 0 {
					t.Error("a session that is over was refreshed")
				}
			})
		})
	}
}

func TestASessionTheProviderRefusesIsNotKept(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.keepAlive(t)
		ticket := r.signIn(t, p.authorize("ada"))
		p.feels(func(context.Context, func() (tokens.Set, error)) (tokens.Set, error) {
			return tokens.Set{}, tokens.ErrRejected
		})
		pass(5 * time.Hour)
		if calls := len(p.sends()); calls != 1 {
			t.Errorf("%d calls", calls)
		}
		r.wantSessions(t, 0)
		r.fresh(t, ticket).wantEnded(t, tokens.EndRejected)
	})
}

func TestSignedOutDuringItsKeepingASessionStaysSo(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		p.feels(slow(10 * time.Second))
		r.keepAlive(t)
		ticket := r.signIn(t, p.authorize("ada"))
		for len(p.sends()) == 0 {
			pass(time.Second)
		}
		if err := r.Revoke(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		r.fresh(t, ticket).wantAbsent(t)
		r.wantSessions(t, 0)
		if len(p.sends()) != 1 {
			t.Error("it was refreshed after the sign-out")
		}
	})
}

func TestNothingIsKeptAfterClosing(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.KeepAlive()
		r.KeepAlive() // twice is once
		r.signIn(t, p.authorize("ada"))
		pass(time.Minute)
		for range 2 {
			if err := r.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		pass(3 * time.Hour)
		if len(p.sends()) != 0 {
			t.Fatal("a closed vault refreshed a session")
		}
	})
}

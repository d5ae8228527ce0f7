package tokens_test

import (
	"context"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func TestManyRequestsAtTwoReplicasShareOneRefresh(t *testing.T) {
	for name, takes := range map[string]time.Duration{"quick": 10 * time.Millisecond, "slow": 5 * time.Second, "slower than a lease holds": 40 * time.Second} {
		t.Run(name, func(t *testing.T) {
			strictBubble(t, func(t *testing.T, r *rig, p *strict) {
				ticket := r.signIn(t, p.authorize("ada"))
				other := r.twin(p)
				p.feels(slow(takes))
				pass(time.Hour)
				var waiting []<-chan answer
				for range 200 {
					waiting = append(waiting, r.ask(t.Context(), ticket), other.ask(t.Context(), ticket))
				}
				for _, answers := range waiting {
					p.wantServed(t, <-answers, "ada")
				}
				if calls := len(p.sends()); calls != 1 {
					t.Fatalf("%d calls, want one", calls)
				}
			})
		})
	}
}

func TestALeaseIsRenewedForAsLongAsTheProviderTakes(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		ticket := r.signIn(t, p.authorize("ada"))
		p.feels(slow(40 * time.Second))
		pass(time.Hour)
		waiting := r.ask(t.Context(), ticket)
		settle()
		for range 39 {
			pass(time.Second)
			err := r.store.next.Lease(t.Context(), tokens.LeaseName(ticket.Name()), "somebody else", time.Second)
			if err != tokens.ErrHeld {
				t.Fatalf("the lease is free while the refresh goes on: %v", err)
			}
		}
		p.wantServed(t, <-waiting, "ada")
		settle()
		if err := r.store.next.Lease(t.Context(), tokens.LeaseName(ticket.Name()), "somebody else", time.Second); err != nil {
			t.Fatalf("the lease was not given back: %v", err)
		}
	})
}

func TestTheLeaseOfADeadReplicaIsTakenOver(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		ticket := r.signIn(t, p.authorize("ada"))
		pass(time.Hour)
		if err := r.store.next.Lease(t.Context(), tokens.LeaseName(ticket.Name()), "a dead replica", tokens.LeaseTTL); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		p.wantServed(t, r.fresh(t, ticket), "ada")
		if waited := time.Since(begun); waited < tokens.LeaseTTL || waited > tokens.LeaseTTL+time.Second {
			t.Fatalf("the lease was taken over after %v", waited)
		}
		p.wantNoneTwice(t)
	})
}

func TestHoweverLongTheLeaseWasWaitedForTheProviderHasItsTime(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		ticket := r.signIn(t, p.authorize("ada"))
		pass(time.Hour)
		if err := r.store.next.Lease(t.Context(), tokens.LeaseName(ticket.Name()), "a replica that dies in a moment", 44*time.Second); err != nil {
			t.Fatal(err)
		}
		p.feels(slow(20 * time.Second))
		p.wantServed(t, r.fresh(t, ticket), "ada")
		p.wantNoneTwice(t)
	})
}

func TestALeaseThatIsNeverGivenBackMakesAnHonestAnswer(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		ticket := r.signIn(t, p.authorize("ada"))
		pass(time.Hour)
		if err := r.store.next.Lease(t.Context(), tokens.LeaseName(ticket.Name()), "somebody else", time.Hour); err != nil {
			t.Fatal(err)
		}
		r.fresh(t, ticket).wantUnavailable(t, tokens.PartProvider)
		if len(p.sends()) != 0 {
			t.Fatal("the provider was asked without the lease")
		}
	})
}

func TestARefreshNobodyWaitsForDoesNotPoll(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		ticket := r.signIn(t, p.authorize("ada"))
		other := r.twin(p)
		p.feels(slow(30 * time.Second))
		pass(56 * time.Minute)
		p.wantServed(t, r.fresh(t, ticket), "ada")
		settle()
		p.wantServed(t, other.fresh(t, ticket), "ada")
		pass(20 * time.Second)
		if asked := other.store.count("lease"); asked != 1 {
			t.Fatalf("the lease was asked for %d times", asked)
		}
		pass(20 * time.Second)
		p.wantServed(t, other.fresh(t, ticket), "ada")
		p.wantNoneTwice(t)
	})
}

// The provider gives no second chance: what the dead replica was given is lost.
func TestAReplicaThatDiesBeforeItSavesCostsTheSessionOnce(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		ticket := r.signIn(t, p.authorize("ada"))
		other := r.twin(p)
		pass(time.Hour)
		p.feels(func(_ context.Context, trade func() (tokens.Set, error)) (tokens.Set, error) {
			r.store.put(down, everyOperation...)
			return trade()
		})
		r.fresh(t, ticket)
		p.feels(nil)
		for range 3 {
			other.fresh(t, ticket).wantEnded(t, tokens.EndRejected)
		}
		if calls := len(p.sends()); calls != 2 {
			t.Fatalf("%d calls, want one of each replica", calls)
		}
	})
}

package tokens_test

import (
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func TestAnHourWithoutTheProviderLosesNothing(t *testing.T) {
	for name, m := range map[string]mood{"down": outage, "hanging": hanging} {
		t.Run(name, func(t *testing.T) {
			strictBubble(t, func(t *testing.T, r *rig, p *strict) {
				r.keepAlive(t)
				quiet, busy := r.signIn(t, p.authorize("ada")), r.signIn(t, p.authorize("eve"))
				pass(50 * time.Minute)
				p.feels(m)
				for minute := range 60 {
					pass(time.Minute)
					if got := r.fresh(t, busy); minute < 9 {
						p.wantServed(t, got, "eve")
					} else if got.err != nil {
						got.wantUnavailable(t, tokens.PartProvider)
					}
				}
				if calls := len(p.sends()); calls > 2*75 {
					t.Errorf("%d calls for two sessions in an hour of outage", calls)
				}
				p.feels(nil)
				pass(2 * time.Minute)
				for user, ticket := range map[string]tokens.Ticket{"ada": quiet, "eve": busy} {
					if s, err := r.Peek(t.Context(), site, ticket); err != nil || p.faultOf(s.Access.Reveal(), user) != "" {
						t.Errorf("%s was not refreshed when the provider came back: %v", user, err)
					}
					p.wantServed(t, r.fresh(t, ticket), user)
				}
			})
		})
	}
}

func TestAnHourWithoutTheStoreLosesNothing(t *testing.T) {
	for name, operations := range map[string][]string{"at all": everyOperation, "to write to": {"create", "replace", "delete"}} {
		t.Run(name, func(t *testing.T) {
			strictBubble(t, func(t *testing.T, r *rig, p *strict) {
				r.keepAlive(t)
				ticket := r.signIn(t, p.authorize("ada"))
				pass(40 * time.Minute)
				r.store.put(down, operations...)
				pass(time.Hour)
				r.store.heal()
				pass(time.Minute)
				p.wantServed(t, r.fresh(t, ticket), "ada")
				settle()
				p.wantNoneTwice(t)
				p.wantServed(t, r.twin(p).fresh(t, ticket), "ada")
			})
		})
	}
}

func TestASuspendedMachineRefreshesSoonAfter(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.keepAlive(t)
		ticket := r.signIn(t, p.authorize("ada"))
		pass(time.Minute)
		r.clock.Advance(110 * time.Minute)
		pass(31 * time.Second)
		if calls := len(p.sends()); calls != 1 {
			t.Fatalf("%d calls half a minute after waking up", calls)
		}
		p.wantServed(t, r.fresh(t, ticket), "ada")
		p.wantNoneTwice(t)
	})
}

func TestASessionComesBackToTheKeeperWhenItIsUsedAgain(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		ticket := r.signIn(t, p.authorize("ada"))
		restarted := r.twin(p)
		restarted.keepAlive(t)
		restarted.wantSessions(t, 0)
		pass(time.Hour)
		p.wantServed(t, restarted.fresh(t, ticket), "ada")
		restarted.wantSessions(t, 1)
		pass(11 * time.Hour)
		p.wantServed(t, restarted.fresh(t, ticket), "ada")
		p.wantNoneTwice(t)
	})
}

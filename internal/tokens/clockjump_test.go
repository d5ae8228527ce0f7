package tokens_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// The provider goes by the bubble's time, the gateway by a clock that jumps.
func jumpingBubble(t *testing.T, test func(t *testing.T, r *rig, p *strict)) {
	t.Helper()
	runningBubble(t, func(t *testing.T, r *rig) {
		p := newStrict(time.Now)
		r.adopt(p)
		test(t, r, p)
	})
}

var jumps = map[string]time.Duration{
	"a second": time.Second, "ten minutes": 10 * time.Minute, "an hour": time.Hour, "five hours": 5 * time.Hour,
}

func TestAClockThatJumpsEndsNoSession(t *testing.T) {
	for name, jump := range jumps {
		for where, offset := range map[string]time.Duration{"forward": jump, "back": -jump} {
			for how, kept := range map[string]bool{"in use": false, "quiet": true} {
				t.Run(fmt.Sprint(name, " ", where, ", ", how), func(t *testing.T) {
					jumpingBubble(t, func(t *testing.T, r *rig, p *strict) {
						r.keepAlive(t)
						ticket := r.signIn(t, p.authorize("ada"))
						for range 3 {
							passInUse(t, r, ticket, time.Hour, kept)
							r.clock.Advance(offset)
							passInUse(t, r, ticket, time.Hour, kept)
							r.clock.Advance(-offset)
						}
						pass(time.Minute)
						p.wantServed(t, r.fresh(t, ticket), "ada")
					})
				})
			}
		}
	}
}

// passInUse lets time pass, with a request a minute or none.
func passInUse(t *testing.T, r *rig, ticket tokens.Ticket, d time.Duration, quiet bool) {
	t.Helper()
	if quiet {
		pass(d)
		return
	}
	for range d / time.Minute {
		pass(time.Minute)
		got := r.fresh(t, ticket)
		if got.err != nil {
			t.Fatalf("not served: %v", got.err)
		}
		if now := r.clock.Now(); got.session.TokenExpires.Sub(now) > strictAccess+time.Minute {
			t.Fatalf("served a token that is thought to live for %v", got.session.TokenExpires.Sub(now))
		}
	}
}

func TestAClockThatIsSetBackDoesNotMakeTheKeeperWait(t *testing.T) {
	jumpingBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.keepAlive(t)
		ticket := r.signIn(t, p.authorize("ada"))
		pass(time.Hour)
		r.clock.Advance(-5 * time.Hour)
		pass(4 * time.Hour)
		if calls := len(p.sends()); calls < 5 || calls > 6 {
			t.Errorf("%d calls in five hours", calls)
		}
		p.wantServed(t, r.fresh(t, ticket), "ada")
		p.wantNoneTwice(t)
	})
}

// A token that was received while the clock was ahead is not taken for alive
// once the clock is right again.
func TestAClockThatIsSetBackMakesNoTokenImmortal(t *testing.T) {
	for name, jump := range jumps {
		t.Run(name, func(t *testing.T) {
			jumpingBubble(t, func(t *testing.T, r *rig, p *strict) {
				r.clock.Advance(jump)
				ticket := r.signIn(t, p.authorize("ada"))
				r.clock.Advance(-jump)
				for range 4 * 60 {
					pass(time.Minute)
					p.wantServed(t, r.fresh(t, ticket), "ada")
				}
				if calls := len(p.sends()); calls < 4 || calls > 6 {
					t.Errorf("%d calls in four hours", calls)
				}
				p.wantNoneTwice(t)
			})
		})
	}
}

func TestReplicasWhoseClocksDifferDoNotOutbidEachOther(t *testing.T) {
	for _, apart := range []time.Duration{2 * time.Second, 30 * time.Second, 3 * time.Minute} {
		t.Run(apart.String(), func(t *testing.T) {
			jumpingBubble(t, func(t *testing.T, r *rig, p *strict) {
				other := r.twin(p)
				other.clock = running()
				other.clock.Advance(apart)
				other.open()
				other.adopt(p)
				ticket := r.signIn(t, p.authorize("ada"))
				for range 5 * 60 {
					pass(time.Minute)
					p.wantServed(t, r.fresh(t, ticket), "ada")
					p.wantServed(t, other.fresh(t, ticket), "ada")
				}
				if calls := len(p.sends()); calls > 11 {
					t.Errorf("%d calls in five hours", calls)
				}
				p.wantNoneTwice(t)
			})
		})
	}
}

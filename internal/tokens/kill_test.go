package tokens_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// failing makes every operation fail from the nth on; the nth itself in the
// way given. It tells whether it came to that.
func (s *faultyStore) failing(n int, nth fault) (struck func() bool) {
	var calls atomic.Int64
	s.put(func(call func() error) error {
		switch at := int(calls.Add(1)); {
		case at < n:
			return call()
		case at == n:
			return nth(call)
		default:
			return errDown
		}
	}, everyOperation...)
	return func() bool { return int(calls.Load()) >= n }
}

// atEveryCall runs a refresh that loses its store at the nth call, for every n
// there is.
func atEveryCall(t *testing.T, test func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket)) {
	for how, nth := range map[string]fault{"refused": down, "done without an answer": answerLost} {
		for when, age := range map[string]time.Duration{"behind a request": 56 * time.Minute, "due": time.Hour} {
			n, struck := 1, true
			for ; struck; n++ {
				t.Run(fmt.Sprintf("%s, call %d %s", when, n, how), func(t *testing.T) {
					strictBubble(t, func(t *testing.T, r *rig, p *strict) {
						ticket := r.signIn(t, p.authorize("ada"))
						pass(age)
						itStruck := r.store.failing(n, nth)
						r.fresh(t, ticket)
						settle()
						struck = itStruck()
						test(t, r, p, ticket)
					})
				})
			}
			if n < 5 {
				t.Errorf("a refresh made %d calls", n-1)
			}
		}
	}
}

func TestAStoreThatIsLostAtAnyCallOfARefreshLosesNoSession(t *testing.T) {
	atEveryCall(t, func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
		pass(2 * time.Minute)
		r.store.heal()
		p.wantServed(t, r.fresh(t, ticket), "ada")
		pass(time.Minute)
		p.wantServed(t, r.twin(p).fresh(t, ticket), "ada")
		p.wantNoneTwice(t)
	})
}

func TestAProcessThatDiesAtAnyCallOfARefreshLosesNoSessionItCouldKeep(t *testing.T) {
	atEveryCall(t, func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
		next := r.twin(p)
		before, err := next.Peek(t.Context(), site, ticket)
		if err != nil {
			t.Fatal(err)
		}
		traded := len(p.sends()) > 0
		lost := traded && before.Access.Reveal() == fmt.Sprint(canary, "access ada/1")
		pass(5 * time.Minute)
		got := next.fresh(t, ticket)
		if lost {
			got.wantEnded(t, tokens.EndRejected)
			return
		}
		p.wantServed(t, got, "ada")
		p.wantNoneTwice(t)
	})
}

func TestAReplyThatWasLostIsAskedForOnceMoreOnly(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		ticket := r.signIn(t, p.authorize("ada"))
		pass(56 * time.Minute)
		p.feels(replyLost)
		p.wantServed(t, r.fresh(t, ticket), "ada")
		settle()
		p.feels(nil)
		pass(2 * time.Minute)
		r.fresh(t, ticket)
		for range 5 {
			pass(time.Minute)
			r.fresh(t, ticket).wantEnded(t, tokens.EndRejected)
		}
		if calls := len(p.sends()); calls != 2 {
			t.Fatalf("%d calls, want two", calls)
		}
	})
}

// A request may go away at any moment of the refresh it asked for.
func TestARequestThatIsCancelledAtAnyStoreCallDoesNotDisturbTheRefresh(t *testing.T) {
	for n, struck := 1, true; struck; n++ {
		t.Run(fmt.Sprint("at call ", n), func(t *testing.T) {
			strictBubble(t, func(t *testing.T, r *rig, p *strict) {
				ticket := r.signIn(t, p.authorize("ada"))
				pass(time.Hour)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var calls atomic.Int64
				r.store.put(func(call func() error) error {
					if int(calls.Add(1)) == n {
						cancel()
						settleElsewhere()
					}
					return call()
				}, everyOperation...)
				<-r.ask(ctx, ticket)
				pass(time.Second)
				struck = int(calls.Load()) >= n
				r.store.heal()
				p.wantServed(t, r.fresh(t, ticket), "ada")
				p.wantNoneTwice(t)
			})
		})
	}
}

// settleElsewhere lets the other goroutines notice what was done.
func settleElsewhere() { pass(time.Millisecond) }

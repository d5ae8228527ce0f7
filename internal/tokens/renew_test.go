package tokens_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// renew says that an upstream refused the nth token.
func (r *rig) renew(ctx context.Context, ticket tokens.Ticket, n int) answer {
	session, err := r.Renew(ctx, site, ticket, secret.New(access(n)))
	return answer{session, err}
}

// asksToRenew calls renew on a goroutine of its own.
func (r *rig) asksToRenew(ctx context.Context, ticket tokens.Ticket, n int) <-chan answer {
	answers := make(chan answer, 1)
	go func() { answers <- r.renew(ctx, ticket, n) }()
	return answers
}

func TestARefusedTokenIsRenewedUnlessItCameFromARefreshAMomentAgo(t *testing.T) {
	for name, test := range map[string]struct {
		age     time.Duration // of the token of the sign-in
		then    time.Duration // of one it was renewed to, which is refused too
		refused int           // the first token, by number
		want    int
		calls   []int
	}{
		"of a sign-in just now":            {0, 0, 1, 2, []int{1}},
		"of a sign-in half an hour ago":    {30 * time.Minute, 0, 1, 2, []int{1}},
		"of a refresh just now":            {time.Minute, time.Second, 1, 2, []int{1}},
		"of a refresh nearly a minute ago": {0, time.Minute - 1, 1, 2, []int{1}},
		"of a refresh a minute ago":        {0, time.Minute, 1, 3, []int{1, 2}},
		"another one, that is gone by now": {30 * time.Minute, 0, 7, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				n := 1
				r.provider.does(func(context.Context, string) (tokens.Set, error) { n++; return grant(n), nil })
				ticket := r.signIn(t, grant(1))
				r.clock.Advance(test.age)
				r.renew(t.Context(), ticket, test.refused)
				if test.then > 0 {
					r.clock.Advance(test.then)
					r.renew(t.Context(), ticket, 2)
				}
				r.wantCalls(t, test.calls...)
				r.fresh(t, ticket).wantToken(t, test.want)
			})
		})
	}
}

// An upstream that refuses everything must not have the provider called for
// every request.
func TestAnUpstreamThatRefusesEverythingCostsOneRefreshAMinute(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		n := 1
		r.provider.does(func(context.Context, string) (tokens.Set, error) { n++; return grant(n), nil })
		ticket := r.signIn(t, grant(1))
		for range 10 * 60 {
			pass(time.Second)
			session := r.fresh(t, ticket).session
			if _, err := r.Renew(t.Context(), site, ticket, session.Access); err != nil {
				t.Fatal(err)
			}
		}
		if calls := len(r.provider.calls()); calls < 9 || calls > 10 {
			t.Errorf("%d calls in ten minutes", calls)
		}
	})
}

func TestParallelRefusalsShareOneRefreshAndAllGetItsToken(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(2 * time.Minute)
		release := r.provider.holds(grant(2))
		var waiting []<-chan answer
		for range 100 {
			waiting = append(waiting, r.asksToRenew(t.Context(), ticket, 1))
		}
		settle()
		waiting = append(waiting, r.asksToRenew(t.Context(), ticket, 1)) // while it is under way
		settle()
		close(release)
		for _, answers := range waiting {
			(<-answers).wantToken(t, 2)
		}
		r.wantCalls(t, 1)
	})
}

// Without a bubble, refusals come at every moment of the refresh.
func TestParallelRefusalsOfAnyTimingGetTheNewToken(t *testing.T) {
	for range 20 {
		r := newRig(t, 0)
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(2 * time.Minute)
		start := make(chan struct{})
		answers := make([]answer, 100)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() {
				<-start
				answers[i] = r.renew(t.Context(), ticket, 1)
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

func TestReplicasRenewASessionOnceAMinuteTogether(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		other := r.replica()
		n := 1
		var mu sync.Mutex
		grants := func(context.Context, string) (tokens.Set, error) {
			mu.Lock()
			defer mu.Unlock()
			n++
			return grant(n), nil
		}
		r.provider.does(grants)
		other.provider.does(grants)
		ticket := r.signIn(t, grant(1))
		pass(time.Minute)
		r.renew(t.Context(), ticket, 1).wantToken(t, 2)
		other.renew(t.Context(), ticket, 1).wantToken(t, 2) // has another by now
		for range 59 {
			pass(time.Second)
			r.renew(t.Context(), ticket, 2).wantToken(t, 2)
			other.renew(t.Context(), ticket, 2).wantToken(t, 2)
		}
		if len(r.provider.calls())+len(other.provider.calls()) != 1 {
			t.Errorf("calls %v and %v", r.provider.calls(), other.provider.calls())
		}
		pass(time.Second)
		other.renew(t.Context(), ticket, 2).wantToken(t, 3)
	})
}

func TestARenewalThatFailsIsNotTriedAgainWithinAMinute(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(10 * time.Minute)
		r.provider.fails(comeBack(time.Millisecond)) // the pause after it is the shortest
		r.renew(t.Context(), ticket, 1).wantToken(t, 1)
		for range 59 {
			r.clock.Advance(time.Second)
			before := r.store.count("load")
			r.renew(t.Context(), ticket, 1).wantToken(t, 1)
			if loads := r.store.count("load") - before; loads > 2 {
				t.Errorf("it took %d loads to say no", loads)
			}
			r.fresh(t, ticket).wantToken(t, 1) // the session is none the worse
		}
		r.wantCalls(t, 1)
		r.provider.grants(grant(2))
		r.clock.Advance(time.Second)
		r.renew(t.Context(), ticket, 1).wantToken(t, 2)
		r.wantCalls(t, 1, 1)
	})
}

// A clock that was set back does not make the wait any longer.
func TestARenewalIsTriedAgainAfterTheClockWasSetBack(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(50 * time.Minute)
		r.provider.fails(errWeather)
		r.renew(t.Context(), ticket, 1).wantToken(t, 1)
		r.clock.Advance(-40 * time.Minute)
		r.provider.grants(grant(2))
		r.renew(t.Context(), ticket, 1).wantToken(t, 2)
	})
}

func TestARenewalJoinsARefreshUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(56 * time.Minute)
		release := r.provider.holds(grant(2))
		r.fresh(t, ticket).wantToken(t, 1) // refreshes behind the request
		settle()
		waiting := r.asksToRenew(t.Context(), ticket, 1)
		settle()
		close(release)
		(<-waiting).wantToken(t, 2)
		r.wantCalls(t, 1)
	})
}

func TestARefusalThatReadTheOldRecordCostsNoRefresh(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		r.clock.Advance(2 * time.Minute)
		goOn := pausedLoad(r)
		waiting := r.asksToRenew(t.Context(), ticket, 1)
		settle()
		other := r.replica()
		other.provider.grants(dayLong(3))
		other.renew(t.Context(), ticket, 1).wantToken(t, 3)
		r.clock.Advance(2 * time.Minute)
		r.store.heal()
		close(goOn)
		(<-waiting).wantToken(t, 3)
		r.wantCalls(t)
	})
}

// A refresh that nobody waits for finds another replica at it, and does nothing.
func TestARenewalThatJoinsARefreshOfNoConsequenceGoesNext(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(56 * time.Minute)
		goOn := make(chan struct{})
		r.store.put(func(func() error) error { <-goOn; return tokens.ErrHeld }, "lease")
		r.fresh(t, ticket).wantToken(t, 1)
		settle()
		waiting := r.asksToRenew(t.Context(), ticket, 1)
		settle()
		r.store.heal()
		close(goOn)
		(<-waiting).wantToken(t, 2)
		r.wantCalls(t, 1)
	})
}

// A request that waits for a token that is due must not be given the answer to a
// refusal that came too soon after another.
func TestARequestThatJoinsARenewalGetsATokenThatLives(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour - 20*time.Second)
		r.provider.fails(comeBack(time.Second))
		r.renew(t.Context(), ticket, 1).wantToken(t, 1)
		r.provider.grants(grant(2))
		r.clock.Advance(20 * time.Second)
		goOn := make(chan struct{})
		r.store.put(func(call func() error) error { <-goOn; return call() }, "lease")
		renewing := r.asksToRenew(t.Context(), ticket, 1)
		settle()
		requests := r.ask(t.Context(), ticket)
		settle()
		close(goOn)
		(<-requests).wantToken(t, 2)
		(<-renewing).wantToken(t, 2)
		r.wantCalls(t, 1, 1)
	})
}

func TestARenewalTheProviderRefusesEndsTheSession(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Minute)
		r.provider.fails(tokens.ErrRejected)
		r.renew(t.Context(), ticket, 1).wantEnded(t, tokens.EndRejected)
		r.renew(t.Context(), ticket, 1).wantEnded(t, tokens.EndRejected)
		r.fresh(t, ticket).wantEnded(t, tokens.EndRejected)
		r.wantCalls(t, 1)
	})
}

func TestWhatHasNoOtherTokenKeepsTheOneRefused(t *testing.T) {
	set := grant(1)
	set.Refresh = secret.String{}
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, set)
		r.clock.Advance(10 * time.Minute)
		r.renew(t.Context(), ticket, 1).wantToken(t, 1)
		r.wantCalls(t)
	})
}

func TestARenewalOfNoSessionSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(10 * time.Minute)
		r.store.put(down, "load")
		r.renew(t.Context(), ticket, 1).wantUnavailable(t, tokens.PartStore)
		r.store.heal()
		if _, err := r.Renew(t.Context(), "other.example.com", ticket, secret.New(access(1))); !errors.Is(err, tokens.ErrAbsent) {
			t.Errorf("another site's: %v", err)
		}
		if err := r.Revoke(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		r.renew(t.Context(), ticket, 1).wantAbsent(t)
		r.wantCalls(t)
	})
}

func TestARenewalOutlivesTheRequestThatAskedForIt(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(10 * time.Minute)
		release := r.provider.holds(grant(2))
		ctx, leave := context.WithCancel(t.Context())
		waiting := r.asksToRenew(ctx, ticket, 1)
		settle()
		leave()
		(<-waiting).wantToken(t, 1) // nobody is there to send another
		close(release)
		settle()
		r.fresh(t, ticket).wantToken(t, 2)
		r.wantCalls(t, 1)
	})
}

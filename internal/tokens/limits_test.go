package tokens_test

import (
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// dayLong is a grant that no refresh is due of while limits are tried.
func dayLong(n int) tokens.Set {
	set := grant(n)
	set.Lifetime = 30 * 24 * time.Hour
	return set
}

func TestTheIdleLimitStrikesLateButNeverEarly(t *testing.T) {
	slack := limits.Idle / 20
	for name, test := range map[string]struct {
		used, idle time.Duration // how long it was in use, how long not
		ended      bool
	}{
		"never used again, just within":       {0, limits.Idle, false},
		"never used again, within the slack":  {0, limits.Idle + slack, false},
		"never used again, past the slack":    {0, limits.Idle + slack + time.Second, true},
		"used, but too soon to be noted":      {slack - time.Second, limits.Idle, false},
		"used, noted, just within":            {5 * slack, limits.Idle, false},
		"used, noted, past the slack":         {5 * slack, limits.Idle + slack + time.Second, true},
		"used for longer than the idle limit": {3 * limits.Idle, limits.Idle, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, dayLong(1))
				for left := test.used; left > 0; {
					step := min(left, 7*time.Minute)
					left -= step
					r.clock.Advance(step)
					r.fresh(t, ticket).wantToken(t, 1)
					settle()
				}
				r.clock.Advance(test.idle)
				if !test.ended {
					r.fresh(t, ticket).wantToken(t, 1)
					return
				}
				for range 2 {
					r.fresh(t, ticket).wantEnded(t, tokens.EndExpired)
				}
				r.replica().fresh(t, ticket).wantEnded(t, tokens.EndExpired)
			})
		})
	}
}

func TestASessionIsOverAfterItsLifetimeHoweverMuchItIsUsed(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		const step = 6 * time.Hour
		for range limits.Lifetime/step - 1 {
			r.clock.Advance(step)
			r.fresh(t, ticket).wantToken(t, 1)
			settle()
		}
		r.clock.Advance(step - time.Second)
		r.fresh(t, ticket).wantToken(t, 1)
		settle()
		r.clock.Advance(time.Second)
		// The store may forget the record at that moment too, as memory does.
		if got := r.fresh(t, ticket); got.err == nil {
			t.Fatal("the session outlived its lifetime")
		} else {
			got.wantAbsent(t)
		}
	})
}

func TestShortenedLimitsHoldForOldSessions(t *testing.T) {
	for name, test := range map[string]tokens.Limits{
		"the idle limit": {Idle: time.Hour, Lifetime: limits.Lifetime},
		"the lifetime":   {Idle: limits.Idle, Lifetime: 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, dayLong(1))
				r.clock.Advance(2 * time.Hour)
				r.Adopt(tokens.Policy{Limits: test, Refresher: r.provider})
				r.fresh(t, ticket).wantEnded(t, tokens.EndExpired)
				r.Adopt(tokens.Policy{Limits: limits, Refresher: r.provider})
				r.fresh(t, ticket).wantEnded(t, tokens.EndExpired)
			})
		})
	}
}

func TestLengthenedLimitsDoNotBringBackOrProlong(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		long := tokens.Limits{Idle: 100 * 24 * time.Hour, Lifetime: 100 * 24 * time.Hour}
		r.Adopt(tokens.Policy{Limits: long, Refresher: r.provider})
		r.clock.Advance(limits.Lifetime - time.Second)
		r.fresh(t, ticket).wantToken(t, 1)
		settle()
		r.clock.Advance(time.Second)
		r.fresh(t, ticket).wantAbsent(t)
	})
}

func TestUseIsNotedAFewTimesPerIdleLimitOnly(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		for range limits.Idle / time.Minute {
			r.clock.Advance(time.Minute)
			r.fresh(t, ticket).wantToken(t, 1)
			settle()
		}
		if writes := r.store.count("replace"); writes < 15 || writes > 20 {
			t.Fatalf("%d writes for %v of use, want about 20", writes, limits.Idle)
		}
		if loads := r.store.count("load"); loads > int(limits.Idle/time.Minute)+20 {
			t.Fatalf("%d loads for %d requests", loads, limits.Idle/time.Minute)
		}
	})
}

// A request may have read the record before the use was noted, and get to
// noting it after.
func TestUseThatWasJustNotedIsNotNotedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		r.clock.Advance(time.Hour)
		goOn := make(chan struct{})
		r.store.put(func(call func() error) error {
			err := call()
			<-goOn
			return err
		}, "load")
		late := r.ask(t.Context(), ticket)
		settle()
		r.store.heal()
		r.fresh(t, ticket).wantToken(t, 1)
		settle()
		r.clock.Advance(time.Millisecond)
		close(goOn)
		(<-late).wantToken(t, 1)
		settle()
		if writes := r.store.count("replace"); writes != 1 {
			t.Fatalf("one use was noted %d times", writes)
		}
	})
}

func TestUseThatCannotBeNotedCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		r.store.put(down, "replace")
		for range 3 {
			r.clock.Advance(time.Hour)
			r.fresh(t, ticket).wantToken(t, 1)
			settle()
		}
		r.store.heal()
		r.fresh(t, ticket).wantToken(t, 1)
		settle()
		r.clock.Advance(limits.Idle)
		r.fresh(t, ticket).wantToken(t, 1)
	})
}

func TestAnEndThatCannotBeStoredStillHolds(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		r.clock.Advance(2 * limits.Idle)
		r.store.put(down, "replace")
		for range 2 {
			r.fresh(t, ticket).wantEnded(t, tokens.EndExpired)
		}
		r.store.heal()
		r.fresh(t, ticket).wantEnded(t, tokens.EndExpired)
		writes := r.store.count("replace")
		r.fresh(t, ticket).wantEnded(t, tokens.EndExpired)
		if r.store.count("replace") != writes {
			t.Error("an end that is stored was stored again")
		}
		r.wantCalls(t)
	})
}

func TestAnEndedSessionHasNoTokensInTheStore(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		before, err := r.store.Load(t.Context(), ticket.Name())
		if err != nil {
			t.Fatal(err)
		}
		r.clock.Advance(2 * limits.Idle)
		r.fresh(t, ticket).wantEnded(t, tokens.EndExpired)
		after, err := r.store.Load(t.Context(), ticket.Name())
		if err != nil {
			t.Fatal(err)
		}
		if secrets := len(access(1) + refreshToken(1)); len(before.Sealed)-len(after.Sealed) < secrets {
			t.Fatalf("the record shrank from %d to %d bytes, want %d less", len(before.Sealed), len(after.Sealed), secrets)
		}
	})
}

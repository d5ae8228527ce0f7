package tokens_test

import (
	"errors"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

var errWeather = errors.New("502 from the provider")

func TestBadWeatherEndsNoSession(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.provider.fails(errWeather)
		r.clock.Advance(56 * time.Minute)
		for range 100 { // due by then, but alive
			r.fresh(t, ticket).wantToken(t, 1)
			settle()
			r.clock.Advance(239 * time.Second / 100)
		}
		r.clock.Advance(time.Second)
		got := r.fresh(t, ticket).wantUnavailable(t, tokens.PartProvider)
		if got.RetryAfter <= 0 || got.RetryAfter > 75*time.Second {
			t.Errorf("RetryAfter = %v", got.RetryAfter)
		}
		r.clock.Advance(3 * time.Hour)
		got = r.fresh(t, ticket).wantUnavailable(t, tokens.PartProvider)
		if !errors.Is(got, errWeather) || got.RetryAfter <= 0 {
			t.Errorf("%v, RetryAfter %v", got, got.RetryAfter)
		}
		r.provider.grants(grant(2))
		r.clock.Advance(got.RetryAfter)
		r.fresh(t, ticket).wantToken(t, 2)
	})
}

func TestAfterAFailureTheProviderIsAskedOncePerPause(t *testing.T) {
	for name, age := range map[string]time.Duration{"ending soon": 55 * time.Minute, "dead": 2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, grant(1))
				r.provider.fails(errWeather)
				r.clock.Advance(age)
				r.fresh(t, ticket)
				settle()
				for failures, pause := 1, time.Second; failures < 7; failures, pause = failures+1, min(2*pause, time.Minute) {
					for range 5 {
						r.fresh(t, ticket)
						settle()
					}
					r.clock.Advance(pause - time.Millisecond)
					r.fresh(t, ticket)
					settle()
					if calls := len(r.provider.calls()); calls != failures {
						t.Fatalf("%d calls within a pause of %v after %d failures", calls, pause, failures)
					}
					r.clock.Advance(pause/4 + time.Millisecond) // the jitter
					r.fresh(t, ticket)
					settle()
					if calls := len(r.provider.calls()); calls != failures+1 {
						t.Fatalf("%d calls after a pause of %v and %d failures", calls, pause, failures)
					}
				}
			})
		})
	}
}

func TestThePauseIsOneSessionsOnly(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a, b := r.signIn(t, grant(1)), r.signIn(t, grant(3))
		r.clock.Advance(time.Hour)
		r.provider.fails(errWeather)
		r.fresh(t, a).wantUnavailable(t, tokens.PartProvider)
		r.provider.grants(grant(4))
		r.fresh(t, b).wantToken(t, 4)
		r.fresh(t, a).wantUnavailable(t, tokens.PartProvider)
	})
}

func TestASuccessForgetsTheFailuresBeforeIt(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		r.provider.fails(errWeather)
		for range 6 {
			r.fresh(t, ticket).wantUnavailable(t, tokens.PartProvider)
			r.clock.Advance(75 * time.Second)
		}
		r.provider.grants(grant(2))
		r.fresh(t, ticket).wantToken(t, 2)
		r.clock.Advance(time.Hour)
		r.provider.fails(errWeather)
		if got := r.fresh(t, ticket).wantUnavailable(t, tokens.PartProvider); got.RetryAfter > 1250*time.Millisecond {
			t.Fatalf("after one failure the pause is %v", got.RetryAfter)
		}
	})
}

func TestTheProviderSaysWhenToComeBack(t *testing.T) {
	const asked = 17 * time.Second
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		r.provider.fails(errors.Join(errWeather, comeBack(asked)))
		if got := r.fresh(t, ticket).wantUnavailable(t, tokens.PartProvider); got.RetryAfter != asked {
			t.Fatalf("RetryAfter = %v, want %v", got.RetryAfter, asked)
		}
		r.provider.grants(grant(2))
		r.clock.Advance(asked - 3*time.Second)
		if got := r.fresh(t, ticket).wantUnavailable(t, tokens.PartProvider); got.RetryAfter != 3*time.Second {
			t.Fatalf("RetryAfter = %v, want what is left of it", got.RetryAfter)
		}
		r.clock.Advance(3*time.Second - 1)
		r.fresh(t, ticket).wantUnavailable(t, tokens.PartProvider)
		r.wantCalls(t, 1)
		r.clock.Advance(1)
		r.fresh(t, ticket).wantToken(t, 2)
	})
}

func TestCallsAreASecondApartWhateverTheProviderAsksFor(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		r.provider.fails(comeBack(time.Millisecond))
		r.fresh(t, ticket).wantUnavailable(t, tokens.PartProvider)
		r.clock.Advance(999 * time.Millisecond)
		r.fresh(t, ticket).wantUnavailable(t, tokens.PartProvider)
		r.wantCalls(t, 1)
	})
}

func TestAClientTheProviderForgotEndsTheSessionOnlyWhenNothingElseIsLeft(t *testing.T) {
	dynamic := client
	dynamic.Dynamic = true
	t.Run("a registered one, while the token lives", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			ticket := r.signInWith(t, dynamic, grant(1))
			r.provider.fails(tokens.ErrClientUnknown)
			r.clock.Advance(56 * time.Minute)
			for range 3 {
				r.fresh(t, ticket).wantToken(t, 1)
				settle()
			}
			r.clock.Advance(4*time.Minute - time.Second)
			r.fresh(t, ticket).wantToken(t, 1)
			r.clock.Advance(2 * time.Minute)
			for range 2 {
				r.fresh(t, ticket).wantEnded(t, tokens.EndRejected)
			}
			r.wantCalls(t, 1, 1, 1)
		})
	})
	t.Run("a configured one, which the operator can mend", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			ticket := r.signIn(t, grant(1))
			r.provider.fails(tokens.ErrClientUnknown)
			r.clock.Advance(2 * time.Hour)
			got := r.fresh(t, ticket).wantUnavailable(t, tokens.PartProvider)
			if !errors.Is(got, tokens.ErrClientUnknown) {
				t.Errorf("%v does not name the client", got)
			}
			r.provider.grants(grant(2))
			r.clock.Advance(got.RetryAfter)
			r.fresh(t, ticket).wantToken(t, 2)
		})
	})
}

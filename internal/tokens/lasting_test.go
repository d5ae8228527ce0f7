package tokens_test

import (
	"context"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func (r *rig) lasting(ctx context.Context, ticket tokens.Ticket) answer {
	session, err := r.Lasting(ctx, site, ticket)
	return answer{session, err}
}

func TestWhatGoesOnForAWhileWaitsForATokenThatDoes(t *testing.T) {
	for name, test := range map[string]struct {
		left time.Duration
		want int
	}{
		"an hour left": {time.Hour, 1}, "more than five minutes left": {5*time.Minute + time.Second, 1},
		"five minutes left": {5 * time.Minute, 2}, "a minute left": {time.Minute, 2}, "nothing left": {0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, grant(1))
				r.clock.Advance(time.Hour - test.left)
				r.lasting(t.Context(), ticket).wantToken(t, test.want)
				if want := test.want - 1; len(r.provider.calls()) != want {
					t.Errorf("%d calls, want %d", len(r.provider.calls()), want)
				}
			})
		})
	}
}

func TestWhatGoesOnForAWhileJoinsARefreshUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(56 * time.Minute)
		release := r.provider.holds(grant(2))
		r.fresh(t, ticket).wantToken(t, 1) // a request does not wait
		got := make(chan answer, 1)
		go func() { got <- r.lasting(t.Context(), ticket) }()
		settle()
		select {
		case <-got:
			t.Fatal("it did not wait")
		default:
		}
		close(release)
		(<-got).wantToken(t, 2)
		r.wantCalls(t, 1)
	})
}

func TestWhereNoOtherTokenIsToBeHadTheOneThereIsHasToDo(t *testing.T) {
	for how, prepare := range map[string]func(t *testing.T, r *rig, ticket tokens.Ticket){
		"the provider is down": func(_ *testing.T, r *rig, _ tokens.Ticket) { r.provider.fails(errWeather) },
		"the provider was asked a moment ago": func(t *testing.T, r *rig, ticket tokens.Ticket) {
			r.provider.fails(errWeather)
			r.fresh(t, ticket).wantToken(t, 1)
			settle()
		},
		"another replica is at it": func(t *testing.T, r *rig, ticket tokens.Ticket) {
			if err := r.store.Lease(t.Context(), tokens.LeaseName(ticket.Name()), "another", time.Minute); err != nil {
				t.Fatal(err)
			}
		},
		"the store can't be written": func(_ *testing.T, r *rig, _ tokens.Ticket) { r.store.put(down, "lease", "replace") },
	} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, grant(1))
				r.clock.Advance(57 * time.Minute)
				prepare(t, r, ticket)
				r.lasting(t.Context(), ticket).wantToken(t, 1)
				settle()
			})
		})
	}
}

func TestWhatGoesOnForAWhileIsToldWhatRequestsAreTold(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.store.put(down, "load")
		r.lasting(t.Context(), ticket).wantUnavailable(t, tokens.PartStore)
		r.store.heal()
		r.clock.Advance(time.Hour)
		r.provider.fails(errWeather)
		r.lasting(t.Context(), ticket).wantUnavailable(t, tokens.PartProvider)
		r.clock.Advance(2 * time.Minute)
		r.provider.fails(tokens.ErrRejected)
		r.lasting(t.Context(), ticket).wantEnded(t, tokens.EndRejected)
		r.lasting(t.Context(), ticket).wantEnded(t, tokens.EndRejected)
		if err := r.Revoke(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		r.lasting(t.Context(), ticket).wantAbsent(t)
		r.wantCalls(t, 1, 1)
	})
}

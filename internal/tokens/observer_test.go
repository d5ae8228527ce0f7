package tokens_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// observer counts what it is told.
type observer struct {
	mu        sync.Mutex
	refreshed map[string]int
	ended     []tokens.Info
	waits     []time.Duration
}

func (o *observer) Refreshed(result string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refreshed[result]++
}

func (o *observer) Waited(took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waits = append(o.waits, took)
}

func (o *observer) SessionEnded(info tokens.Info) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = append(o.ended, info)
}

// observed gives the vaults one observer and provider.
func observed(refresher tokens.Refresher, rigs ...*rig) *observer {
	o := &observer{refreshed: map[string]int{}}
	for _, r := range rigs {
		r.Adopt(tokens.Policy{Limits: limits, Refresher: refresher, Observer: o})
	}
	return o
}

func (o *observer) wantRefreshed(t *testing.T, want map[string]int) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !maps.Equal(o.refreshed, want) {
		t.Errorf("told of %v, want %v", o.refreshed, want)
	}
}

func (o *observer) wantEnded(t *testing.T, name tokens.Name, reason tokens.EndReason) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.ended) != 1 {
		t.Fatalf("told of %d ends, want one: %+v", len(o.ended), o.ended)
	}
	if got := o.ended[0]; got.Name != name || got.Ended != reason || got.User != "ada" || got.Tenant != "acme" || got.Site != site {
		t.Errorf("told of the end of %+v", got)
	}
}

func TestEveryCallOfTheProviderIsToldOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		o := observed(r.provider, r)
		ticket := r.signIn(t, grant(1))
		next := func(want map[string]int) {
			t.Helper()
			r.clock.Advance(time.Hour)
			for range 3 {
				r.fresh(t, ticket)
				settle()
			}
			o.wantRefreshed(t, want)
		}
		next(map[string]int{"ok": 1})
		r.provider.fails(errWeather)
		next(map[string]int{"ok": 1, "failed": 1})
		r.provider.grants(grant(3))
		r.store.put(down, "replace")
		next(map[string]int{"ok": 1, "failed": 1, "unsaved": 1})
		r.store.heal()
		r.provider.fails(tokens.ErrRejected)
		next(map[string]int{"ok": 1, "failed": 1, "unsaved": 1, "rejected": 1})
		o.wantEnded(t, ticket.Name(), tokens.EndRejected)
	})
}

func TestTheEndOfASessionIsToldOnceHoweverManyNoticeIt(t *testing.T) {
	foreign := grant(2)
	foreign.User = "eve"
	for how, test := range map[string]struct {
		after time.Duration
		does  func(p *provider)
		want  tokens.EndReason
	}{
		"idle":          {2 * limits.Idle, func(*provider) {}, tokens.EndExpired},
		"rejected":      {time.Hour, func(p *provider) { p.fails(tokens.ErrRejected) }, tokens.EndRejected},
		"another's":     {time.Hour, func(p *provider) { p.grants(foreign) }, tokens.EndRejected},
		"ended by name": {0, nil, tokens.EndRevoked},
	} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t, 0)
			other := r.replica()
			o := observed(r.provider, r, other)
			ticket := r.signIn(t, grant(1))
			r.clock.Advance(test.after)
			if test.does != nil {
				test.does(r.provider)
			}
			var all sync.WaitGroup
			for range 50 {
				for _, at := range []*rig{r, other} {
					all.Go(func() {
						if test.does == nil {
							if err := at.End(t.Context(), ticket.Name(), test.want); err != nil {
								t.Error(err)
							}
							return
						}
						if s, err := at.Fresh(t.Context(), site, ticket); err == nil {
							t.Errorf("served %q", s.Access.Reveal())
						}
					})
				}
			}
			all.Wait()
			for _, at := range []*rig{r, other} {
				at.fresh(t, ticket).wantEnded(t, test.want)
				if err := at.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			o.wantEnded(t, ticket.Name(), test.want)
		})
	}
}

func TestSigningOutIsNoLossToTellOf(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		o := observed(r.provider, r)
		ticket := r.signIn(t, grant(1))
		if err := r.Revoke(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		r.fresh(t, ticket).wantAbsent(t)
		o.wantRefreshed(t, map[string]int{})
		if len(o.ended) != 0 {
			t.Errorf("told of %+v", o.ended)
		}
	})
}

// The pair is for somebody else, and the session has been ended meanwhile.
func TestAMixUpThatComesTooLateIsNotToldOfAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		o := observed(r.provider, r)
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		foreign := grant(2)
		foreign.User = "eve"
		r.provider.does(func(ctx context.Context, _ string) (tokens.Set, error) {
			return foreign, r.replica().End(ctx, ticket.Name(), tokens.EndRevoked)
		})
		r.fresh(t, ticket).wantEnded(t, tokens.EndRevoked)
		if len(o.ended) != 0 {
			t.Errorf("told of %+v", o.ended)
		}
	})
}

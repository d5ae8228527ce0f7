package tokens_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// watching is somebody of a test who watches a session.
type watching struct {
	changes <-chan tokens.Change
	closed  func()
}

// watch watches a session until the end of the test, and then nobody does.
func (r *rig) watch(t *testing.T, ticket tokens.Ticket) *watching {
	t.Helper()
	session, err := r.Peek(t.Context(), site, ticket)
	if err != nil {
		t.Fatal(err)
	}
	changes, closed := r.Watch(site, ticket, session)
	t.Cleanup(func() { closed(); pass(10 * time.Second) })
	return &watching{changes, closed}
}

// next waits for a change of a kind.
func (w *watching) next(t *testing.T, kind tokens.ChangeKind) tokens.Change {
	t.Helper()
	change, more := <-w.changes
	if !more || change.Kind != kind || (change.Session == nil) != (kind == tokens.Over || kind == tokens.Displaced) {
		t.Fatalf("told of %+v (there is more: %v), want %s", change, more, kind)
	}
	return change
}

// wantQuiet fails where anything is told within so long.
func (w *watching) wantQuiet(t *testing.T, so time.Duration) {
	t.Helper()
	select {
	case change, more := <-w.changes:
		t.Fatalf("told of %+v (there is more: %v)", change, more)
	case <-time.After(so):
	}
}

func (w *watching) wantEnd(t *testing.T) {
	t.Helper()
	if change, more := <-w.changes; more {
		t.Fatalf("told of %+v after the end", change)
	}
}

func TestThoseWhoWatchASessionAreToldOfItsEnd(t *testing.T) {
	reasons := map[string]tokens.EndReason{
		"signed out": tokens.EndRevoked, "ended by name": tokens.EndRevoked,
		"refused by the provider": tokens.EndRejected, "found idle by a request": tokens.EndExpired,
	}
	for how, end := range streamEnds {
		for _, where := range []string{"here", "elsewhere"} {
			if where == "here" && reasons[how] != tokens.EndRevoked {
				continue // the clock that is moved would be that of who watches
			}
			t.Run(how+" "+where, func(t *testing.T) {
				runningBubble(t, func(t *testing.T, r *rig) {
					ticket, other := r.signIn(t, grant(1)), r.signIn(t, dayLong(1))
					first, second, others := r.watch(t, ticket), r.watch(t, ticket), r.watch(t, other)
					at, within := r, time.Duration(0)
					if where == "elsewhere" {
						at, within = r.replica(), streamLook
						at.clock = running() // moved by hand, it is that replica's alone
						at.open()
					}
					begun := time.Now()
					end(t, at, ticket)
					for _, w := range []*watching{first, second} {
						if change := w.next(t, tokens.Over); change.Reason != reasons[how] {
							t.Errorf("it is over for %q, want %q", change.Reason, reasons[how])
						}
						w.wantEnd(t)
					}
					if took := time.Since(begun); took > within {
						t.Errorf("it took %v", took)
					}
					others.wantQuiet(t, time.Second)
				})
			})
		}
	}
}

func TestThoseWhoWatchASessionAreToldOfARefreshWhereverItIsMade(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		elsewhere := r.replica()
		elsewhere.adopt(p)
		ticket := r.signIn(t, p.authorize("ada"))
		w := r.watch(t, ticket)
		before, err := r.Peek(t.Context(), site, ticket)
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Until(before.TokenExpires))
		p.wantServed(t, elsewhere.fresh(t, ticket), "ada")
		if change := w.next(t, tokens.Refreshed); !change.Session.TokenExpires.After(before.TokenExpires) {
			t.Errorf("the token ends at %v, before at %v", change.Session.TokenExpires, before.TokenExpires)
		}
		w.wantQuiet(t, time.Minute)
	})
}

func TestWatchingASessionIsNoUseOfItAndRenewsNothing(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		const idle = 100 * time.Minute
		r.limit(idle, limits.Lifetime, p)
		ticket, begun := r.signIn(t, p.authorize("ada")), time.Now()
		w := r.watch(t, ticket)
		end := begun.Add(idle + idle/20)
		for _, near := range []time.Duration{5 * time.Minute, time.Minute} {
			change := w.next(t, tokens.Expiring)
			if late := time.Since(end.Add(-near)); late < 0 || late > streamLook {
				t.Errorf("told %v after %v before the end", late, near)
			}
			if off := change.Session.Ends.Sub(end); off < -time.Millisecond || off > time.Millisecond {
				t.Errorf("it is to end at %v, want %v", change.Session.Ends, end)
			}
		}
		if change := w.next(t, tokens.Over); change.Reason != tokens.EndExpired {
			t.Errorf("it is over for %q", change.Reason)
		}
		if late := time.Since(end); late < 0 || late > streamLook {
			t.Errorf("over %v after its end", late)
		}
		if calls := len(p.sends()); calls != 0 {
			t.Errorf("%d refreshes", calls)
		}
		r.fresh(t, ticket).wantEnded(t, tokens.EndExpired)
		if writes := r.store.count("replace"); writes != 1 {
			t.Errorf("the record was written %d times, want once: that it is over", writes)
		}
	})
}

func TestAUseTakesTheNearEndOfASessionAway(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		r.limit(time.Hour, limits.Lifetime, r.provider)
		ticket := r.signIn(t, dayLong(1))
		w := r.watch(t, ticket)
		near := w.next(t, tokens.Expiring)
		r.fresh(t, ticket)
		if change := w.next(t, tokens.Extended); change.Session.Ends.Before(near.Session.Ends.Add(50 * time.Minute)) {
			t.Errorf("it ends at %v now, and at %v before", change.Session.Ends, near.Session.Ends)
		}
		w.next(t, tokens.Expiring)
	})
}

// An open stream is use: the two do not contradict each other.
func TestASessionWithAnOpenStreamIsNotNearItsEnd(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		r.limit(time.Hour, limits.Lifetime, r.provider)
		ticket := r.signIn(t, dayLong(1))
		w, s := r.watch(t, ticket), r.stream(t, ticket, 0)
		w.wantQuiet(t, 5*time.Hour)
		s.wantOpen(t)
	})
}

func TestTheAbsoluteEndIsToldWhateverTheStoreSays(t *testing.T) {
	for how, f := range map[string]fault{
		"it answers": func(call func() error) error { return call() },
		"it is down": down,
	} {
		t.Run(how, func(t *testing.T) {
			runningBubble(t, func(t *testing.T, r *rig) {
				r.limit(time.Hour, time.Hour, r.provider)
				ticket, begun := r.signIn(t, dayLong(1)), time.Now()
				w := r.watch(t, ticket)
				for range 2 {
					if change := w.next(t, tokens.Expiring); !change.Session.Ends.Equal(change.Session.Expires) {
						t.Errorf("it ends at %v, and its absolute end is %v", change.Session.Ends, change.Session.Expires)
					}
				}
				r.store.put(f, everyOperation...)
				if change := w.next(t, tokens.Over); change.Reason != tokens.EndExpired {
					t.Errorf("it is over for %q", change.Reason)
				}
				if late := time.Since(begun) - time.Hour; late < 0 || late > streamLook {
					t.Errorf("told %v after the end", late)
				}
			})
		})
	}
}

// Stores delete a record at its end, which is not signing out.
func TestWhatIsGoneAfterItsAbsoluteEndHasExpired(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		w := r.watch(t, ticket)
		r.clock.Advance(limits.Lifetime)
		if err := r.Revoke(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		if change := w.next(t, tokens.Over); change.Reason != tokens.EndExpired {
			t.Errorf("it is over for %q", change.Reason)
		}
	})
}

func TestAStoreThatDoesNotAnswerTellsNothing(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		w := r.watch(t, r.signIn(t, dayLong(1)))
		r.store.put(down, everyOperation...)
		w.wantQuiet(t, 20*time.Minute)
		r.store.heal()
		w.wantQuiet(t, 20*time.Minute)
	})
}

// What another replica saw of a session counts up to the moment in which the end
// would be written down.
func TestWatchingDoesNotEndWhatWasUsedElsewhereAtTheLastMoment(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		const idle = time.Hour
		r.limit(idle, limits.Lifetime, r.provider)
		other := r.replica()
		other.limit(idle, limits.Lifetime, other.provider)
		ticket := r.signIn(t, dayLong(1))
		w := r.watch(t, ticket)
		w.next(t, tokens.Expiring)
		last := w.next(t, tokens.Expiring)
		pass(time.Until(last.Session.Ends) - streamLook)
		var once sync.Once
		r.store.put(func(call func() error) error {
			err := call() // what is read here is old by the time it is looked at
			once.Do(func() {
				_, fresh := other.Fresh(t.Context(), site, ticket)
				if fresh != nil {
					t.Errorf("elsewhere: %v", fresh)
				}
				pass(2 * streamLook)
			})
			return err
		}, "load")
		w.next(t, tokens.Extended)
		w.wantQuiet(t, 30*time.Minute)
	})
}

func TestTheStoreIsAskedForOneHoweverManyWatch(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		var all []*watching
		for range tokens.MaxWatches {
			all = append(all, r.watch(t, ticket))
		}
		r.stream(t, ticket, 0)
		before := r.store.count("load")
		pass(10*time.Second + 1)
		if looks := r.store.count("load") - before; looks != 20 {
			t.Errorf("a session that %d watch was looked at %d times in 10 seconds", len(all), looks)
		}
		r.wantStreams(t, 1)
	})
}

func TestNobodyIsLeftBehindWhenNobodyWatches(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		for range 3 {
			w := r.watch(t, ticket)
			pass(time.Minute)
			if !runs("watchStreams") {
				t.Error("somebody watches, and nobody looks")
			}
			w.closed()
			w.closed()
			pass(streamLook)
			settle()
			if before := r.store.count("load"); runs("watchStreams") {
				t.Error("nobody watches, and somebody looks")
			} else if pass(time.Minute); r.store.count("load") != before {
				t.Error("the store is asked for nobody")
			}
		}
	})
}

func TestTheOldestMakesPlaceWhereTooManyWatchASession(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		ticket, other := r.signIn(t, dayLong(1)), r.signIn(t, dayLong(1))
		others := r.watch(t, other)
		var all []*watching
		for range tokens.MaxWatches + 2 {
			all = append(all, r.watch(t, ticket))
		}
		for _, w := range all[:2] {
			w.next(t, tokens.Displaced)
			w.wantEnd(t)
		}
		for _, w := range append(all[2:], others) {
			w.wantQuiet(t, time.Second)
		}
	})
}

func TestWhoReadsNothingIsLeftAlone(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		w := r.watch(t, ticket)
		for n := range tokens.MaxUnread + 2 {
			pass(time.Hour)
			r.provider.grants(grant(n + 2))
			r.fresh(t, ticket)
		}
		pass(time.Second)
		settle()
		for range tokens.MaxUnread {
			w.next(t, tokens.Refreshed)
		}
		w.wantEnd(t)
	})
}

func TestClosingAVaultOrEndingStreamsEndsAllWatching(t *testing.T) {
	for how, end := range map[string]func(*testing.T, *rig){
		"closing": func(t *testing.T, r *rig) {
			if err := r.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"ending": func(_ *testing.T, r *rig) { r.EndStreams() },
	} {
		t.Run(how, func(t *testing.T) {
			runningBubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, dayLong(1))
				w, s := r.watch(t, ticket), r.stream(t, ticket, 0)
				only := r.watch(t, r.signIn(t, dayLong(1)))
				end(t, r)
				w.wantEnd(t)
				only.wantEnd(t)
				s.wantEnded(t)
				late := r.watch(t, ticket) // a request that was under way
				late.wantEnd(t)
			})
		})
	}
}

// Without a bubble, so that all of it comes at any moment.
func TestWatchingBeginsAndEndsTogetherWithEverythingElse(t *testing.T) {
	r := newRig(t, 0)
	var wg sync.WaitGroup
	for i := range 4 {
		ticket, session, err := r.Create(t.Context(), site, client, dayLong(1))
		if err != nil {
			t.Fatal(err)
		}
		for range tokens.MaxWatches + 4 {
			wg.Go(func() {
				for range 20 {
					changes, closed := r.Watch(site, ticket, session)
					select {
					case <-changes:
					default:
					}
					r.Stream(site, ticket, session, &tokens.Stream{End: func() {}})()
					closed()
				}
			})
		}
		wg.Go(func() {
			if i == 0 {
				r.EndStreams()
				return
			}
			if err := r.End(t.Context(), ticket.Name(), tokens.EndRevoked); err != nil {
				t.Error(fmt.Errorf("ending: %w", err))
			}
		})
	}
	wg.Wait()
	r.wantStreams(t, 0)
}

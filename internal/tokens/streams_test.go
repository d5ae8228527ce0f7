package tokens_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// streamLook is how soon a stream ends that another replica ended.
const streamLook = 500 * time.Millisecond

// openStream is a stream of a test. It ends when it is told to, as an answer that
// is broken off does.
type openStream struct {
	tokens.Stream
	closed func()
	mu     sync.Mutex
	ends   []time.Time
	over   chan struct{} // closed at the first end
}

// stream opens one for a session, of most so long (0: as long as the session).
// It is closed at the end of the test, and nobody watches when that is over.
func (r *rig) stream(t *testing.T, ticket tokens.Ticket, most time.Duration) *openStream {
	t.Helper()
	session, err := r.Peek(t.Context(), site, ticket)
	if err != nil {
		t.Fatal(err)
	}
	s := &openStream{over: make(chan struct{})}
	s.Stream = tokens.Stream{Kind: "websocket", Path: "/ws", Most: most, End: s.end}
	s.closed = r.Stream(site, ticket, session, &s.Stream)
	t.Cleanup(func() { s.closed(); pass(10 * time.Second) })
	return s
}

func (s *openStream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ends = append(s.ends, time.Now()); len(s.ends) == 1 {
		close(s.over)
	}
}

func (s *openStream) hasEnded() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

func (s *openStream) wantOpen(t *testing.T) {
	t.Helper()
	if s.hasEnded() {
		t.Fatal("the stream has ended")
	}
}

func (s *openStream) wantEnded(t *testing.T) {
	t.Helper()
	if !s.hasEnded() {
		t.Fatal("the stream goes on")
	}
}

// wantEndAfter waits for the end, which comes that much after begun or as much
// later as it takes to look.
func (s *openStream) wantEndAfter(t *testing.T, begun time.Time, after time.Duration) {
	t.Helper()
	select {
	case <-s.over:
	case <-time.After(after - time.Since(begun) + time.Minute):
		t.Fatalf("the stream goes on after %v", time.Since(begun))
	}
	if took := time.Since(begun); took < after || took > after+streamLook {
		t.Fatalf("the stream ended after %v, want %v and at most %v more", took, after, streamLook)
	}
}

func (r *rig) limit(idle, lifetime time.Duration, refresher tokens.Refresher) {
	r.Adopt(tokens.Policy{Limits: tokens.Limits{Idle: idle, Lifetime: lifetime}, Refresher: refresher})
}

// How sessions end, in the vault that has the stream or in another on its store.
var streamEnds = map[string]func(t *testing.T, r *rig, ticket tokens.Ticket){
	"signed out": func(t *testing.T, r *rig, ticket tokens.Ticket) {
		if err := r.Revoke(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
	},
	"ended by name": func(t *testing.T, r *rig, ticket tokens.Ticket) {
		if err := r.End(t.Context(), ticket.Name(), tokens.EndRevoked); err != nil {
			t.Fatal(err)
		}
	},
	"refused by the provider": func(t *testing.T, r *rig, ticket tokens.Ticket) {
		r.provider.fails(tokens.ErrRejected)
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantEnded(t, tokens.EndRejected)
	},
	"found idle by a request": func(t *testing.T, r *rig, ticket tokens.Ticket) {
		r.clock.Advance(2 * limits.Idle)
		r.fresh(t, ticket).wantEnded(t, tokens.EndExpired)
	},
}

func TestAStreamEndsAtOnceWithItsSession(t *testing.T) {
	for how, end := range streamEnds {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket, other := r.signIn(t, grant(1)), r.signIn(t, dayLong(1))
				first, second, others := r.stream(t, ticket, 0), r.stream(t, ticket, time.Hour), r.stream(t, other, 0)
				begun := time.Now()
				end(t, r, ticket)
				first.wantEnded(t)
				second.wantEnded(t)
				others.wantOpen(t)
				if !time.Now().Equal(begun) {
					t.Errorf("it took %v", time.Since(begun))
				}
			})
		})
	}
}

func TestAStreamEndsSoonAfterItsSessionEndedElsewhere(t *testing.T) {
	for how, end := range streamEnds {
		for _, after := range []time.Duration{0, streamLook - 1, 37*time.Second + 123*time.Millisecond} {
			t.Run(fmt.Sprint(how, " after ", after), func(t *testing.T) {
				runningBubble(t, func(t *testing.T, r *rig) {
					ticket, other := r.signIn(t, grant(1)), r.signIn(t, dayLong(1))
					s, others := r.stream(t, ticket, 0), r.stream(t, other, 0)
					pass(after)
					elsewhere := r.replica()
					elsewhere.clock = running() // moved by hand, it is that replica's alone
					elsewhere.open()
					begun := time.Now()
					end(t, elsewhere, ticket)
					s.wantEndAfter(t, begun, 0)
					others.wantOpen(t)
				})
			})
		}
	}
}

func TestAStreamEndsWhereItsSessionNoLongerOpens(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		s := r.stream(t, r.signIn(t, grant(1)), 0)
		r.rotate(t, 7) // the key is gone
		s.wantEndAfter(t, time.Now(), 0)
	})
}

func TestAStreamEndsWithTheAbsoluteEndOfItsSessionWhateverTheStoreSays(t *testing.T) {
	for how, f := range map[string]fault{
		"it answers": func(call func() error) error { return call() },
		"it is down": down,
		"it is slow": func(call func() error) error { pass(4700 * time.Millisecond); return call() },
	} {
		t.Run(how, func(t *testing.T) {
			runningBubble(t, func(t *testing.T, r *rig) {
				r.limit(time.Hour, time.Hour, r.provider)
				ticket, begun := r.signIn(t, dayLong(1)), time.Now()
				s := r.stream(t, ticket, 0)
				pass(59 * time.Minute)
				s.wantOpen(t)
				r.store.put(f, everyOperation...)
				s.wantEndAfter(t, begun, time.Hour)
			})
		})
	}
}

func TestAStoreThatDoesNotAnswerEndsNoStream(t *testing.T) {
	for how, f := range map[string]fault{
		"it is down": down,
		"it is slow": func(func() error) error { pass(5 * time.Second); return context.DeadlineExceeded },
	} {
		t.Run(how, func(t *testing.T) {
			runningBubble(t, func(t *testing.T, r *rig) {
				s := r.stream(t, r.signIn(t, dayLong(1)), 0)
				r.store.put(f, everyOperation...)
				pass(20 * time.Minute)
				s.wantOpen(t)
				r.store.heal()
				pass(20 * time.Minute)
				s.wantOpen(t)
			})
		})
	}
}

func TestAStreamEndsWhenItsOwnTimeIsUp(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		long := r.stream(t, ticket, 0)
		pass(time.Minute)
		begun := time.Now()
		short := r.stream(t, ticket, 10*time.Minute)
		short.wantEndAfter(t, begun, 10*time.Minute)
		long.wantOpen(t)
	})
}

func TestAnOpenStreamIsUseOfItsSession(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		const idle = time.Hour
		r.limit(idle, limits.Lifetime, p)
		r.keepAlive(t)
		other := r.replica()
		other.limit(idle, limits.Lifetime, p)
		ticket := r.signIn(t, p.authorize("ada"))
		s := r.stream(t, ticket, 0)
		for range 5 {
			pass(time.Hour)
			s.wantOpen(t)
			if got, err := other.Peek(t.Context(), site, ticket); err != nil || p.faultOf(got.Access.Reveal(), "ada") != "" {
				t.Fatalf("elsewhere the session was not kept: %v", err)
			}
		}
		if lastUsed := r.lastUsed(t, ticket); time.Since(lastUsed) > idle/20+streamLook {
			t.Errorf("the last use was noted %v ago", time.Since(lastUsed))
		}
		if calls := len(p.sends()); calls < 5 || calls > 6 {
			t.Errorf("%d calls in five hours", calls)
		}
		s.closed()
		pass(idle + idle/20 + time.Minute)
		r.fresh(t, ticket).wantEnded(t, tokens.EndExpired)
	})
}

// lastUsed is when the session was used last, as its record says.
func (r *rig) lastUsed(t *testing.T, ticket tokens.Ticket) (at time.Time) {
	t.Helper()
	err := r.List(t.Context(), func(info tokens.Info) error {
		if info.Name == ticket.Name() {
			at = info.LastUsed
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// What is stored of the use of a session is as old as the outage then.
func TestAnOpenStreamKeepsItsSessionThroughAnOutageOfTheStoreBeyondTheIdleLimit(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		const idle = 10 * time.Minute
		r.limit(idle, limits.Lifetime, p)
		r.keepAlive(t)
		ticket := r.signIn(t, p.authorize("ada"))
		s := r.stream(t, ticket, 0)
		r.store.put(down, everyOperation...)
		pass(2 * idle)
		r.store.heal()
		pass(time.Second)
		s.wantOpen(t)
		p.wantServed(t, r.fresh(t, ticket), "ada")
		r.wantSessions(t, 1)
	})
}

func TestAStreamOutlivesRefreshesRotationsAndReloads(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.keepAlive(t)
		ticket := r.signIn(t, p.authorize("ada"))
		s := r.stream(t, ticket, 0)
		for _, ring := range [][]byte{{2, 1}, {3, 2}} {
			r.Adopt(tokens.Policy{Limits: limits, Refresher: p, Ring: newRing(t, ring...)})
			pass(2 * time.Hour)
		}
		if len(p.sends()) < 3 {
			t.Fatalf("%d refreshes", len(p.sends()))
		}
		s.wantOpen(t)
	})
}

// runs tells whether a function of that name is on a goroutine's stack.
func runs(function string) bool {
	stacks := make([]byte, 1<<20)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), function)
}

func TestTheStoreIsAskedOnlyWhileStreamsAreOpen(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		for round := range 3 {
			first, second := r.stream(t, ticket, 0), r.stream(t, ticket, 0)
			before := r.store.count("load")
			pass(10*time.Second + 1)
			if looks := r.store.count("load") - before; looks != 20 {
				t.Errorf("round %d: one session with two streams was looked at %d times in 10 seconds", round, looks)
			}
			first.closed()
			pass(time.Minute)
			if !runs("watchStreams") {
				t.Error("a stream is open and nobody watches it")
			}
			second.closed()
			pass(streamLook)
			settle()
			before = r.store.count("load")
			pass(5 * time.Minute)
			if runs("watchStreams") || r.store.count("load") != before {
				t.Errorf("round %d: nothing is open and somebody watches", round)
			}
		}
	})
}

func TestAStreamMayBeClosedAgainAndAfterItsEnd(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		first := r.stream(t, ticket, 0)
		first.closed()
		second := r.stream(t, ticket, 0)
		first.closed() // is not the second's business
		r.wantStreams(t, 1)
		streamEnds["ended by name"](t, r, ticket)
		second.wantEnded(t)
		if first.hasEnded() {
			t.Error("a stream that was closed was ended")
		}
		second.closed()
		second.closed()
		r.wantStreams(t, 0)
	})
}

func (r *rig) wantStreams(t *testing.T, n int) {
	t.Helper()
	if got := r.Streams(); len(got) != n {
		t.Fatalf("%d streams are open, want %d: %v", len(got), n, got)
	}
}

// End breaks a stream off, which closes it, which must not wait for End.
func TestAStreamMayBeClosedByItsEnd(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		session, err := r.Peek(t.Context(), site, ticket)
		if err != nil {
			t.Fatal(err)
		}
		closed := make(chan func(), 1)
		closed <- r.Stream(site, ticket, session, &tokens.Stream{Most: time.Minute, End: func() { (<-closed)() }})
		pass(time.Minute + streamLook)
		settle()
		r.wantStreams(t, 0)
	})
}

func TestClosingAVaultEndsItsStreams(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		var streams []*openStream
		for range 3 {
			ticket := r.signIn(t, grant(1))
			streams = append(streams, r.stream(t, ticket, 0), r.stream(t, ticket, 0))
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, s := range streams {
			s.wantEnded(t)
		}
	})
}

func TestOpenStreamsAreListed(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		pass(time.Minute)
		s := r.stream(t, ticket, 0)
		want := tokens.OpenStream{
			Name: ticket.Name(), Site: site, User: "ada", Tenant: "acme", Kind: "websocket", Path: "/ws", Begun: time.Now(),
		}
		pass(time.Minute)
		if got := r.Streams(); len(got) != 1 || got[0] != want {
			t.Errorf("listed as %+v, want %+v", got, want)
		}
		s.closed()
		r.wantStreams(t, 0)
	})
}

func TestManyStreamsDoNotCrowdTheStore(t *testing.T) {
	runningBubble(t, func(t *testing.T, r *rig) {
		var closed []func()
		for range 200 {
			ticket, session, err := r.Create(t.Context(), site, client, dayLong(1))
			if err != nil {
				t.Fatal(err)
			}
			closed = append(closed, r.Stream(site, ticket, session, &tokens.Stream{End: func() {}}))
		}
		var mu sync.Mutex
		under, most := 0, 0
		r.store.put(func(call func() error) error {
			mu.Lock()
			under++
			most = max(most, under)
			mu.Unlock()
			pass(10 * time.Millisecond)
			mu.Lock()
			under--
			mu.Unlock()
			return call()
		}, "load")
		pass(2 * time.Second)
		for _, done := range closed {
			done()
		}
		pass(time.Second)
		if most != tokens.MaxStreamLooks {
			t.Errorf("%d sessions were looked at at once, want %d", most, tokens.MaxStreamLooks)
		}
	})
}

// Without a bubble, so that opening, closing and ending come at any moment.
func TestStreamsOpenCloseAndEndTogether(t *testing.T) {
	r := newRig(t, 0)
	var wg sync.WaitGroup
	for range 4 {
		ticket, session, err := r.Create(t.Context(), site, client, dayLong(1))
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			wg.Go(func() {
				for range 50 {
					r.Stream(site, ticket, session, &tokens.Stream{End: func() {}})()
					_ = r.Streams()
				}
			})
		}
		wg.Go(func() { _ = r.End(t.Context(), ticket.Name(), tokens.EndRevoked) })
	}
	wg.Wait()
	r.wantStreams(t, 0)
}

package tokens_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func (r *rig) closing(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() { done <- r.Close(ctx) }()
	return done
}

func wantStillClosing(t *testing.T, done <-chan error) {
	t.Helper()
	settle()
	select {
	case err := <-done:
		t.Fatalf("Close returned %v while a refresh was under way", err)
	default:
	}
}

func TestCloseWaitsForWhatTheProviderIsAboutToGive(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(56 * time.Minute)
		release := r.provider.holds(grant(2))
		r.fresh(t, ticket).wantToken(t, 1)
		settle()
		done := r.closing(t.Context())
		wantStillClosing(t, done)
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		other := r.replica()
		other.fresh(t, ticket).wantToken(t, 2)
		other.wantCalls(t)
	})
}

// The refresh belongs to the request that was answered before Close was called,
// whether its goroutine has come to run by then or not.
func TestCloseWaitsForARefreshThatHasOnlyJustBegun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that it has not come to run
	bubble(t, func(t *testing.T, r *rig) {
		for range 50 {
			ticket := r.signIn(t, grant(1))
			r.clock.Advance(56 * time.Minute)
			r.fresh(t, ticket).wantToken(t, 1)
			if err := r.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			other := r.replica()
			other.fresh(t, ticket).wantToken(t, 2)
		}
	})
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(56 * time.Minute)
		release := r.provider.holds(grant(2))
		r.fresh(t, ticket).wantToken(t, 1)
		settle()
		ctx, cancel := context.WithCancel(t.Context())
		done := r.closing(ctx)
		wantStillClosing(t, done)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatalf("Close error = %v, want the context's", err)
		}
		close(release)
		settle()
		r.fresh(t, ticket).wantToken(t, 2)
	})
}

func TestAClosedVaultWorksOn(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for range 2 {
			if err := r.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantToken(t, 2)
	})
}

func TestOneSlowRefreshDoesNotHoldUpTheOthersWhileClosing(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		slow, quick := r.signIn(t, grant(1)), r.signIn(t, grant(3))
		r.clock.Advance(time.Hour)
		release := r.provider.holds(grant(2))
		first := r.ask(t.Context(), slow)
		settle()
		done := r.closing(t.Context())
		settle()
		r.provider.grants(grant(4))
		second := r.ask(t.Context(), quick)
		settle()
		select {
		case got := <-second:
			got.wantToken(t, 4)
		default:
			t.Error("a request waits for another session's refresh")
		}
		close(release)
		(<-first).wantToken(t, 2)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestNoGoroutineIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("a vault at work", func(t *testing.T) {
		r := newRig(t, 0)
		r.provider.grants(dayLong(2))
		var tickets []tokens.Ticket
		for range 50 {
			tickets = append(tickets, r.signIn(t, grant(1)))
		}
		r.clock.Advance(time.Hour)
		var answers []<-chan answer
		for range 3 {
			for _, ticket := range tickets {
				answers = append(answers, r.ask(t.Context(), ticket))
			}
		}
		for _, a := range answers {
			<-a // what it says is for other tests
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

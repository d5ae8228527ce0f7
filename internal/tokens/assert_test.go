package tokens_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func (r *rig) signIn(t *testing.T, set tokens.Set) tokens.Ticket {
	t.Helper()
	return r.signInWith(t, client, set)
}

func (r *rig) signInWith(t *testing.T, client tokens.Client, set tokens.Set) tokens.Ticket {
	t.Helper()
	ticket, _, err := r.Create(t.Context(), site, client, set)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	return ticket
}

// answer is what Fresh gave.
type answer struct {
	session *tokens.Session
	err     error
}

func (r *rig) fresh(t *testing.T, ticket tokens.Ticket) answer {
	t.Helper()
	session, err := r.Fresh(t.Context(), site, ticket)
	if (session == nil) == (err == nil) {
		t.Fatalf("Fresh = %v and error %v: want one of the two", session, err)
	}
	return answer{session, err}
}

// ask calls Fresh on a goroutine of its own.
func (r *rig) ask(ctx context.Context, ticket tokens.Ticket) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		session, err := r.Fresh(ctx, site, ticket)
		answers <- answer{session, err}
	}()
	return answers
}

// comeBack is an error that says when to try again.
type comeBack time.Duration

func (comeBack) Error() string { return "busy" }

func (c comeBack) RetryAfter() time.Duration { return time.Duration(c) }

// settle waits until all that goes on behind the requests is done or blocked.
func settle() { synctest.Wait() }

func (a answer) wantToken(t *testing.T, n int) {
	t.Helper()
	if a.err != nil {
		t.Fatalf("Fresh: %v, want token %d", a.err, n)
	}
	if got := a.session.Access.Reveal(); got != access(n) {
		t.Fatalf("the token is %q, want %q", got, access(n))
	}
}

func (a answer) wantEnded(t *testing.T, reason tokens.EndReason) {
	t.Helper()
	var ended *tokens.Ended
	if !errors.As(a.err, &ended) || ended.Reason != reason {
		t.Fatalf("Fresh error = %v, want the session ended by %s", a.err, reason)
	}
}

func (a answer) wantUnavailable(t *testing.T, part tokens.Part) *tokens.Unavailable {
	t.Helper()
	return wantUnavailable(t, a.err, part)
}

func (a answer) wantAbsent(t *testing.T) {
	t.Helper()
	if !errors.Is(a.err, tokens.ErrAbsent) {
		t.Fatalf("Fresh error = %v, want ErrAbsent", a.err)
	}
}

func wantUnavailable(t *testing.T, err error, part tokens.Part) *tokens.Unavailable {
	t.Helper()
	var unavailable *tokens.Unavailable
	if !errors.As(err, &unavailable) || unavailable.Part != part {
		t.Fatalf("error = %v, want the %s unavailable", err, part)
	}
	if errors.Is(err, tokens.ErrAbsent) {
		t.Fatalf("error %v says absent as well", err)
	}
	return unavailable
}

func (r *rig) wantCalls(t *testing.T, refresh ...int) {
	t.Helper()
	got := r.provider.calls()
	if len(got) != len(refresh) {
		t.Fatalf("the provider was asked %d times, want %d", len(got), len(refresh))
	}
	for i, n := range refresh {
		if got[i] != refreshToken(n) {
			t.Fatalf("call %d was made with %q, want %q", i+1, got[i], refreshToken(n))
		}
	}
}

package gate

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	// keepSignedIn is how long a finished sign-in answers a callback that comes
	// again: reloaded while the provider was slow, or repeated by the browser
	// because the first answer never arrived. The browser still needs the flow's
	// cookie for it.
	keepSignedIn = time.Minute
	maxSignedIn  = 1024
)

// signedIn is a finished sign-in.
type signedIn struct {
	ticket  tokens.Ticket
	session *tokens.Session
	at      time.Time
}

// signIns makes sure that the code of a flow is exchanged once, however often
// its callback is called, and that the exchange is finished when the request
// that began it goes away: a code works once.
type signIns struct {
	flights  singleflight.Group
	mu       sync.Mutex
	finished map[string]*signedIn
	states   []string // of finished, the oldest first
}

func (s *signIns) once(ctx context.Context, state string, now func() time.Time, exchange func(context.Context) (*signedIn, error)) (*signedIn, error) {
	done := s.flights.DoChan(state, func() (any, error) {
		if before := s.recall(state, now()); before != nil {
			return before, nil
		}
		result, err := exchange(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		s.remember(state, result, now())
		return result, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-done:
		finished, _ := result.Val.(*signedIn)
		return finished, result.Err
	}
}

func (s *signIns) recall(state string, now time.Time) *signedIn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.finished[state]; found != nil && now.Sub(found.at) < keepSignedIn {
		return found
	}
	return nil
}

// remember forgets those that are too old as well, and the oldest where there
// are too many.
func (s *signIns) remember(state string, result *signedIn, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.states) > 0 && (len(s.states) >= maxSignedIn || now.Sub(s.finished[s.states[0]].at) >= keepSignedIn) {
		delete(s.finished, s.states[0])
		s.states = s.states[1:]
	}
	if s.finished == nil {
		s.finished = map[string]*signedIn{}
	}
	if s.finished[state] == nil {
		s.states = append(s.states, state)
	}
	result.at = now
	s.finished[state] = result
}

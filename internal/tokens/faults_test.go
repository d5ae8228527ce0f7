package tokens_test

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// faultyStore passes every call through what the test puts in its way.
type faultyStore struct {
	next   tokens.Store
	mu     sync.Mutex
	faults map[string]fault
	counts map[string]int
}

// fault stands around a call: it may refuse it, delay it, or lose its answer.
type fault func(call func() error) error

var errDown = errors.New("connection refused")

func down(func() error) error { return errDown }

// granted is a lease whose holder does not know that it has lost it.
func granted(func() error) error { return nil }

// answerLost does what was asked and does not say so.
func answerLost(call func() error) error { return cmp.Or(call(), errDown) }

var everyOperation = []string{"create", "load", "replace", "delete", "lease", "release", "each"}

func newFaultyStore(next tokens.Store) *faultyStore {
	return &faultyStore{next: next, faults: map[string]fault{}, counts: map[string]int{}}
}

func (s *faultyStore) put(f fault, operations ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, operation := range operations {
		s.faults[operation] = f
	}
}

func (s *faultyStore) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

func (s *faultyStore) count(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[operation]
}

func (s *faultyStore) do(operation string, call func() error) error {
	s.mu.Lock()
	s.counts[operation]++
	f := s.faults[operation]
	s.mu.Unlock()
	if f == nil {
		return call()
	}
	return f(call)
}

func (s *faultyStore) Create(ctx context.Context, name tokens.Name, r tokens.Record) error {
	return s.do("create", func() error { return s.next.Create(ctx, name, r) })
}

func (s *faultyStore) Load(ctx context.Context, name tokens.Name) (r tokens.Record, err error) {
	err = s.do("load", func() (err error) {
		r, err = s.next.Load(ctx, name)
		return err
	})
	return r, err
}

func (s *faultyStore) Replace(ctx context.Context, name tokens.Name, r tokens.Record) error {
	return s.do("replace", func() error { return s.next.Replace(ctx, name, r) })
}

func (s *faultyStore) Delete(ctx context.Context, name tokens.Name) error {
	return s.do("delete", func() error { return s.next.Delete(ctx, name) })
}

func (s *faultyStore) Lease(ctx context.Context, name tokens.Name, holder string, ttl time.Duration) error {
	return s.do("lease", func() error { return s.next.Lease(ctx, name, holder, ttl) })
}

func (s *faultyStore) Release(ctx context.Context, name tokens.Name, holder string) error {
	return s.do("release", func() error { return s.next.Release(ctx, name, holder) })
}

func (s *faultyStore) Each(ctx context.Context, visit func(tokens.Name, tokens.Record) error) error {
	return s.do("each", func() error { return s.next.Each(ctx, visit) })
}

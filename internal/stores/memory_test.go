package stores

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
	"github.com/Eyevinn/osc-gateway/internal/tokens/tokenstest"
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestMemoryPassesTheStoresSuite(t *testing.T) {
	tokenstest.RunStoreTests(t, func(t *testing.T) tokenstest.Bench {
		clock := newClock()
		m := NewMemory(0, clock.Now)
		t.Cleanup(func() { _ = m.Close() })
		return tokenstest.Bench{Store: m, Now: clock.Now, Advance: clock.Advance}
	})
}

func TestMemoryTakesNoMoreThanItsBoundAndKeepsWhatItHas(t *testing.T) {
	m := NewMemory(2, nil)
	t.Cleanup(func() { _ = m.Close() })
	record := tokens.Record{Generation: 1, Expires: time.Now().Add(time.Hour), Sealed: []byte("x")}
	for i := range 2 {
		if err := m.Create(t.Context(), tokens.Name{byte(i)}, record); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Create(t.Context(), tokens.Name{9}, record); !errors.Is(err, tokens.ErrFull) {
		t.Fatalf("Create error = %v, want ErrFull", err)
	}
	record.Generation = 2
	if err := m.Replace(t.Context(), tokens.Name{1}, record); err != nil {
		t.Fatalf("a full store refuses to replace: %v", err)
	}
	if err := m.Delete(t.Context(), tokens.Name{0}); err != nil {
		t.Fatal(err)
	}
	record.Generation = 1
	if err := m.Create(t.Context(), tokens.Name{9}, record); err != nil {
		t.Fatalf("Create after a deletion: %v", err)
	}
}

func TestMemoryCanBeClosedTwiceAndStaysReadable(t *testing.T) {
	m := NewMemory(0, nil)
	record := tokens.Record{Generation: 1, Expires: time.Now().Add(time.Hour), Sealed: []byte("x")}
	if err := m.Create(t.Context(), tokens.Name{1}, record); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Load(t.Context(), tokens.Name{1}); err != nil {
		t.Fatalf("Load after Close: %v", err)
	}
}

package caddymodule

import (
	"context"
	"errors"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// fixedStore answers at once, always the same.
type fixedStore struct {
	tokens.Store
	err error
}

func (s *fixedStore) Load(context.Context, tokens.Name) (tokens.Record, error) {
	return tokens.Record{}, s.err
}

func TestMeasuringAStoreCostsNoAllocation(t *testing.T) {
	store := newMeteredStore(&fixedStore{})
	type other struct{}
	ctx := context.WithValue(t.Context(), other{}, 1)
	if got := testing.AllocsPerRun(1000, func() { _, _ = store.Load(ctx, tokens.Name{}) }); got != 0 {
		t.Errorf("a load that nobody traces costs %v allocations", got)
	}
	if got := testing.AllocsPerRun(1000, func() { countRequest("required", "passed") }); got != 0 {
		t.Errorf("counting a request costs %v allocations", got)
	}
}

// knowing is a store that knows everything without asking.
type knowing struct{ fixedStore }

func (*knowing) Recall(tokens.Name) (tokens.Record, bool) { return tokens.Record{Generation: 7}, true }

func TestWhatIsKnownWithoutAskingIsNoCallOfTheStore(t *testing.T) {
	store := newMeteredStore(&knowing{fixedStore{err: errors.New("it was asked")}})
	if record, err := store.Load(t.Context(), tokens.Name{}); err != nil || record.Generation != 7 {
		t.Errorf("generation %d, %v", record.Generation, err)
	}
}

func TestWhatAStoreIsCertainOfIsNoError(t *testing.T) {
	for err, isAnswered := range map[error]bool{
		tokens.ErrAbsent: true, tokens.ErrConflict: true, context.Canceled: true, context.DeadlineExceeded: false, errors.New("connection refused"): false,
	} {
		if isAnswer(err) != isAnswered {
			t.Errorf("%v is an answer: %v", err, !isAnswered)
		}
	}
}

func BenchmarkMeteredLoad(b *testing.B) {
	store := newMeteredStore(&fixedStore{})
	ctx := b.Context()
	for b.Loop() {
		_, _ = store.Load(ctx, tokens.Name{})
	}
}

func BenchmarkCountingARequest(b *testing.B) {
	b.Run("found once", func(b *testing.B) {
		for b.Loop() {
			countRequest("required", "passed")
		}
	})
	b.Run("by labels", func(b *testing.B) {
		for b.Loop() {
			collectors.requests.WithLabelValues("required", "passed").Inc()
		}
	})
}

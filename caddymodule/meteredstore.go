package caddymodule

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// meteredStore counts, measures and traces what a store is asked. What it knows
// without asking is not among that: a million answers from memory would hide
// the one that took a second.
type meteredStore struct {
	tokens.Store
	near recaller
}

// recaller is a store that knows some records by heart.
type recaller interface {
	Recall(name tokens.Name) (tokens.Record, bool)
}

func newMeteredStore(store tokens.Store) *meteredStore {
	near, _ := store.(recaller)
	return &meteredStore{store, near}
}

// operation is one thing a store does.
type operation struct {
	name   string
	took   prometheus.Observer
	failed prometheus.Counter
}

func newOperation(name string) *operation {
	return &operation{name: name, took: collectors.storeCalls.WithLabelValues(name), failed: collectors.storeErrors.WithLabelValues(name)}
}

var (
	opCreate  = newOperation("create")
	opLoad    = newOperation("load")
	opReplace = newOperation("replace")
	opDelete  = newOperation("delete")
	opLease   = newOperation("lease")
	opRelease = newOperation("release")
	opEach    = newOperation("each")
)

// asking is a call under way.
type asking struct {
	op    *operation
	begun time.Time
	span  span
}

func (op *operation) begin(ctx context.Context, name tokens.Name) (context.Context, asking) {
	a := asking{op: op, begun: time.Now()}
	if isTraced(ctx) {
		ctx, a.span = beginSpan(ctx, "osc_auth store "+op.name, attribute.String("osc_auth.session", name.Digest()))
	}
	return ctx, a
}

// end counts the calls that were not answered.
func (a asking) end(err error) error {
	a.op.took.Observe(time.Since(a.begun).Seconds())
	if isAnswer(err) {
		a.span.end("")
		return err
	}
	a.op.failed.Inc()
	a.span.end("the store did not answer")
	return err
}

// isAnswer tells whether the store has said something for certain.
func isAnswer(err error) bool {
	return err == nil || errors.Is(err, tokens.ErrAbsent) || errors.Is(err, tokens.ErrExists) || errors.Is(err, tokens.ErrConflict) ||
		errors.Is(err, tokens.ErrHeld) || errors.Is(err, tokens.ErrFull) || errors.Is(err, context.Canceled)
}

// Create measures.
func (s *meteredStore) Create(ctx context.Context, name tokens.Name, record tokens.Record) error {
	ctx, a := opCreate.begin(ctx, name)
	return a.end(s.Store.Create(ctx, name, record))
}

// Load measures what is not known by heart.
func (s *meteredStore) Load(ctx context.Context, name tokens.Name) (tokens.Record, error) {
	if s.near != nil {
		if record, there := s.near.Recall(name); there {
			return record, nil
		}
	}
	ctx, a := opLoad.begin(ctx, name)
	record, err := s.Store.Load(ctx, name)
	return record, a.end(err)
}

// Replace measures.
func (s *meteredStore) Replace(ctx context.Context, name tokens.Name, record tokens.Record) error {
	ctx, a := opReplace.begin(ctx, name)
	return a.end(s.Store.Replace(ctx, name, record))
}

// Delete measures.
func (s *meteredStore) Delete(ctx context.Context, name tokens.Name) error {
	ctx, a := opDelete.begin(ctx, name)
	return a.end(s.Store.Delete(ctx, name))
}

// Lease measures.
func (s *meteredStore) Lease(ctx context.Context, name tokens.Name, holder string, ttl time.Duration) error {
	ctx, a := opLease.begin(ctx, name)
	return a.end(s.Store.Lease(ctx, name, holder, ttl))
}

// Release measures.
func (s *meteredStore) Release(ctx context.Context, name tokens.Name, holder string) error {
	ctx, a := opRelease.begin(ctx, name)
	return a.end(s.Store.Release(ctx, name, holder))
}

// Each counts failures alone: how long it takes is how long its visitor takes.
func (s *meteredStore) Each(ctx context.Context, visit func(tokens.Name, tokens.Record) error) error {
	var visitor error
	err := s.Store.Each(ctx, func(name tokens.Name, record tokens.Record) error {
		visitor = visit(name, record)
		return visitor
	})
	if visitor == nil && !isAnswer(err) {
		opEach.failed.Inc()
	}
	return err
}

// Close closes the store behind.
func (s *meteredStore) Close() error {
	if closer, ok := s.Store.(interface{ Close() error }); ok {
		return closer.Close()
	}
	return nil
}

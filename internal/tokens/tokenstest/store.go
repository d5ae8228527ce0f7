// Package tokenstest holds the conformance suite every [tokens.Store] passes.
package tokenstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// Bench is a store under test, and the hand on the clock it goes by.
type Bench struct {
	Store   tokens.Store
	Now     func() time.Time
	Advance func(time.Duration)
}

// RunStoreTests runs the suite; open gives each test an empty store.
func RunStoreTests(t *testing.T, open func(t *testing.T) Bench) {
	t.Helper()
	tests := map[string]func(*testing.T, Bench){
		"a created record is found":                        createdIsFound,
		"an absent record is absent":                       absentIsAbsent,
		"a name is used once":                              nameIsUsedOnce,
		"a record is replaced by its next generation only": replaceComparesGenerations,
		"replacing does not bring back the deleted":        replaceDoesNotCreate,
		"deleting twice is no error":                       deleteTwice,
		"an expired record is absent":                      expiredIsAbsent,
		"replacing moves the expiry":                       replaceMovesExpiry,
		"the caller's bytes stay the caller's":             bytesAreNotShared,
		"of many writers one wins each generation":         oneWriterWins,
		"of many creators one wins":                        oneCreatorWins,
		"an ended context ends the call":                   contextEndsCalls,
		"a lease has one holder":                           leaseHasOneHolder,
		"a lease that ran out is free":                     leaseRunsOut,
		"a lease can be renewed":                           leaseIsRenewed,
		"of many who want a lease one gets it":             oneHolderWins,
		"leases and records do not know each other":        leasesAreApart,
		"all records are visited":                          eachVisitsAll,
		"a visit can be ended":                             eachStops,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func name(n int) (out tokens.Name) {
	copy(out[:], fmt.Sprintf("name %d", n))
	return out
}

func (b Bench) record(generation uint64, sealed string) tokens.Record {
	return tokens.Record{Generation: generation, Expires: b.Now().Add(time.Hour), Sealed: []byte(sealed)}
}

func (b Bench) create(t *testing.T, n int, sealed string) {
	t.Helper()
	if err := b.Store.Create(t.Context(), name(n), b.record(1, sealed)); err != nil {
		t.Fatalf("Create: %v", err)
	}
}

func (b Bench) wantLoad(t *testing.T, n int, generation uint64, sealed string) {
	t.Helper()
	b.wantRecalled(t, n, generation, sealed)
	got, err := b.Store.Load(t.Context(), name(n))
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if got.Generation != generation || string(got.Sealed) != sealed {
		t.Fatalf("Load = generation %d %q, want %d %q", got.Generation, got.Sealed, generation, sealed)
	}
	b.wantRecalled(t, n, generation, sealed)
}

// wantRecalled is for stores that know some records without asking: what they
// know is what is there.
func (b Bench) wantRecalled(t *testing.T, n int, generation uint64, sealed string) {
	t.Helper()
	if known, there := b.recall(n); there && (known.Generation != generation || string(known.Sealed) != sealed) {
		t.Fatalf("Recall = generation %d %q, want %d %q", known.Generation, known.Sealed, generation, sealed)
	}
}

func (b Bench) recall(n int) (tokens.Record, bool) {
	if near, ok := b.Store.(interface {
		Recall(name tokens.Name) (tokens.Record, bool)
	}); ok {
		return near.Recall(name(n))
	}
	return tokens.Record{}, false
}

func (b Bench) wantAbsent(t *testing.T, n int) {
	t.Helper()
	if known, there := b.recall(n); there {
		t.Fatalf("Recall = generation %d %q, want nothing", known.Generation, known.Sealed)
	}
	if _, err := b.Store.Load(t.Context(), name(n)); !errors.Is(err, tokens.ErrAbsent) {
		t.Fatalf("Load error = %v, want ErrAbsent", err)
	}
}

func createdIsFound(t *testing.T, b Bench) {
	sealed := string(bytes.Repeat([]byte{0, 1, 0xff}, 700))
	b.create(t, 1, sealed)
	b.create(t, 2, "other")
	b.wantLoad(t, 1, 1, sealed)
	b.wantLoad(t, 2, 1, "other")
	got, err := b.Store.Load(t.Context(), name(1))
	if err != nil || got.Expires.Sub(b.Now().Add(time.Hour)).Abs() > time.Second {
		t.Fatalf("Expires = %v (%v), want about %v", got.Expires, err, b.Now().Add(time.Hour))
	}
}

func absentIsAbsent(t *testing.T, b Bench) {
	b.wantAbsent(t, 1)
	if err := b.Store.Replace(t.Context(), name(1), b.record(2, "x")); !errors.Is(err, tokens.ErrAbsent) {
		t.Fatalf("Replace error = %v, want ErrAbsent", err)
	}
}

func nameIsUsedOnce(t *testing.T, b Bench) {
	b.create(t, 1, "first")
	if err := b.Store.Create(t.Context(), name(1), b.record(1, "second")); !errors.Is(err, tokens.ErrExists) {
		t.Fatalf("Create error = %v, want ErrExists", err)
	}
	b.wantLoad(t, 1, 1, "first")
}

func replaceComparesGenerations(t *testing.T, b Bench) {
	b.create(t, 1, "one")
	for _, wrong := range []uint64{1, 3, 100} {
		if err := b.Store.Replace(t.Context(), name(1), b.record(wrong, "wrong")); !errors.Is(err, tokens.ErrConflict) {
			t.Fatalf("Replace by generation %d: error = %v, want ErrConflict", wrong, err)
		}
	}
	b.wantLoad(t, 1, 1, "one")
	if err := b.Store.Replace(t.Context(), name(1), b.record(2, "two")); err != nil {
		t.Fatalf("Replace: %v", err)
	}
	b.wantLoad(t, 1, 2, "two")
}

func replaceDoesNotCreate(t *testing.T, b Bench) {
	b.create(t, 1, "one")
	if err := b.Store.Delete(t.Context(), name(1)); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if err := b.Store.Replace(t.Context(), name(1), b.record(2, "two")); !errors.Is(err, tokens.ErrAbsent) {
		t.Fatalf("Replace error = %v, want ErrAbsent", err)
	}
	b.wantAbsent(t, 1)
}

func deleteTwice(t *testing.T, b Bench) {
	b.create(t, 1, "one")
	for range 2 {
		if err := b.Store.Delete(t.Context(), name(1)); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		b.wantAbsent(t, 1)
	}
}

func expiredIsAbsent(t *testing.T, b Bench) {
	b.create(t, 1, "one")
	b.Advance(time.Hour + time.Second)
	b.wantAbsent(t, 1)
	if err := b.Store.Replace(t.Context(), name(1), b.record(2, "two")); !errors.Is(err, tokens.ErrAbsent) {
		t.Fatalf("Replace error = %v, want ErrAbsent", err)
	}
	b.create(t, 1, "again")
	b.wantLoad(t, 1, 1, "again")
}

func replaceMovesExpiry(t *testing.T, b Bench) {
	b.create(t, 1, "one")
	b.Advance(50 * time.Minute)
	if err := b.Store.Replace(t.Context(), name(1), b.record(2, "two")); err != nil {
		t.Fatalf("Replace: %v", err)
	}
	b.Advance(50 * time.Minute)
	b.wantLoad(t, 1, 2, "two")
}

func bytesAreNotShared(t *testing.T, b Bench) {
	record := b.record(1, "mine")
	if err := b.Store.Create(t.Context(), name(1), record); err != nil {
		t.Fatalf("Create: %v", err)
	}
	clear(record.Sealed)
	got, err := b.Store.Load(t.Context(), name(1))
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if string(got.Sealed) != "mine" {
		t.Fatalf("the store kept the caller's slice: %q", got.Sealed)
	}
}

func oneWriterWins(t *testing.T, b Bench) {
	b.create(t, 1, "start")
	const writers, rounds = 8, 20
	for round := range rounds {
		next := uint64(round) + 2
		won := race(writers, func(i int) error {
			return b.Store.Replace(context.Background(), name(1), b.record(next, fmt.Sprint(i)))
		}, t, tokens.ErrConflict)
		if won != 1 {
			t.Fatalf("round %d: %d writers won", round, won)
		}
	}
}

func oneCreatorWins(t *testing.T, b Bench) {
	won := race(8, func(i int) error {
		return b.Store.Create(context.Background(), name(1), b.record(1, fmt.Sprint(i)))
	}, t, tokens.ErrExists)
	if won != 1 {
		t.Fatalf("%d creators won", won)
	}
}

// race runs f side by side and counts those without error; the others must
// have lost by the error named.
func race(n int, f func(int) error, t *testing.T, lost error) (won int) {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, lost):
			t.Errorf("loser's error = %v, want %v", err, lost)
		}
	}
	return won
}

func contextEndsCalls(t *testing.T, b Bench) {
	b.create(t, 1, "one")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, loadErr := b.Store.Load(ctx, name(1))
	for call, err := range map[string]error{
		"Load":    loadErr,
		"Create":  b.Store.Create(ctx, name(2), b.record(1, "x")),
		"Replace": b.Store.Replace(ctx, name(1), b.record(2, "x")),
		"Delete":  b.Store.Delete(ctx, name(1)),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s error = %v, want the context's", call, err)
		}
	}
	b.wantLoad(t, 1, 1, "one")
}

func (b Bench) wantLease(t *testing.T, holder string, want error) {
	t.Helper()
	if err := b.Store.Lease(t.Context(), name(1), holder, 10*time.Second); !errors.Is(err, want) {
		t.Fatalf("Lease for %s: error = %v, want %v", holder, err, want)
	}
}

func leaseHasOneHolder(t *testing.T, b Bench) {
	b.wantLease(t, "a", nil)
	b.wantLease(t, "b", tokens.ErrHeld)
	if err := b.Store.Release(t.Context(), name(1), "b"); err != nil {
		t.Fatalf("Release of another's lease: %v", err)
	}
	b.wantLease(t, "b", tokens.ErrHeld)
	if err := b.Store.Release(t.Context(), name(1), "a"); err != nil {
		t.Fatalf("Release: %v", err)
	}
	b.wantLease(t, "b", nil)
	if err := b.Store.Release(t.Context(), name(7), "a"); err != nil {
		t.Fatalf("Release of nothing: %v", err)
	}
}

func leaseRunsOut(t *testing.T, b Bench) {
	b.wantLease(t, "a", nil)
	b.Advance(9 * time.Second)
	b.wantLease(t, "b", tokens.ErrHeld)
	b.Advance(2 * time.Second)
	b.wantLease(t, "b", nil)
	b.wantLease(t, "a", tokens.ErrHeld)
}

func leaseIsRenewed(t *testing.T, b Bench) {
	for range 4 {
		b.wantLease(t, "a", nil)
		b.Advance(8 * time.Second)
		b.wantLease(t, "b", tokens.ErrHeld)
	}
}

func oneHolderWins(t *testing.T, b Bench) {
	won := race(8, func(i int) error {
		return b.Store.Lease(context.Background(), name(1), fmt.Sprint(i), 10*time.Second)
	}, t, tokens.ErrHeld)
	if won != 1 {
		t.Fatalf("%d hold the lease", won)
	}
}

func leasesAreApart(t *testing.T, b Bench) {
	b.wantLease(t, "a", nil)
	b.wantAbsent(t, 1)
	b.create(t, 1, "record")
	b.wantLease(t, "b", tokens.ErrHeld)
	if err := b.Store.Delete(t.Context(), name(1)); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	b.wantLease(t, "b", tokens.ErrHeld)
}

func eachVisitsAll(t *testing.T, b Bench) {
	const records = 300
	want := map[tokens.Name]string{}
	for i := range records {
		b.create(t, i, fmt.Sprint("sealed ", i))
		want[name(i)] = fmt.Sprint("sealed ", i)
	}
	b.wantLease(t, "a", nil)
	err := b.Store.Each(t.Context(), func(n tokens.Name, r tokens.Record) error {
		if want[n] != string(r.Sealed) || r.Generation != 1 {
			t.Errorf("visited %s: generation %d %q", n, r.Generation, r.Sealed)
		}
		delete(want, n)
		return nil
	})
	if err != nil || len(want) > 0 {
		t.Fatalf("Each: error %v, %d records not visited", err, len(want))
	}
	b.Advance(2 * time.Hour)
	if err := b.Store.Each(t.Context(), func(n tokens.Name, _ tokens.Record) error {
		t.Errorf("visited %s, which has expired", n)
		return nil
	}); err != nil {
		t.Fatalf("Each: %v", err)
	}
}

func eachStops(t *testing.T, b Bench) {
	for i := range 10 {
		b.create(t, i, "x")
	}
	enough, seen := errors.New("enough"), 0
	err := b.Store.Each(t.Context(), func(tokens.Name, tokens.Record) error {
		if seen++; seen == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || seen != 3 {
		t.Fatalf("Each: error %v after %d visits", err, seen)
	}
}

package stores

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
	"github.com/Eyevinn/osc-gateway/internal/tokens/tokenstest"
)

// openAt opens a session file; the test closes it.
func openAt(tb testing.TB, path string, cfg FileConfig) *File {
	tb.Helper()
	f, err := OpenFile(path, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

// tempPath is in a directory still to be made, as on a first start.
func tempPath(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "private", "sessions.db")
}

func sealed(text string, f *File) tokens.Record {
	return tokens.Record{Generation: 1, Expires: f.now().Add(time.Hour), Sealed: []byte(text)}
}

func mustCreate(t *testing.T, f *File, name tokens.Name, text string) {
	t.Helper()
	if err := f.Create(t.Context(), name, sealed(text, f)); err != nil {
		t.Fatalf("Create: %v", err)
	}
}

func wantSealed(t *testing.T, f *File, name tokens.Name, text string) {
	t.Helper()
	got, err := f.Load(t.Context(), name)
	if err != nil || string(got.Sealed) != text {
		t.Fatalf("Load = %q, %v, want %q", got.Sealed, err, text)
	}
}

// isUnknown tells whether an error leaves open what became of a call.
func isUnknown(err error) bool {
	return err != nil && !isRefusal(err) && !errors.Is(err, tokens.ErrFull) && !errors.Is(err, tokens.ErrHeld)
}

func TestFilePassesTheStoresSuite(t *testing.T) {
	tokenstest.RunStoreTests(t, func(t *testing.T) tokenstest.Bench {
		clock := newClock()
		f := openAt(t, tempPath(t), FileConfig{Now: clock.Now})
		return tokenstest.Bench{Store: f, Now: clock.Now, Advance: clock.Advance}
	})
}

func TestFileKeepsItsRecordsWhenItIsOpenedAgain(t *testing.T) {
	path := tempPath(t)
	f := openAt(t, path, FileConfig{})
	mustCreate(t, f, tokens.Name{1}, "one")
	mustCreate(t, f, tokens.Name{2}, "two")
	next := sealed("one, refreshed", f)
	next.Generation = 2
	if err := f.Replace(t.Context(), tokens.Name{1}, next); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), tokens.Name{2}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = openAt(t, path, FileConfig{})
	wantSealed(t, f, tokens.Name{1}, "one, refreshed")
	if _, err := f.Load(t.Context(), tokens.Name{2}); !errors.Is(err, tokens.ErrAbsent) {
		t.Fatalf("Load of the deleted: %v", err)
	}
}

func TestAClosedFileAnswersWithAnError(t *testing.T) {
	f := openAt(t, tempPath(t), FileConfig{})
	mustCreate(t, f, tokens.Name{1}, "one")
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	_, loadErr := f.Load(ctx, tokens.Name{1})
	for call, err := range map[string]error{
		"Load":    loadErr,
		"Create":  f.Create(ctx, tokens.Name{2}, sealed("two", f)),
		"Replace": f.Replace(ctx, tokens.Name{1}, sealed("one", f)),
		"Delete":  f.Delete(ctx, tokens.Name{1}),
		"Each":    f.Each(ctx, func(tokens.Name, tokens.Record) error { return nil }),
	} {
		if !isUnknown(err) {
			t.Errorf("%s after Close: error %v", call, err)
		}
	}
}

func TestCloseWaitsForTheWritesThatHaveBegun(t *testing.T) {
	path := tempPath(t)
	f := openAt(t, path, FileConfig{})
	const writers = 50
	var wg sync.WaitGroup
	done := make(chan tokens.Name, 100_000)
	for i := range writers {
		wg.Go(func() {
			for n := range 100_000 {
				name := tokens.Name([]byte(fmt.Sprintf("%032d", i*1_000_000+n)))
				if f.Create(t.Context(), name, sealed("x", f)) != nil {
					return
				}
				done <- name
			}
		})
	}
	for range 3 * writers {
		<-done
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	close(done)
	f = openAt(t, path, FileConfig{})
	for name := range done {
		wantSealed(t, f, name, "x")
	}
}

func TestACallerWhoseContextEndsDoesNotWaitForTheDisk(t *testing.T) {
	f := openAt(t, tempPath(t), FileConfig{})
	busy, free := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = f.write(context.Background(), tokens.Name{}, func(*pages) error { close(busy); <-free; return nil })
	})
	<-busy
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		if err := f.Create(ctx, tokens.Name{1}, sealed("one", f)); !errors.Is(err, context.Canceled) {
			t.Errorf("Create: %v, want the context's error", err)
		}
		close(free)
	})
	cancel()
	wg.Wait()
	mustCreate(t, f, tokens.Name{2}, "two")
}

func TestAVisitorMayWriteWhileItIsBeingShownRecords(t *testing.T) {
	f := openAt(t, tempPath(t), FileConfig{})
	names := fill(t, f, 3*chunk+1)
	seen := map[tokens.Name]int{}
	err := f.Each(t.Context(), func(name tokens.Name, _ tokens.Record) error {
		seen[name]++
		return f.Delete(t.Context(), name)
	})
	if err != nil || len(seen) != len(names) {
		t.Fatalf("Each: %d of %d seen, error %v", len(seen), len(names), err)
	}
	for name, times := range seen {
		if times != 1 {
			t.Errorf("%s seen %d times", name.Digest(), times)
		}
	}
}

func TestTheJanitorDeletesWhatExpiredAndKeepsWhatWasRenewed(t *testing.T) {
	clock, ticks := newClock(), make(chan time.Time)
	f := openAt(t, tempPath(t), FileConfig{Now: clock.Now, Sweep: ticks})
	names := fill(t, f, 3*chunk)
	renewed := names[chunk]
	record := tokens.Record{Generation: 2, Expires: clock.Now().Add(5 * time.Hour), Sealed: []byte("renewed")}
	if err := f.Replace(t.Context(), renewed, record); err != nil {
		t.Fatal(err)
	}
	shortened := tokens.Name{1}
	mustCreate(t, f, shortened, "short")
	record.Expires = clock.Now().Add(time.Minute)
	if err := f.Replace(t.Context(), shortened, record); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		left  int
	}{{2 * time.Minute, 3 * chunk}, {2 * time.Hour, 1}, {time.Hour, 1}, {3 * time.Hour, 0}} {
		clock.Advance(step.after)
		ticks <- clock.Now()
		ticks <- clock.Now() // taken when the sweep before has ended
		if got := f.stored(t); got != step.left {
			t.Fatalf("%v later %d records are stored, want %d", step.after, got, step.left)
		}
		if step.left == 1 {
			wantSealed(t, f, renewed, "renewed")
		}
	}
}

// stored counts the records in the file, expired ones among them.
func (f *File) stored(t *testing.T) (n int) {
	t.Helper()
	if err := f.book.Load().view(func(p *pages) error {
		n = p.records.Stats().KeyN
		if names := p.names.Stats().KeyN; names != n {
			t.Errorf("%d names for %d records", names, n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheFileDoesNotGrowWithTheRecordsThatCameAndWent(t *testing.T) {
	clock := newClock()
	f := openAt(t, tempPath(t), FileConfig{Now: clock.Now})
	const live, rounds = 2000, 50
	peak := int64(0)
	for range rounds {
		fill(t, f, live)
		if peak == 0 {
			peak = f.book.Load().used(t)
		}
		clock.Advance(2 * time.Hour)
		if err := f.sweep(); err != nil {
			t.Fatal(err)
		}
	}
	if left := f.stored(t); left != 0 {
		t.Errorf("%d records are left", left)
	}
	if used := f.book.Load().used(t); used > 2*peak {
		t.Errorf("%d records came and went: the file uses %d bytes, %d when %d were live", live*rounds, used, peak, live)
	}
}

func TestARecordTakesLittleMoreThanItsBytes(t *testing.T) {
	f := openAt(t, tempPath(t), FileConfig{})
	const records = 20_000
	names := fill(t, f, records)
	before := f.book.Load().used(t)
	if each := before / records; each > 1600 {
		t.Errorf("%d bytes for a record of %d", each, sealedSize)
	}
	// Refreshes rewrite records in place.
	for from := 0; from < records; from += 1000 {
		if err := f.write(t.Context(), tokens.Name{}, func(p *pages) error {
			for _, name := range names[from : from+1000] {
				at, value := p.find(name)
				if err := p.put(at, bytes.Clone(value), false); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if after := f.book.Load().used(t); after > before*6/5 {
		t.Errorf("after replacing them all the file uses %d bytes, %d before", after, before)
	}
}

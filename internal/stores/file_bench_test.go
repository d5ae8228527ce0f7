package stores

import (
	"crypto/rand"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// What these showed on two cores and an ext4 disk stands in comments beside
// the code they decided about.

// sealedSize is about what a session's sealed part takes.
const sealedSize = 1100

func randomName(tb testing.TB) (name tokens.Name) {
	tb.Helper()
	if _, err := rand.Read(name[:]); err != nil {
		tb.Fatal(err)
	}
	return name
}

// fill stores n records, a thousand in a commit, which expire one after the
// other.
func fill(tb testing.TB, f *File, n int) []tokens.Name {
	tb.Helper()
	names := make([]tokens.Name, n)
	sealed := make([]byte, sealedSize)
	start := f.now().Add(time.Hour)
	for done := 0; done < n; {
		err := f.write(tb.Context(), tokens.Name{}, func(p *pages) error {
			for range min(1000, n-done) {
				names[done] = randomName(tb)
				record := tokens.Record{Generation: 1, Expires: start.Add(time.Duration(done) * time.Millisecond), Sealed: sealed}
				if err := p.put(newPlace(record.Expires, names[done]), encode(record), true); err != nil {
					return err
				}
				done++
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return names
}

func BenchmarkFileLoad(b *testing.B) {
	f := openAt(b, tempPath(b), FileConfig{})
	names := fill(b, f, 100_000)
	var next atomic.Uint64
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if _, err := f.Load(b.Context(), names[next.Add(7919)%uint64(len(names))]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFileWrite(b *testing.B) {
	writes := map[string]func(*File, tokens.Name) error{
		"create": func(f *File, _ tokens.Name) error {
			return f.Create(b.Context(), randomName(b), tokens.Record{Generation: 1, Expires: f.now().Add(12 * time.Hour), Sealed: make([]byte, sealedSize)})
		},
		"replace": func(f *File, name tokens.Name) error {
			record, err := f.Load(b.Context(), name)
			if err != nil {
				return err
			}
			record.Generation++
			return f.Replace(b.Context(), name, record)
		},
	}
	for kind, write := range writes {
		for _, writers := range []int{1, 2, 200} {
			b.Run(fmt.Sprintf("%s/writers=%d", kind, writers), func(b *testing.B) {
				f := openAt(b, tempPath(b), FileConfig{})
				names := fill(b, f, 100_000)
				before := f.book.Load().commits(b)
				b.ResetTimer()
				sideBySide(b, writers, func(i int) error { return write(f, names[(i*7919)%len(names)]) })
				b.ReportMetric(float64(b.N)/float64(f.book.Load().commits(b)-before), "writes/commit")
			})
		}
	}
}

// sideBySide runs b.N writes by so many goroutines.
func sideBySide(b *testing.B, writers int, write func(i int) error) {
	var next atomic.Int64
	errs := make(chan error, writers)
	for range writers {
		go func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					errs <- nil
					return
				}
				if err := write(int(i)); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

// What bbolt's own batching makes of the same writes.
func BenchmarkBoltBatch(b *testing.B) {
	for _, delay := range []time.Duration{10 * time.Millisecond, time.Millisecond} {
		for _, writers := range []int{1, 200} {
			b.Run(fmt.Sprintf("delay=%v/writers=%d", delay, writers), func(b *testing.B) {
				f := openAt(b, tempPath(b), FileConfig{})
				fill(b, f, 100_000)
				db := f.book.Load().db
				db.MaxBatchDelay = delay
				value := encode(tokens.Record{Expires: f.now().Add(12 * time.Hour), Sealed: make([]byte, sealedSize)})
				b.ResetTimer()
				sideBySide(b, writers, func(int) error {
					at := newPlace(f.now().Add(12*time.Hour), randomName(b))
					return db.Batch(func(tx *bolt.Tx) error {
						p := pagesOf(tx)
						p.records.FillPercent = 1
						return p.put(at, value, true)
					})
				})
			})
		}
	}
}

func BenchmarkFileOpen(b *testing.B) {
	path := tempPath(b)
	f, err := OpenFile(path, FileConfig{})
	if err != nil {
		b.Fatal(err)
	}
	const records = 200_000
	fill(b, f, records)
	used := f.book.Load().used(b)
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for b.Loop() {
		f, err := OpenFile(path, FileConfig{})
		if err != nil {
			b.Fatal(err)
		}
		_ = f.Close()
	}
	b.ReportMetric(float64(used)/records, "B/record")
	b.ReportMetric(float64(info.Size())/records, "file-B/record")
}

// used is how many bytes of the file pages have been taken from.
func (b *book) used(tb testing.TB) (size int64) {
	tb.Helper()
	if err := b.db.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		tb.Fatal(err)
	}
	return size
}

// commits is how many there have been.
func (b *book) commits(tb testing.TB) (n int) {
	tb.Helper()
	if err := b.db.View(func(tx *bolt.Tx) error { n = tx.ID(); return nil }); err != nil {
		tb.Fatal(err)
	}
	return n
}

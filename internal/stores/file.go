package stores

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// FileConfig is what a session file goes by.
type FileConfig struct {
	Now   func() time.Time // default time.Now
	Log   *slog.Logger     // default: nowhere
	Sweep <-chan time.Time // when the janitor goes round; default every minute
}

// File keeps records in one bbolt file that one process has to itself. What
// was stored has reached the disk: it survives the end of the process and of
// the machine, however sudden. Writers that come at the same time share one
// commit; one alone waits for nobody.
//
// A disk that is full or gone makes calls fail with errors that are no
// certain refusal, until it is back.
type File struct {
	leases
	path string
	log  *slog.Logger
	book atomic.Pointer[book]

	cache *recordCache // of records that were read lately
	queue chan *write  // to the committer, who alone writes
	sick  chan *book   // one that a reader found broken

	over   atomic.Bool // closed, for those who need not come in
	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
	stop   chan struct{}
	ended  sync.WaitGroup
}

// fileCopies is about how many records are kept in memory as they were read:
// looking one up in the file costs a tenth of a request. Nobody else writes the
// file, so what the committer drops is all that changes.
const fileCopies = 4096

var errClosed = errors.New("the session file is closed")

// OpenFile opens the session file at path, or makes it, with its directory.
// It reads no records. A file that is in use by another process, that others
// could have written or read, or that holds something else is refused with an
// error that says what to do, and left as it is. One that was damaged is set
// aside, and the sessions that can still be read move to a new one.
func OpenFile(path string, cfg FileConfig) (*File, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	f := &File{
		leases: leases{now: cfg.Now}, path: path, log: cfg.Log, cache: newRecordCache(fileCopies),
		queue: make(chan *write), sick: make(chan *book, 1), stop: make(chan struct{}),
	}
	b, err := f.open(nil)
	if err != nil {
		return nil, err
	}
	f.book.Store(b)
	f.ended.Go(f.commits)
	f.ended.Go(func() { f.janitor(cfg.Sweep) })
	return f, nil
}

// Close waits for the calls that have begun, ends the janitor and gives the
// file free. Calls that come later fail.
func (f *File) Close() error {
	f.mu.Lock()
	already := f.closed
	f.closed = true
	f.over.Store(true)
	f.mu.Unlock()
	if already {
		f.ended.Wait()
		return nil
	}
	f.calls.Wait()
	close(f.stop)
	f.ended.Wait()
	b := f.book.Load()
	if b.broken.Load() {
		b.abandon()
		return nil
	}
	return f.explain(b.close())
}

// enter begins a call, calls.Done ends it.
func (f *File) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errClosed
	}
	f.calls.Add(1)
	return nil
}

// explain says which file an error is about.
func (f *File) explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("session file %s: %w", f.path, err)
}

// Create stores a new record.
func (f *File) Create(ctx context.Context, name tokens.Name, record tokens.Record) error {
	at, value := newPlace(record.Expires, name), encode(record)
	return f.write(ctx, name, func(p *pages) error {
		if old, stored := p.find(name); stored != nil {
			if _, there := living(stored, f.now()); there {
				return tokens.ErrExists
			}
			if err := p.drop(old); err != nil {
				return err
			}
		}
		return p.put(at, value, true)
	})
}

// Recall is Load of what is known without reading the file.
func (f *File) Recall(name tokens.Name) (tokens.Record, bool) {
	record, _, there := f.cache.get(name, f.now())
	return record, there && !f.over.Load()
}

// Load returns a record.
func (f *File) Load(ctx context.Context, name tokens.Name) (record tokens.Record, err error) {
	if err := ctx.Err(); err != nil {
		return tokens.Record{}, err
	}
	copied, version, there := f.cache.get(name, f.now())
	if there && !f.over.Load() {
		return copied, nil
	}
	err = f.read(ctx, func(p *pages) error {
		_, value := p.find(name)
		if record, there = living(value, f.now()); there {
			record.Sealed = bytes.Clone(record.Sealed)
		}
		return nil
	})
	switch {
	case err != nil:
		return tokens.Record{}, err
	case !there:
		return tokens.Record{}, tokens.ErrAbsent
	}
	f.cache.put(name, record, record.Expires, version)
	return record, nil
}

// Replace stores the next generation of a record.
func (f *File) Replace(ctx context.Context, name tokens.Name, record tokens.Record) error {
	at, value := newPlace(record.Expires, name), encode(record)
	return f.write(ctx, name, func(p *pages) error {
		old, stored := p.find(name)
		current, there := living(stored, f.now())
		switch {
		case !there:
			return tokens.ErrAbsent
		case current.Generation+1 != record.Generation:
			return tokens.ErrConflict
		case bytes.Compare(at.due(), old.due()) >= 0:
			return p.put(old, value, false)
		}
		if err := p.drop(old); err != nil {
			return err
		}
		return p.put(at, value, true)
	})
}

// Delete forgets a record.
func (f *File) Delete(ctx context.Context, name tokens.Name) error {
	return f.write(ctx, name, func(p *pages) error {
		at, stored := p.find(name)
		if stored == nil {
			return nil
		}
		return p.drop(at)
	})
}

// chunk is how many records one transaction goes through at most. A long one
// would keep bbolt from reusing pages, or keep writers waiting.
const chunk = 256

// Each visits all records, with no transaction open while visit does its work.
func (f *File) Each(ctx context.Context, visit func(tokens.Name, tokens.Record) error) error {
	for from, more := (tokens.Name{}), true; more; {
		var names []tokens.Name
		if err := f.read(ctx, func(p *pages) error { p.namesFrom(from, chunk, &names); return nil }); err != nil {
			return err
		}
		for _, name := range names {
			record, err := f.Load(ctx, name)
			if errors.Is(err, tokens.ErrAbsent) {
				continue
			}
			if err == nil {
				err = visit(name, record)
			}
			if err != nil {
				return err
			}
		}
		if more = len(names) == chunk; more {
			from, more = following(names[chunk-1])
		}
	}
	return nil
}

// following is the first name after one; there is none after the last.
func following(name tokens.Name) (next tokens.Name, there bool) {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i]++; name[i] != 0 {
			return name, true
		}
	}
	return name, false
}

// read runs a transaction that reads.
func (f *File) read(ctx context.Context, do func(*pages) error) error {
	if err := f.enter(ctx); err != nil {
		return err
	}
	defer f.calls.Done()
	b := f.book.Load()
	if b.broken.Load() {
		return f.explain(errBroken)
	}
	err := b.view(do)
	if err == nil {
		return nil
	}
	f.notice(b, err)
	return f.explain(err)
}

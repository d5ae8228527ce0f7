package stores

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// A write is a change somebody waits for. The change returns one of the
// store's refusals, or an error that takes back all of the commit.
type write struct {
	ctx    context.Context
	name   tokens.Name // of the record it changes
	change func(*pages) error
	err    error
	done   chan error
}

// write hands a change to the committer and waits until it has reached the
// disk. A caller who leaves early does not learn whether it did.
func (f *File) write(ctx context.Context, name tokens.Name, change func(*pages) error) error {
	if err := f.enter(ctx); err != nil {
		return err
	}
	defer f.calls.Done()
	w := &write{ctx: ctx, name: name, change: change, done: make(chan error, 1)}
	select {
	case f.queue <- w:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxCommit bounds how long the first of many writers waits for the others.
const maxCommit = 1024

// commits is the committer: whoever came while it wrote shares the next
// commit. Unlike bbolt's own Batch it has no delay to wait for company: one
// writer alone is as fast as without it.
func (f *File) commits() {
	for {
		select {
		case w := <-f.queue:
			f.commit(f.gather(w))
		case b := <-f.sick:
			f.mend(b)
		case <-f.stop:
			return
		}
	}
}

// gather takes everybody who is waiting, after letting those run whom the last
// commit woke up: with two writers, that makes 1.9 writes a commit of 1.05.
func (f *File) gather(first *write) []*write {
	runtime.Gosched()
	batch := []*write{first}
	for len(batch) < maxCommit {
		select {
		case w := <-f.queue:
			batch = append(batch, w)
		default:
			return batch
		}
	}
	return batch
}

func (f *File) commit(batch []*write) {
	b := f.book.Load()
	if b.broken.Load() {
		f.mend(b)
		b = f.book.Load()
	}
	err := errBroken
	if !b.broken.Load() {
		err = b.update(func(p *pages) error { return apply(p, batch) })
	}
	if err != nil {
		f.notice(b, err)
		err = f.explain(err)
	}
	for _, w := range batch {
		f.cache.drop(w.name) // before anybody learns of it
		if err != nil {
			// A refusal, too, may rest on what others of the batch did not write.
			w.err = err
		}
		w.done <- w.err
	}
}

func apply(p *pages, batch []*write) error {
	for _, w := range batch {
		if w.err = w.ctx.Err(); w.err != nil {
			continue // nobody waits for it
		}
		if w.err = w.change(p); w.err != nil && !isRefusal(w.err) {
			return w.err
		}
	}
	return nil
}

func isRefusal(err error) bool {
	return errors.Is(err, tokens.ErrAbsent) || errors.Is(err, tokens.ErrExists) || errors.Is(err, tokens.ErrConflict)
}

// janitor sweeps whenever it is told to.
func (f *File) janitor(ticks <-chan time.Time) {
	if ticks == nil {
		ticker := time.NewTicker(sweepEvery)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		select {
		case <-f.stop:
			return
		case <-ticks:
			if err := f.sweep(); err != nil && !errors.Is(err, errClosed) {
				f.log.Warn("expired sessions could not be deleted from the session file", "error", err)
			}
		}
	}
}

// sweep looks at the records that have fallen due, a few in each transaction:
// what has expired is deleted, what lives on is put further back.
func (f *File) sweep() error {
	then := newPlace(f.now(), tokens.Name{}) // excludes the current millisecond
	for {
		var places []place
		err := f.write(context.Background(), tokens.Name{}, func(p *pages) error {
			places = p.dueBy(then, chunk)
			for _, at := range places {
				if err := f.tidy(p, at); err != nil {
					return err
				}
			}
			return nil
		})
		for _, at := range places {
			f.cache.drop(tokens.Name(at.name()))
		}
		if err != nil || len(places) < chunk {
			return err
		}
	}
}

func (f *File) tidy(p *pages, at place) error {
	name := tokens.Name(at.name())
	current, stored := p.find(name)
	if current != at { // no name leads here
		return p.dropStray(at)
	}
	record, lives := living(stored, f.now())
	if !lives {
		return p.drop(at)
	}
	value := encode(record) // a copy: what bbolt returned ends with the next change
	if err := p.drop(at); err != nil {
		return err
	}
	return p.put(newPlace(record.Expires, name), value, true)
}

package stores

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// A fault is what reading or writing a book ran into beside ordinary errors:
// pages that make no sense, or memory that cannot be read.
type fault struct {
	cause  error
	memory bool
}

func (e *fault) Error() string { return fmt.Sprintf("unreadable: %v", e.cause) }
func (e *fault) Unwrap() error { return e.cause }

var errBroken = errors.New("not readable at the moment")

// A condemned file is one that is to be set aside, and why.
type condemned struct {
	info  os.FileInfo
	cause error
}

// damaged tells damage from a disk that does not answer. Both let memory that
// bbolt mapped fault, but only the one lets the file be read all the same.
func (c *condemned) damaged(file *os.File) bool {
	var fault *fault
	return !errors.As(c.cause, &fault) || !fault.memory || readsWell(file)
}

// notice tells the committer of a book that a fault happened to. Nobody
// touches it any more: bbolt does not give back all of its locks in a panic.
func (f *File) notice(b *book, err error) {
	var fault *fault
	if !errors.As(err, &fault) || b.broken.Swap(true) {
		return
	}
	b.fate.Store(fault)
	select {
	case f.sick <- b:
	default: // one is enough
	}
}

// mend opens the file again after a fault, or a new one if it was damage. The
// committer calls it; where it fails, the next write tries again.
func (f *File) mend(b *book) {
	if f.book.Load() != b {
		return // was done
	}
	var bad *condemned
	if fault := b.fate.Load(); fault != nil {
		bad = &condemned{info: b.info, cause: fault}
	}
	b.abandon()
	again, err := f.open(bad)
	if err != nil {
		f.log.Error("the session file could not be opened again", "path", f.path, "error", err)
		return
	}
	f.book.Store(again)
	f.cache.clear() // what could not be read may not be there any more
}

// open claims the file, sets it aside if it is the condemned one or turns out
// to be damaged, and opens what is there then.
func (f *File) open(bad *condemned) (*book, error) {
	var aside string
	var cause error
	for {
		file, info, err := claim(f.path)
		if err != nil {
			return nil, err
		}
		if bad == nil || !os.SameFile(bad.info, info) {
			bad, err = inspect(file, info)
		}
		if err == nil && bad != nil && aside == "" && bad.damaged(file) {
			cause = bad.cause
			aside, err = setAside(f.path, f.now())
			_ = file.Close()
			if err != nil {
				return nil, fmt.Errorf("session file %s is damaged (%w) and cannot be moved aside: %w", f.path, cause, err)
			}
			continue
		}
		if err != nil {
			_ = file.Close()
			return nil, err
		}
		b, err := openBook(file)
		var fault *fault
		if errors.As(err, &fault) && bad == nil {
			bad = &condemned{info: info, cause: fault}
			continue
		}
		if err != nil {
			return nil, f.explain(err)
		}
		if aside != "" {
			kept := rescue(aside, b)
			f.log.Error("the session file was damaged: it has been set aside and a new one begun, with what could be read",
				"path", f.path, "aside", aside, "kept", kept, "cause", cause)
		}
		return b, nil
	}
}

// rescue copies what can be read of a file that was set aside, page by page.
// What it copies by mistake opens nowhere: records are sealed under their name.
func rescue(aside string, to *book) (kept int) {
	from, err := openAside(aside)
	if err != nil {
		return 0
	}
	defer func() { _ = from.close() }()
	// Names are random, so a step in their numbers is a step in the file. It
	// doubles until it leads across what cannot be read.
	const smallest = 1 << 40
	step := uint64(smallest)
	for name, more := (tokens.Name{}), true; more; {
		var names []tokens.Name
		err := from.view(func(p *pages) error { p.namesFrom(name, chunk, &names); return nil })
		kept += copyRecords(from, to, names)
		switch {
		case len(names) > 0 && bytes.Compare(names[0][:], name[:]) < 0:
			return kept // going round in circles
		case len(names) > 0:
			step = smallest
			name, more = following(names[len(names)-1])
		case err != nil:
			at := binary.BigEndian.Uint64(name[:])
			name = tokens.Name{}
			binary.BigEndian.PutUint64(name[:], at+step)
			more = at+step > at
			step *= 2
		default:
			more = false
		}
	}
	return kept
}

// copyRecords copies the records that can be read, in one commit.
func copyRecords(from, to *book, names []tokens.Name) (kept int) {
	places, values := []place{}, [][]byte{}
	for _, name := range names {
		_ = from.view(func(p *pages) error {
			if at, value := p.find(name); len(value) >= valueHead && len(value) <= maxValue {
				places, values = append(places, at), append(values, bytes.Clone(value))
			}
			return nil
		})
	}
	err := to.update(func(p *pages) error {
		for i, at := range places {
			if err := p.put(at, values[i], true); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0
	}
	return len(places)
}

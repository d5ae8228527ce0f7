package stores

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// The buckets of a session file. Records lie in the order in which they fall
// due, so that what expires together is together: the janitor reads no more
// than it deletes, whole pages come free, and pages are filled to the brim
// since sign-ins append. Names say where a record lies.
//
// A million records of 1.1 KB take 1.47 KB each that way. Filed under their
// names, which are random, they take 1.85: a B+tree page of 4 KB holds three
// and is two thirds full on average, whatever FillPercent says. Smaller pages
// would mend that as well, but then a torn write of one disk sector could take
// both of bbolt's meta pages.
var (
	markBucket    = []byte("osc-gateway")
	markKey       = []byte("about")
	namesBucket   = []byte("names")
	recordsBucket = []byte("records")
)

// pageSize is bbolt's, the same on every machine so that files can move.
const pageSize = 4096

// A book is one open bbolt file. What bbolt panics about comes back as a
// *fault: it checks its meta pages only and trusts all others.
type book struct {
	db     *bolt.DB
	file   *os.File
	info   os.FileInfo
	broken atomic.Bool // by a fault: the locks within db may be stuck
	fate   atomic.Pointer[fault]
	left   sync.Once
}

// openBook opens a file that is locked already. It owns the file from then on,
// and closes it where it fails.
func openBook(file *os.File) (b *book, err error) {
	b = &book{file: file}
	defer func() {
		if err != nil {
			b.abandon()
		}
	}()
	if b.info, err = file.Stat(); err != nil {
		return b, err
	}
	defer guard(&err)()
	b.db, err = bolt.Open(file.Name(), fileMode, &bolt.Options{
		Timeout:  time.Second,
		OpenFile: func(string, int, os.FileMode) (*os.File, error) { return file, nil },
		PageSize: pageSize,
		// The free list stays in the file (no NoFreelistSync): it is small as
		// long as pages come free in order, and without it bbolt reads every page
		// at open, in a goroutine of its own whose panic nobody could catch. As
		// a hash map, since the array is searched from its start for every page.
		FreelistType: bolt.FreelistMapType,
		NoStatistics: true,
	})
	switch {
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum):
		return b, &fault{cause: err}
	case err != nil:
		return b, err
	case b.info.Size() == 0:
		defer syncDirectory(file.Name())
		return b, b.db.Update(begin)
	}
	return b, b.db.View(b.verify)
}

// openAside opens a file that was set aside, to read what can be read.
func openAside(path string) (b *book, err error) {
	b = &book{}
	defer guard(&err)()
	b.db, err = bolt.Open(path, fileMode, &bolt.Options{Timeout: time.Second, ReadOnly: true, NoStatistics: true})
	return b, err
}

// begin makes the buckets of a new file.
func begin(tx *bolt.Tx) error {
	mark, err := tx.CreateBucket(markBucket)
	if err != nil {
		return err
	}
	if err := mark.Put(markKey, markText()); err != nil {
		return err
	}
	if _, err := tx.CreateBucket(namesBucket); err != nil {
		return err
	}
	_, err = tx.CreateBucket(recordsBucket)
	return err
}

// verify looks at what can be looked at without reading the whole file: it
// takes no longer for a million records. Damage further down is found by
// whoever comes by.
func (b *book) verify(tx *bolt.Tx) error {
	if tx.Size() > b.info.Size() {
		return &fault{cause: fmt.Errorf("it is %d bytes short", tx.Size()-b.info.Size())}
	}
	mark, names, records := tx.Bucket(markBucket), tx.Bucket(namesBucket), tx.Bucket(recordsBucket)
	if mark == nil || names == nil || records == nil {
		return &fault{cause: errors.New("a part of it is missing")}
	}
	if !bytes.HasPrefix(mark.Get(markKey), []byte(markFormat)) {
		return fmt.Errorf("the session file %s is of another version of osc-gateway: start that version, or give this one a path of its own", b.file.Name())
	}
	for _, bucket := range []*bolt.Bucket{names, records} {
		bucket.Cursor().First()
		bucket.Cursor().Last()
	}
	return nil
}

// close waits for transactions and closes the file.
func (b *book) close() (err error) {
	defer guard(&err)()
	return b.db.Close()
}

// abandon closes a file some fault happened to. bbolt may never get its locks
// back, so it is not waited for; the lock on the file is given up in any case.
func (b *book) abandon() {
	b.broken.Store(true)
	b.left.Do(func() {
		unlock(b.file)
		if b.db == nil {
			_ = b.file.Close()
			return
		}
		go func() { _ = b.close() }()
	})
}

// guard, deferred, turns panics into errors: bbolt's own about pages it can
// make nothing of, and faults of memory it mapped, which end the process
// otherwise.
func guard(err *error) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		if cause := recover(); cause != nil {
			_, memory := cause.(interface{ Addr() uintptr })
			*err = &fault{cause: fmt.Errorf("%v", cause), memory: memory}
		}
	}
}

// view runs a transaction that reads. What it finds is only there until do
// returns.
func (b *book) view(do func(*pages) error) (err error) {
	defer guard(&err)()
	return b.db.View(func(tx *bolt.Tx) error { return do(pagesOf(tx)) })
}

// errUnchanged rolls a transaction back that has nothing to write.
var errUnchanged = errors.New("nothing changed")

// update runs a transaction that writes. It has reached the disk when update
// returns nil.
func (b *book) update(do func(*pages) error) (err error) {
	defer guard(&err)()
	err = b.db.Update(func(tx *bolt.Tx) error {
		p := pagesOf(tx)
		p.records.FillPercent = 1 // sign-ins append
		if err := do(p); err != nil {
			return err
		}
		if !p.changed {
			return errUnchanged
		}
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// pages are the buckets within one transaction.
type pages struct {
	names, records *bolt.Bucket
	changed        bool
}

func pagesOf(tx *bolt.Tx) *pages {
	return &pages{names: tx.Bucket(namesBucket), records: tx.Bucket(recordsBucket)}
}

// find returns where a record lies and its value, nil if there is none.
func (p *pages) find(name tokens.Name) (place, []byte) {
	due := p.names.Get(name[:])
	if len(due) != dueSize {
		return place{}, nil
	}
	at := placeAt(due, name)
	return at, p.records.Get(at[:])
}

// put stores a value where nothing lies yet, or in the place of what does.
func (p *pages) put(at place, value []byte, isNew bool) error {
	p.changed = true
	if isNew {
		if err := p.names.Put(at.name(), at.due()); err != nil {
			return err
		}
	}
	return p.records.Put(at[:], value)
}

// drop deletes a record and its name.
func (p *pages) drop(at place) error {
	p.changed = true
	if err := p.names.Delete(at.name()); err != nil {
		return err
	}
	return p.records.Delete(at[:])
}

// dueBy returns the first places that fall due by then, limit at most.
func (p *pages) dueBy(then place, limit int) (found []place) {
	cursor := p.records.Cursor()
	for key, _ := cursor.First(); len(key) == len(place{}) && len(found) < limit; key, _ = cursor.Next() {
		if bytes.Compare(key, then[:]) > 0 {
			break
		}
		found = append(found, place(key))
	}
	return found
}

// dropStray deletes a record no name leads to.
func (p *pages) dropStray(at place) error {
	p.changed = true
	return p.records.Delete(at[:])
}

// namesFrom appends the names from one on to found, limit at most. What it
// found before a fault is there.
func (p *pages) namesFrom(from tokens.Name, limit int, found *[]tokens.Name) {
	cursor := p.names.Cursor()
	for key, _ := cursor.Seek(from[:]); len(key) == len(from) && len(*found) < limit; key, _ = cursor.Next() {
		*found = append(*found, tokens.Name(slices.Clone(key)))
	}
}

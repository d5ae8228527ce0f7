package tokens

import (
	"bytes"
	"sync/atomic"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/recent"
)

// maxOpened is about how many records are kept open. More sessions than that
// in use at a time cost their opening again, nothing else.
const maxOpened = 4096

// opened remembers records that were opened lately, so that a session in use is
// not decrypted for every request. What counts is what the store has: a record
// is taken from here only if its sealed bytes are the very same.
type opened struct {
	records *recent.Map[Name, *openedRecord]
}

// openedRecord is shared by all requests of its session, and never changes.
type openedRecord struct {
	ring   *KeyRing // that opened it: a key may be taken away
	sealed []byte
	site   string
	record record
	known  known
}

// known is what was made of a record as it is stored, for all its requests.
type known struct {
	session *Session
	kept    atomic.Int64 // when the keeper last heard of a use, in nanoseconds since 1970
}

func newOpened() opened { return opened{recent.New[Name, *openedRecord](maxOpened)} }

// get returns the record that a ring opened sealed bytes of a site to, if that
// was lately.
func (o *opened) get(name Name, ring *KeyRing, stored Record, site string) *record {
	found, there := o.records.Get(name)
	if !there || found.ring != ring || found.site != site || found.record.generation != stored.Generation ||
		!bytes.Equal(found.sealed, stored.Sealed) {
		return nil
	}
	return &found.record
}

// put remembers a record and returns it as get does.
func (o *opened) put(name Name, ring *KeyRing, stored Record, site string, r *record) *record {
	entry := &openedRecord{ring: ring, sealed: stored.Sealed, site: site, record: *r}
	entry.record.generation = stored.Generation
	entry.known.session = r.session(name)
	entry.record.known = &entry.known
	o.records.Put(name, entry)
	return &entry.record
}

// keptEvery is how often the keeper hears of the use of a session at most, unless
// the session's record has changed.
const keptEvery = time.Second

// keptLately tells whether the keeper knows of a use of the record that is as
// good as now; if not, it does from now on.
func (r *record) keptLately(now time.Time, every time.Duration) bool {
	if r.known == nil {
		return false
	}
	since := time.Duration(now.UnixNano() - r.known.kept.Load())
	if since >= 0 && since < every {
		return true
	}
	r.known.kept.Store(now.UnixNano())
	return false
}

package tokens

import (
	"bytes"

	"github.com/Eyevinn/osc-gateway/internal/recent"
)

// maxOpened is about how many records are kept open. More sessions than that
// in use at a time cost their opening again, nothing else.
const maxOpened = 4096

// opened remembers records that were opened lately, so that a session in use is
// not decrypted for every request. What counts is what the store has: a record
// is taken from here only if its sealed bytes are the very same.
type opened struct {
	records *recent.Map[Name, openedRecord]
}

type openedRecord struct {
	ring   *KeyRing // that opened it: a key may be taken away
	sealed []byte
	site   string
	record record
}

func newOpened() opened { return opened{recent.New[Name, openedRecord](maxOpened)} }

// get returns a copy of the record that a ring opened sealed bytes of a site to.
func (o *opened) get(name Name, ring *KeyRing, sealed []byte, site string) *record {
	found, there := o.records.Get(name)
	if !there || found.ring != ring || found.site != site || !bytes.Equal(found.sealed, sealed) {
		return nil
	}
	return &found.record
}

func (o *opened) put(name Name, ring *KeyRing, sealed []byte, site string, r *record) {
	r.made = r.session(name) // one for all requests until the record changes
	o.records.Put(name, openedRecord{ring: ring, sealed: sealed, site: site, record: *r})
}

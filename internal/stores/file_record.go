package stores

import (
	"encoding/binary"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// A place is where a record lies in the file: when it falls due, in
// milliseconds since 1970, then its name. It falls due no later than it
// expires; if it was replaced by one that lives longer, it stays where it is
// and is put further back once its time has come. So a refresh writes one
// page, not three.
type place [dueSize + len(tokens.Name{})]byte

const dueSize = 8

func newPlace(due time.Time, name tokens.Name) (p place) {
	binary.BigEndian.PutUint64(p[:], uint64(max(0, due.UnixMilli())))
	copy(p[dueSize:], name[:])
	return p
}

func placeAt(due []byte, name tokens.Name) (p place) {
	copy(p[:dueSize], due)
	copy(p[dueSize:], name[:])
	return p
}

func (p *place) due() []byte  { return p[:dueSize] }
func (p *place) name() []byte { return p[dueSize:] }

const maxValue = 1 << 20 // what is longer was never written

// living returns the record in a value. One that is none, has been damaged or
// has expired is not there.
func living(value []byte, now time.Time) (record tokens.Record, there bool) {
	if len(value) > maxValue {
		return record, false
	}
	record, ok := decode(value)
	return record, ok && now.Before(record.Expires)
}

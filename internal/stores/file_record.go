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

// A value is generation and expiry, eight bytes each, then the sealed part.
const (
	valueHead = 16
	maxValue  = 1 << 20 // what is longer was never written
)

func encode(record tokens.Record) []byte {
	value := make([]byte, valueHead, valueHead+len(record.Sealed))
	binary.BigEndian.PutUint64(value, record.Generation)
	binary.BigEndian.PutUint64(value[8:], uint64(record.Expires.UnixMilli()))
	return append(value, record.Sealed...)
}

// decode returns the record in a value, whose sealed part is still the
// value's. One that is none, has been damaged or has expired is not there.
func decode(value []byte, now time.Time) (record tokens.Record, there bool) {
	if len(value) < valueHead || len(value) > maxValue {
		return record, false
	}
	record = tokens.Record{
		Generation: binary.BigEndian.Uint64(value),
		Expires:    time.UnixMilli(int64(binary.BigEndian.Uint64(value[8:]))),
		Sealed:     value[valueHead:],
	}
	return record, now.Before(record.Expires)
}

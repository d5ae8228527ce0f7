package stores

import (
	"encoding/binary"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// A value is how a record lies in a store: generation and expiry, the latter in
// milliseconds since 1970, eight bytes each, then the sealed bytes. One piece
// takes less room than three, wherever it lies.
const valueHead = 16

func encode(record tokens.Record) []byte {
	value := make([]byte, valueHead, valueHead+len(record.Sealed))
	binary.BigEndian.PutUint64(value, record.Generation)
	binary.BigEndian.PutUint64(value[8:], uint64(max(0, record.Expires.UnixMilli())))
	return append(value, record.Sealed...)
}

// decode returns the record in a value, whose sealed part is still the value's.
// One that is too short is none.
func decode(value []byte) (record tokens.Record, ok bool) {
	if len(value) < valueHead {
		return record, false
	}
	return tokens.Record{
		Generation: binary.BigEndian.Uint64(value),
		Expires:    time.UnixMilli(int64(binary.BigEndian.Uint64(value[8:]))),
		Sealed:     value[valueHead:],
	}, true
}

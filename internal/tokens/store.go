package tokens

import (
	"context"
	"time"
)

// Record is what a store holds under a name: sealed bytes it can make nothing
// of, and the two figures it needs to do its work.
type Record struct {
	// Generation counts the writes of a record, from 1. Replace compares it.
	Generation uint64
	// Expires is when the store may forget the record, to the millisecond. What a
	// session's limits are is decided from the sealed part, not from this.
	Expires time.Time
	// Sealed belongs to the store once handed over, and to the caller once
	// loaded: neither side changes bytes the other may still read.
	Sealed []byte
}

// Store keeps records. Every back end passes the suite in tokenstest.
//
// An answer is one of three: done or found (nil), certain refusal (one of the
// sentinels each method names), or any other error, which means that the store
// does not know. A caller must never take the third for "signed out".
//
// Methods return when the context ends at the latest, with its error, and a
// store that is reached over a network also gives up by itself after at most
// two seconds. They may be called from any number of goroutines.
type Store interface {
	// Create stores a record under a name nobody has used. ErrExists where one
	// is there, ErrFull where the store takes no more; in both cases nothing was
	// changed. Once it returned nil the record survives what the store
	// promises to survive.
	Create(ctx context.Context, name Name, record Record) error

	// Load returns the record, ErrAbsent where there is none or it expired. It
	// never returns what was replaced or deleted before the call, whoever did it.
	Load(ctx context.Context, name Name) (Record, error)

	// Replace stores record in place of the generation before it: the stored
	// one must be record.Generation-1, or it is ErrConflict. ErrAbsent where
	// there is none: a deleted record never comes back by being replaced.
	Replace(ctx context.Context, name Name, record Record) error

	// Delete forgets the record at once and everywhere. An absent one is no error.
	Delete(ctx context.Context, name Name) error

	// Lease gives holder the exclusive right named so, for ttl from now: nil
	// where nobody else has it, the holder itself included, who thereby renews
	// it; ErrHeld where somebody else does. A lease is only ever a courtesy
	// between replicas: what must not go wrong is guarded by Replace.
	Lease(ctx context.Context, name Name, holder string, ttl time.Duration) error

	// Release gives a lease back early. One that is not the holder's is no error
	// and stays with whoever has it.
	Release(ctx context.Context, name Name, holder string) error

	// Each calls visit for every record there is, in no order, until visit
	// returns an error, which Each returns. Records that come, change or go
	// meanwhile may be seen or not.
	Each(ctx context.Context, visit func(Name, Record) error) error
}

package tokens

import (
	"errors"
	"fmt"
	"time"
)

// What a store answers. Any other error means the store does not know.
var (
	// ErrAbsent says for certain that there is no such record.
	ErrAbsent = errors.New("no such record")
	// ErrExists says that a record of that name is there already.
	ErrExists = errors.New("record exists")
	// ErrConflict says that somebody else replaced the record first.
	ErrConflict = errors.New("record was replaced meanwhile")
	// ErrHeld says that somebody else holds the lease.
	ErrHeld = errors.New("lease is held by another")
	// ErrFull says that the store takes no further record. Those it has are safe.
	ErrFull = errors.New("store is full")
)

// What a [Refresher] answers for certain. Any other error is weather.
var (
	// ErrRejected says that the provider refuses the grant for good (RFC 6749
	// §5.2 invalid_grant).
	ErrRejected = errors.New("the provider rejected the grant")
	// ErrClientUnknown says that the provider does not know the client any more
	// (RFC 6749 §5.2 invalid_client).
	ErrClientUnknown = errors.New("the provider does not know the client")
)

// EndReason says why a session ended. The words are the gateway's reasons.
type EndReason string

// Why sessions end. Of one that was signed out, or replaced by a new sign-in of
// its browser, no record is left to say so.
const (
	EndSignedOut EndReason = "signed_out"
	EndReplaced  EndReason = "replaced"
	EndExpired   EndReason = "session_expired"
	EndRevoked   EndReason = "session_revoked"
	EndRejected  EndReason = "refresh_rejected"
)

// seen is the reason as pages of the site are told it: one of the gateway's
// reasons for a refusal.
func (r EndReason) seen() EndReason {
	if r == EndSignedOut || r == EndReplaced {
		return EndRevoked
	}
	return r
}

// EndReasons returns all of them.
func EndReasons() []EndReason {
	return []EndReason{EndSignedOut, EndReplaced, EndExpired, EndRevoked, EndRejected}
}

// Ended is the error for a session that is over and known to be.
type Ended struct {
	Reason EndReason
	User   string // whose it was, where that is known
}

// Error says why the session ended.
func (e *Ended) Error() string { return "the session has ended: " + string(e.Reason) }

// Part names what did not answer.
type Part string

// The parts of the gateway's surroundings a session depends on.
const (
	PartStore    Part = "store"
	PartProvider Part = "provider"
)

// Unavailable is the error for a session nothing certain is known of: neither
// signed in nor signed out.
type Unavailable struct {
	Part       Part
	RetryAfter time.Duration // a hint; 0 where none is known
	Err        error
}

// Error names the part and its cause.
func (e *Unavailable) Error() string { return fmt.Sprintf("%s unavailable: %v", e.Part, e.Err) }

// Unwrap gives the cause.
func (e *Unavailable) Unwrap() error { return e.Err }

// retryAfterer is implemented by errors that know when to try again.
type retryAfterer interface{ RetryAfter() time.Duration }

// retryAfter is what the cause of a failure asked for, 0 if nothing.
func retryAfter(err error) time.Duration {
	var hint retryAfterer
	if errors.As(err, &hint) {
		return hint.RetryAfter()
	}
	return 0
}

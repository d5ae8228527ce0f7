package tokens

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

// TicketSize is the length of a ticket in bytes: 256 random bits.
const TicketSize = 32

// nameLabel separates a record's name from every other hash of a ticket.
const nameLabel = "osc-gw/1 name"

// Ticket is the secret in the session cookie. Who holds it holds the session,
// so it refuses to be printed. The value is a [secret.String] because package fmt
// follows a pointer to an array where it complains about the verb. Behind the
// secret stands its name, which every request asks for.
type Ticket struct{ value secret.String }

func newTicket(random [TicketSize]byte) Ticket {
	input := append([]byte(nameLabel), random[:]...)
	name := sha256.Sum256(input)
	return Ticket{secret.New(string(random[:]) + string(name[:]))}
}

// NewTicket draws a ticket from random. An error means there is no randomness
// to be had, and no session must be made.
func NewTicket(random io.Reader) (Ticket, error) {
	var value [TicketSize]byte
	if _, err := io.ReadFull(random, value[:]); err != nil {
		return Ticket{}, fmt.Errorf("drawing a ticket: %w", err)
	}
	return newTicket(value), nil
}

// TicketFrom takes the bytes of a ticket out of a cookie. False unless there
// are exactly [TicketSize] of them.
func TicketFrom(b []byte) (Ticket, bool) {
	if len(b) != TicketSize {
		return Ticket{}, false
	}
	return newTicket([TicketSize]byte(b)), true
}

// Bytes is the ticket itself, for the cookie alone; nil of the zero Ticket.
func (t Ticket) Bytes() []byte {
	if t.IsZero() {
		return nil
	}
	return []byte(t.value.Reveal()[:TicketSize])
}

// IsZero tells whether there is no ticket.
func (t Ticket) IsZero() bool { return t.value.IsEmpty() }

// Name is where the session's record is kept; the zero Name for the zero Ticket.
func (t Ticket) Name() (name Name) {
	if !t.IsZero() {
		copy(name[:], t.value.Reveal()[TicketSize:])
	}
	return name
}

// String and the methods below keep a ticket out of every output.
func (t Ticket) String() string { return "REDACTED" }

// Format answers every verb of package fmt.
func (t Ticket) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// MarshalText keeps a ticket out of encoders.
func (t Ticket) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue keeps a ticket out of logs.
func (t Ticket) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Name is the name of a record: a one-way hash of its ticket. It opens nothing.
type Name [sha256.Size]byte

// String is the name in hex, for stores.
func (n Name) String() string { return hex.EncodeToString(n[:]) }

// Digest is the short form of a name that people see: in logs, pages, metrics
// of single sessions and the admin API.
func (n Name) Digest() string { return hex.EncodeToString(n[:8]) }

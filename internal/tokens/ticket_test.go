package tokens_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

var verbs = []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%b", "%c", "%U", "%e"}

// shown is a value as every formatter, encoder and logger gives it.
func shown(t *testing.T, value any) []string {
	t.Helper()
	var out []string
	for _, verb := range verbs {
		out = append(out, fmt.Sprintf(verb, value))
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).Info("x", "value", value, slog.Group("g", "value", value))
	}
	return append(out, string(encoded), log.String())
}

func ticketOf(t *testing.T, fill byte) tokens.Ticket {
	t.Helper()
	ticket, ok := tokens.TicketFrom(masterKey(fill))
	if !ok {
		t.Fatal("TicketFrom refuses 32 bytes")
	}
	return ticket
}

func TestNothingShowsATicket(t *testing.T) {
	ticket := ticketOf(t, 100)
	type inner struct{ t tokens.Ticket }
	type outer struct {
		Ticket tokens.Ticket
		hidden tokens.Ticket
		inner  *inner
		list   []tokens.Ticket
	}
	o := outer{ticket, ticket, &inner{ticket}, []tokens.Ticket{ticket}}
	for _, value := range []any{ticket, &ticket, o, &o, []tokens.Ticket{ticket}, map[string]any{"k": ticket}, errors.Join(fmt.Errorf("e %v", ticket))} {
		for _, s := range shown(t, value) {
			hides(t, s, ticket.Bytes())
		}
	}
	if ticket.String() != "REDACTED" {
		t.Errorf("String = %q", ticket.String())
	}
}

func TestNothingShowsTheTokensOfASession(t *testing.T) {
	set := grant(1)
	session := tokens.Session{Access: set.Access, User: "ada"}
	for _, value := range []any{set, &set, session, &session, client, &client, []tokens.Client{client}} {
		for _, s := range shown(t, value) {
			if strings.Contains(s, canary) || strings.Contains(strings.ToLower(s), fmt.Sprintf("%x", canary)) {
				t.Errorf("a secret shows in %q", s)
			}
		}
	}
}

func TestATicketIsExactlyItsSize(t *testing.T) {
	for size := range 3 * tokens.TicketSize {
		ticket, ok := tokens.TicketFrom(make([]byte, size))
		if ok != (size == tokens.TicketSize) || ok == ticket.IsZero() {
			t.Errorf("TicketFrom %d bytes: ok %v, zero %v", size, ok, ticket.IsZero())
		}
	}
	if !(tokens.Ticket{}).IsZero() {
		t.Error("the zero ticket is not zero")
	}
}

func TestATicketSurvivesItsCookie(t *testing.T) {
	ticket, err := tokens.NewTicket(bytes.NewReader(masterKey(3)))
	if err != nil {
		t.Fatal(err)
	}
	cookie := bytes.Clone(ticket.Bytes())
	again, ok := tokens.TicketFrom(cookie)
	if !ok || !bytes.Equal(again.Bytes(), masterKey(3)) || again.Name() != ticket.Name() {
		t.Fatal("a ticket read from its own bytes is another one")
	}
	cookie[0]++
	if again.Name() != ticket.Name() {
		t.Fatal("the ticket shares its bytes with the cookie it came from")
	}
}

func TestATicketNeedsRandomness(t *testing.T) {
	for name, random := range map[string]*iotestReader{
		"none at all":   {err: errors.New("no entropy")},
		"not enough":    {data: masterKey(1)[:tokens.TicketSize-1]},
		"an empty well": {},
	} {
		t.Run(name, func(t *testing.T) {
			if ticket, err := tokens.NewTicket(random.reader()); err == nil || !ticket.IsZero() {
				t.Fatalf("NewTicket: error %v, zero %v", err, ticket.IsZero())
			}
		})
	}
}

type iotestReader struct {
	data []byte
	err  error
}

func (r *iotestReader) reader() interface{ Read([]byte) (int, error) } {
	if r.err != nil {
		return iotest.ErrReader(r.err)
	}
	return bytes.NewReader(r.data)
}

func TestNamesTellTicketsApartAndGiveNothingAway(t *testing.T) {
	seen := map[tokens.Name]bool{}
	for fill := range byte(255) {
		ticket := ticketOf(t, fill)
		name := ticket.Name()
		if seen[name] {
			t.Fatal("two tickets have one name")
		}
		seen[name] = true
		if name != ticket.Name() {
			t.Fatal("a ticket has two names")
		}
		hides(t, name.String(), ticket.Bytes())
		if len(name.String()) != 64 || len(name.Digest()) != 16 || !strings.HasPrefix(name.String(), name.Digest()) {
			t.Fatalf("name %q, digest %q", name.String(), name.Digest())
		}
	}
}

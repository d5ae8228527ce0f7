package tokens

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

const aSite = "app.example.com"

// aSealer seals with keys told apart by number, newest first.
func aSealer(t testing.TB, numbers ...byte) *sealer {
	t.Helper()
	var keys []secret.String
	for _, n := range numbers {
		keys = append(keys, secret.New(hex.EncodeToString(aMasterKey(n))))
	}
	ring, err := NewKeyRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return &sealer{ring: ring, random: rand.Reader}
}

func aMasterKey(n byte) []byte {
	raw := make([]byte, KeySize)
	for i := range raw {
		raw[i] = byte(i)*11 + n
	}
	return raw
}

func aTicket(fill byte) Ticket {
	ticket, _ := TicketFrom(bytes.Repeat([]byte{fill}, TicketSize))
	return ticket
}

func aRecord() *record { return &record{meta: aMeta(), tokens: someTokens()} }

// sealed is a record sealed for ticket 1.
func (s *sealer) sealed(t testing.TB, r *record) []byte {
	t.Helper()
	out, err := s.seal(r, aTicket(1).Name(), aSite, aTicket(1))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *sealer) opened(b []byte) (*record, error) {
	return s.open(b, aTicket(1).Name(), aSite, aTicket(1))
}

func endedRecord() *record {
	r := aRecord()
	r.ended, r.tokens = EndRejected, tokens{}
	return r
}

func TestASealedRecordOpensForItsTicket(t *testing.T) {
	s := aSealer(t, 1)
	for name, r := range map[string]*record{
		"an ordinary one":   aRecord(),
		"one of no content": {},
		"one of 16 KiB":     {meta: aMeta(), tokens: tokens{access: secret.New(strings.Repeat("x", 16<<10))}},
	} {
		got, err := s.opened(s.sealed(t, r))
		if err != nil || !sameMeta(got.meta, r.meta) || !sameTokens(got.tokens, r.tokens) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASiteMayBeAsLongAsItsLengthCanSay(t *testing.T) {
	s, long := aSealer(t, 1), strings.Repeat("s", maxSite)
	b, err := s.seal(aRecord(), aTicket(1).Name(), long, aTicket(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.open(b, aTicket(1).Name(), long, aTicket(1)); err != nil {
		t.Fatalf("a site of %d bytes: %v", maxSite, err)
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	for name, r := range map[string]*record{"a live record": aRecord(), "an ended one": endedRecord()} {
		t.Run(name, func(t *testing.T) {
			s := aSealer(t, 1, 2)
			whole := s.sealed(t, r)
			for at := range whole {
				for bit := range 8 {
					b := bytes.Clone(whole)
					b[at] ^= 1 << bit
					if got, err := s.opened(b); !errors.Is(err, errUnsealable) || got != nil {
						t.Fatalf("bit %d of byte %d of %d: error %v", bit, at, len(whole), err)
					}
				}
			}
		})
	}
}

func TestACutRecordDoesNotOpen(t *testing.T) {
	for name, r := range map[string]*record{"a live record": aRecord(), "an ended one": endedRecord()} {
		s := aSealer(t, 1)
		whole := s.sealed(t, r)
		for length := range whole {
			if _, err := s.opened(whole[:length]); !errors.Is(err, errUnsealable) {
				t.Errorf("%s, the first %d bytes: error %v", name, length, err)
			}
		}
	}
	s := aSealer(t, 1)
	if _, err := s.opened(append(s.sealed(t, aRecord()), 0)); !errors.Is(err, errUnsealable) {
		t.Errorf("with a byte too many: error %v", err)
	}
}

func TestARecordOpensNowhereElse(t *testing.T) {
	s := aSealer(t, 1)
	b := s.sealed(t, aRecord())
	name := aTicket(1).Name()
	for what, open := range map[string]func() (*record, error){
		"under another name":        func() (*record, error) { return s.open(b, aTicket(2).Name(), aSite, aTicket(1)) },
		"on another site":           func() (*record, error) { return s.open(b, name, "other.example.com", aTicket(1)) },
		"on a site of no name":      func() (*record, error) { return s.open(b, name, "", aTicket(1)) },
		"with another ticket":       func() (*record, error) { return s.open(b, name, aSite, aTicket(2)) },
		"with another master key":   func() (*record, error) { return aSealer(t, 2).opened(b) },
		"with many other keys":      func() (*record, error) { return aSealer(t, 2, 3, 4).opened(b) },
		"another session's, copied": func() (*record, error) { return s.open(b, aTicket(2).Name(), aSite, aTicket(2)) },
	} {
		if r, err := open(); !errors.Is(err, errUnsealable) || r != nil {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

func TestTheSiteIsAuthenticatedAndNotOnlyCompared(t *testing.T) {
	s := aSealer(t, 1)
	forged := bytes.Replace(s.sealed(t, aRecord()), []byte(aSite), []byte("bpp.example.com"), 1)
	if _, err := s.open(forged, aTicket(1).Name(), "bpp.example.com", aTicket(1)); !errors.Is(err, errUnsealable) {
		t.Fatalf("a record moved to another site: error %v", err)
	}
}

func TestNoPartOpensAsAnotherKind(t *testing.T) {
	s := aSealer(t, 1)
	name := aTicket(1).Name()
	parts, err := s.split(s.sealed(t, aRecord()))
	if err != nil {
		t.Fatal(err)
	}
	body, err := parts.key.recordAEAD(aTicket(1))
	if err != nil {
		t.Fatal(err)
	}
	for what, test := range map[string]struct {
		aead   cipher.AEAD
		sealed []byte
		own    byte
	}{
		"meta":   {parts.key.meta, parts.meta, kindMeta},
		"tokens": {body, parts.tokens, kindTokens},
	} {
		for kind := range 256 {
			_, err := parts.open(test.aead, test.sealed, byte(kind), name)
			if (err == nil) != (byte(kind) == test.own) {
				t.Errorf("%s as kind %d: error %v", what, kind, err)
			}
		}
	}
}

func TestPartsOfTwoWritesDoNotOpenTogether(t *testing.T) {
	s := aSealer(t, 1)
	early, late := s.sealed(t, aRecord()), s.sealed(t, aRecord())
	parts, err := s.split(early)
	if err != nil {
		t.Fatal(err)
	}
	tokensAt := len(early) - len(parts.tokens)
	for what, mixed := range map[string][]byte{
		"new tokens": append(bytes.Clone(early[:tokensAt]), late[tokensAt:]...),
		"old tokens": append(bytes.Clone(late[:tokensAt]), early[tokensAt:]...),
	} {
		if _, err := s.opened(mixed); !errors.Is(err, errUnsealable) {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

func TestAnOldKeyOpensUntilItLeavesTheRing(t *testing.T) {
	b := aSealer(t, 1).sealed(t, aRecord())
	if _, err := aSealer(t, 3, 2, 1).opened(b); err != nil {
		t.Errorf("with the old key at the end of the ring: %v", err)
	}
	if _, err := aSealer(t, 3, 2).opened(b); !errors.Is(err, errUnsealable) {
		t.Errorf("with the old key gone: error %v", err)
	}
	if _, err := aSealer(t, 2).opened(aSealer(t, 2, 1).sealed(t, aRecord())); err != nil {
		t.Errorf("the newest key does not seal: %v", err)
	}
}

func TestNoTwoSealsAreAlike(t *testing.T) {
	s := aSealer(t, 1)
	a, b := s.sealed(t, aRecord()), s.sealed(t, aRecord())
	clear := 2 + keyIDSize + len(aSite)
	if bytes.Equal(a[clear:clear+nonceSize], b[clear:clear+nonceSize]) || bytes.Equal(a[len(a)-64:], b[len(b)-64:]) {
		t.Fatal("a nonce was used twice")
	}
}

func TestAnEndedRecordHasNoTokensAndNeedsNoTicket(t *testing.T) {
	s := aSealer(t, 1)
	r := aRecord()
	r.ended = EndRevoked // its tokens are still there, and must not be written
	b, err := s.seal(r, aTicket(1).Name(), aSite, Ticket{})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := s.split(b)
	if err != nil || len(parts.tokens) != 0 {
		t.Fatalf("%d bytes of tokens (%v)", len(parts.tokens), err)
	}
	got, err := s.open(b, aTicket(1).Name(), aSite, Ticket{})
	if err != nil || got.ended != EndRevoked || !got.access.IsEmpty() || !got.refresh.IsEmpty() {
		t.Fatalf("opened as %v (%v)", got, err)
	}
}

func TestADumpOfTheStoreWithTheMasterKeyOpensNoTokens(t *testing.T) {
	s := aSealer(t, 1)
	b := s.sealed(t, aRecord())
	name := aTicket(1).Name()
	parts, err := s.split(b)
	if err != nil {
		t.Fatal(err)
	}
	operating, err := parts.openMeta(name)
	if err != nil || operating.user != "ada" || !operating.access.IsEmpty() {
		t.Fatalf("operating reads %v (%v)", operating, err)
	}
	key := parts.key
	nameAsTicket, _ := TicketFrom(name[:])
	masterAsTicket, _ := TicketFrom(aMasterKey(1))
	guesses := []cipher.AEAD{key.meta, key.sealed}
	for _, guess := range []Ticket{aTicket(0), aTicket(2), nameAsTicket, masterAsTicket} {
		aead, err := key.recordAEAD(guess)
		if err != nil {
			t.Fatal(err)
		}
		guesses = append(guesses, aead)
	}
	aead, err := newAEAD(key.derive(purposeRecord, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	for i, aead := range append(guesses, aead) {
		if _, err := parts.open(aead, parts.tokens, kindTokens, name); err == nil {
			t.Errorf("guess %d opens the tokens", i)
		}
	}
	for _, word := range []string{"the-access-token", "the-refresh-token", "the-client"} {
		if bytes.Contains(b, []byte(word)) {
			t.Errorf("the sealed record shows %q", word)
		}
	}
}

func TestASealThatCannotBeMadeIsAnError(t *testing.T) {
	long := strings.Repeat("s", maxSite+1)
	if _, err := aSealer(t, 1).seal(aRecord(), aTicket(1).Name(), long, aTicket(1)); err == nil {
		t.Errorf("a site of %d bytes was sealed", len(long))
	}
	noEntropy := &sealer{ring: aSealer(t, 1).ring, random: iotest.ErrReader(errors.New("no entropy"))}
	if b, err := noEntropy.seal(aRecord(), aTicket(1).Name(), aSite, aTicket(1)); err == nil || b != nil {
		t.Errorf("sealed without randomness: error %v", err)
	}
	half := &sealer{ring: noEntropy.ring, random: bytes.NewReader(make([]byte, nonceSize-3))}
	if b, err := half.seal(aRecord(), aTicket(1).Name(), aSite, aTicket(1)); err == nil || b != nil {
		t.Errorf("sealed with too little randomness: error %v", err)
	}
}

// The length of meta is written in two bytes.
func TestWhatIsSealedCanBeOpenedHoweverLongTheUsersName(t *testing.T) {
	s := aSealer(t, 1)
	r := aRecord()
	r.user = strings.Repeat("u", 1<<16)
	b, err := s.seal(r, aTicket(1).Name(), aSite, aTicket(1))
	if err != nil {
		return // refusing is honest
	}
	if _, err := s.opened(b); err != nil {
		t.Fatalf("a user of %d bytes was sealed and does not open: %v", len(r.user), err)
	}
}

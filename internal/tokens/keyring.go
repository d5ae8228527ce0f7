package tokens

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

const (
	// KeySize is the length of a master key in bytes.
	KeySize = 32
	// keyIDSize tells keys of one ring apart; it is part of what is authenticated.
	keyIDSize = 4
	// minDistinctBytes refuses typed and repeated patterns. 32 random bytes
	// have fewer distinct ones with a chance below 2^-60.
	minDistinctBytes = 12
)

// Purposes of derived keys. No key serves two.
const (
	purposeID        = "osc-gw/1 key id"
	purposeMeta      = "osc-gw/1 meta"
	purposeRecord    = "osc-gw/1 record"
	purposeSealed    = "osc-gw/1 sealed"
	purposeCookieMAC = "osc-gw/1 cookie mac "
	purposeCookieEnc = "osc-gw/1 cookie enc "
	purposeFlow      = "osc-gw/1 flow"
	purposeJob       = "osc-gw/1 job"
	purposeKept      = "osc-gw/1 kept ticket"
	purposeForm      = "osc-gw/1 form"
)

// Key is one master key and what is derived from it.
type Key struct {
	id     [keyIDSize]byte
	master secret.String
	record secret.String // makes the key of a record together with its ticket
	meta   cipher.AEAD   // seals what operating needs to see
	sealed cipher.AEAD   // seals the gateway's own things
	job    cipher.AEAD   // seals the handles of jobs
	kept   cipher.AEAD   // seals the tickets of sessions with jobs
	form   cipher.AEAD   // seals forms that wait for a sign-in
}

// KeyRing holds the master keys, newest first: the first seals, all open.
type KeyRing struct{ keys []*Key }

// GenerateKey draws a master key and returns it as it is configured: base64.
func GenerateKey(random io.Reader) (secret.String, error) {
	var raw [KeySize]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return secret.String{}, fmt.Errorf("drawing a key: %w", err)
	}
	return secret.New(base64.StdEncoding.EncodeToString(raw[:])), nil
}

// NewKeyRing reads master keys as configured, newest first. Its errors say
// what is wrong with which key, without the key.
func NewKeyRing(configured ...secret.String) (*KeyRing, error) {
	if len(configured) == 0 {
		return nil, errors.New("no key given; make one with `osc-gateway keys generate`")
	}
	ring := &KeyRing{}
	for i, text := range configured {
		master, err := parseKey(text.Reveal())
		if err != nil {
			return nil, fmt.Errorf("key %d: %w; make one with `osc-gateway keys generate`", i+1, err)
		}
		key, err := newKey(master)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if ring.find(key.id[:]) != nil {
			return nil, fmt.Errorf("key %d is given twice; list each key once, newest first", i+1)
		}
		ring.keys = append(ring.keys, key)
	}
	return ring, nil
}

// parseKey takes 32 bytes as base64 (either alphabet, padded or not) or hex.
// White space around it is forgiven: a key read from a file ends in a newline.
func parseKey(text string) ([KeySize]byte, error) {
	text = strings.TrimSpace(text)
	if text == "***" {
		return [KeySize]byte{}, errors.New("reads ***: OSC's parameter store masked it; store it as a plain parameter or give the store's key")
	}
	raw, ok := decodeKey(text)
	if !ok {
		return [KeySize]byte{}, fmt.Errorf("must be %d random bytes in base64 or hex, not a passphrase", KeySize)
	}
	if len(raw) != KeySize {
		return [KeySize]byte{}, fmt.Errorf("has %d bytes, must have %d", len(raw), KeySize)
	}
	seen := map[byte]bool{}
	for _, b := range raw {
		seen[b] = true
	}
	if len(seen) < minDistinctBytes {
		return [KeySize]byte{}, errors.New("is not random")
	}
	return [KeySize]byte(raw), nil
}

func decodeKey(text string) ([]byte, bool) {
	if len(text) == hex.EncodedLen(KeySize) {
		raw, err := hex.DecodeString(text)
		return raw, err == nil
	}
	unpadded := strings.TrimRight(text, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if raw, err := encoding.DecodeString(unpadded); err == nil {
			return raw, true
		}
	}
	return nil, false
}

func newKey(master [KeySize]byte) (*Key, error) {
	key := &Key{master: secret.New(string(master[:]))}
	copy(key.id[:], key.derive(purposeID, keyIDSize))
	key.record = secret.New(string(key.derive(purposeRecord, KeySize)))
	for purpose, aead := range map[string]*cipher.AEAD{
		purposeMeta: &key.meta, purposeSealed: &key.sealed, purposeJob: &key.job, purposeKept: &key.kept, purposeForm: &key.form,
	} {
		var err error
		if *aead, err = newAEAD(key.derive(purpose, KeySize)); err != nil {
			return nil, err
		}
	}
	return key, nil
}

// derive expands the master key for one purpose (RFC 5869).
func (k *Key) derive(purpose string, size int) []byte {
	derived, err := hkdf.Key(sha256.New, []byte(k.master.Reveal()), nil, purpose, size)
	if err != nil { // only for sizes beyond what HKDF can give
		panic("tokens: " + err.Error())
	}
	return derived
}

// recordAEAD is the cipher of one record: it takes the ticket as well as the
// master key.
func (k *Key) recordAEAD(t Ticket) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, t.Bytes(), []byte(k.record.Reveal()), purposeRecord, KeySize)
	if err != nil {
		return nil, err
	}
	return newAEAD(derived)
}

// newAEAD is AES-256-GCM with 96-bit random nonces: a record's own key seals
// at most some thousand times, a ring's keys far below the 2^32 of SP 800-38D.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Len is how many keys there are.
func (r *KeyRing) Len() int { return len(r.keys) }

func (r *KeyRing) newest() *Key { return r.keys[0] }

func (r *KeyRing) find(id []byte) *Key {
	for _, key := range r.keys {
		if string(key.id[:]) == string(id) {
			return key
		}
	}
	return nil
}

// Shares tells whether a key of one ring is in the other too.
func (r *KeyRing) Shares(other *KeyRing) bool {
	for _, key := range other.keys {
		if r.find(key.id[:]) != nil {
			return true
		}
	}
	return false
}

// CookieKeys is a pair for signing and encrypting cookies of one kind.
type CookieKeys struct{ MAC, Encryption secret.String }

// CookieKeys derives the pairs for cookies of a kind, newest key first.
func (r *KeyRing) CookieKeys(kind string) []CookieKeys {
	pairs := make([]CookieKeys, len(r.keys))
	for i, key := range r.keys {
		pairs[i] = CookieKeys{
			MAC:        secret.New(string(key.derive(purposeCookieMAC+kind, KeySize))),
			Encryption: secret.New(string(key.derive(purposeCookieEnc+kind, KeySize))),
		}
	}
	return pairs
}

// FlowKey is the key flows derive state and verifier from, and its id. An
// empty id asks for the newest; false where no key of the ring has the id.
func (r *KeyRing) FlowKey(id string) (key []byte, keyID string, ok bool) {
	found := r.newest()
	if id != "" {
		if found = r.find([]byte(id)); found == nil {
			return nil, "", false
		}
	}
	return found.derive(purposeFlow, 32), string(found.id[:]), true
}

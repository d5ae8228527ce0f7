package tokens

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"math"
)

// A sealed record is
//
//	version(1) key id(4) len(1) site · nonce(12) len(2) meta · nonce(12) tokens
//
// with everything before the first nonce, the record's name and its kind
// authenticated along with each part. The site stands in clear so that
// operating can read meta without knowing which site a record is of.
const (
	sealVersion = 1
	nonceSize   = 12
	maxSite     = 255
)

// Kinds of sealed parts; one never opens as another.
const (
	kindMeta   = 'm'
	kindTokens = 't'
)

// errUnsealable says that bytes are not a record of this ring, name and site:
// damaged, foreign, or sealed with a key that is gone. Which one is nobody's
// business.
var errUnsealable = errors.New("record does not open")

// sealer seals and opens records with a key ring.
type sealer struct {
	ring   *KeyRing
	random io.Reader
}

// header is the clear beginning of a sealed record.
func header(key *Key, site string) ([]byte, error) {
	if len(site) > maxSite {
		return nil, fmt.Errorf("site name of %d bytes is longer than %d", len(site), maxSite)
	}
	h := make([]byte, 0, 2+keyIDSize+len(site)+512)
	h = append(h, sealVersion)
	h = append(h, key.id[:]...)
	h = append(h, byte(len(site)))
	return append(h, site...), nil
}

// additional is what both parts of a record are bound to.
func additional(header []byte, kind byte, name Name) []byte {
	data := make([]byte, 0, len(header)+1+len(name))
	data = append(data, header...)
	data = append(data, kind)
	return append(data, name[:]...)
}

// seal seals a session under the newest key. Without tokens (an ended session)
// no ticket is needed and none of the body is written.
func (s *sealer) seal(r *record, name Name, site string, ticket Ticket) ([]byte, error) {
	key := s.ring.newest()
	head, err := header(key, site)
	if err != nil {
		return nil, err
	}
	out, err := s.appendSealed(head, key.meta, encodeMeta(&r.meta), additional(head, kindMeta, name), true)
	if err != nil || r.ended != "" {
		return out, err
	}
	aead, err := key.recordAEAD(ticket)
	if err != nil {
		return nil, err
	}
	return s.appendSealed(out, aead, encodeTokens(&r.tokens), additional(head, kindTokens, name), false)
}

func (s *sealer) appendSealed(out []byte, aead cipher.AEAD, plain, data []byte, withLength bool) ([]byte, error) {
	var nonce [nonceSize]byte
	if _, err := io.ReadFull(s.random, nonce[:]); err != nil {
		return nil, fmt.Errorf("drawing a nonce: %w", err)
	}
	out = append(out, nonce[:]...)
	if withLength {
		length := len(plain) + aead.Overhead()
		if length > math.MaxUint16 {
			return nil, fmt.Errorf("%d bytes are more than a record can say of its user", length)
		}
		out = append(out, byte(length>>8), byte(length))
	}
	out = aead.Seal(out, nonce[:], plain, data)
	clear(plain)
	return out, nil
}

// sealedParts are the pieces of a sealed record, still closed.
type sealedParts struct {
	key          *Key
	head         []byte
	site         string
	meta, tokens []byte // nonce and ciphertext
}

// split cuts a sealed record; errUnsealable where it is not one.
func (s *sealer) split(sealed []byte) (sealedParts, error) {
	const fixed = 2 + keyIDSize
	if len(sealed) < fixed || sealed[0] != sealVersion {
		return sealedParts{}, errUnsealable
	}
	end := fixed + int(sealed[fixed-1])
	key := s.ring.find(sealed[1 : 1+keyIDSize])
	if key == nil || len(sealed) < end+nonceSize+2 {
		return sealedParts{}, errUnsealable
	}
	rest := sealed[end:]
	metaLength := int(rest[nonceSize])<<8 | int(rest[nonceSize+1])
	bodyAt := nonceSize + 2 + metaLength
	if len(rest) < bodyAt {
		return sealedParts{}, errUnsealable
	}
	meta := append(append([]byte(nil), rest[:nonceSize]...), rest[nonceSize+2:bodyAt]...)
	return sealedParts{key: key, head: sealed[:end], site: string(sealed[fixed:end]), meta: meta, tokens: rest[bodyAt:]}, nil
}

// open opens a whole record for its ticket's holder.
func (s *sealer) open(sealed []byte, name Name, site string, ticket Ticket) (*record, error) {
	parts, err := s.split(sealed)
	if err != nil {
		return nil, err
	}
	if parts.site != site {
		return nil, errUnsealable
	}
	r, err := parts.openMeta(name)
	if err != nil || r.ended != "" {
		return r, err
	}
	aead, err := parts.key.recordAEAD(ticket)
	if err != nil {
		return nil, err
	}
	plain, err := openSealed(aead, parts.tokens, additional(parts.head, kindTokens, name))
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	if r.tokens, err = decodeTokens(plain); err != nil {
		return nil, errUnsealable
	}
	return r, nil
}

// openMeta opens what operating may see.
func (p *sealedParts) openMeta(name Name) (*record, error) {
	plain, err := openSealed(p.key.meta, p.meta, additional(p.head, kindMeta, name))
	if err != nil {
		return nil, err
	}
	m, err := decodeMeta(plain)
	if err != nil {
		return nil, errUnsealable
	}
	return &record{meta: m}, nil
}

func openSealed(aead cipher.AEAD, sealed, data []byte) ([]byte, error) {
	if len(sealed) < nonceSize {
		return nil, errUnsealable
	}
	plain, err := aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], data)
	if err != nil {
		return nil, errUnsealable
	}
	return plain, nil
}

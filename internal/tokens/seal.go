package tokens

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// A sealed record is
//
//	version(1) key id(4) len(1) site nonce(12) · len(2) meta · tokens
//
// with all that stands before meta's length, the record's name and its kind
// authenticated along with each part. Each part has a key of its own, so that one
// nonce does for both, and parts of two writes do not open together. The site
// stands in clear so that operating can read meta without knowing which site a
// record is of.
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

// header is the clear beginning of a sealed record, with a new nonce at its end.
func (s *sealer) header(key *Key, site string) ([]byte, error) {
	if len(site) > maxSite {
		return nil, fmt.Errorf("site name of %d bytes is longer than %d", len(site), maxSite)
	}
	h := make([]byte, 0, 2+keyIDSize+len(site)+nonceSize+512)
	h = append(h, sealVersion)
	h = append(h, key.id[:]...)
	h = append(h, byte(len(site)))
	h = append(h, site...)
	return appendNonce(s.random, h)
}

func appendNonce(random io.Reader, b []byte) ([]byte, error) {
	var nonce [nonceSize]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		return nil, fmt.Errorf("drawing a nonce: %w", err)
	}
	return append(b, nonce[:]...), nil
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
	head, err := s.header(key, site)
	if err != nil {
		return nil, err
	}
	nonce := head[len(head)-nonceSize:]
	plain := encodeMeta(&r.meta)
	length := len(plain) + key.meta.Overhead()
	if length > math.MaxUint16 {
		return nil, fmt.Errorf("%d bytes are more than a record can say of its user", length)
	}
	out := binary.BigEndian.AppendUint16(head, uint16(length))
	out = key.meta.Seal(out, nonce, plain, additional(head, kindMeta, name))
	clear(plain)
	if r.ended != "" {
		return out, nil
	}
	aead, err := key.recordAEAD(ticket)
	if err != nil {
		return nil, err
	}
	plain = encodeTokens(&r.tokens)
	defer clear(plain)
	return aead.Seal(out, nonce, plain, additional(head, kindTokens, name)), nil
}

// appendSealed appends a nonce and what it sealed.
func appendSealed(random io.Reader, out []byte, aead cipher.AEAD, plain, data []byte) ([]byte, error) {
	out, err := appendNonce(random, out)
	if err != nil {
		return nil, err
	}
	return aead.Seal(out, out[len(out)-nonceSize:], plain, data), nil
}

// sealedParts are the pieces of a sealed record, still closed.
type sealedParts struct {
	key          *Key
	head         []byte // the nonce at its end
	site         string
	meta, tokens []byte
}

// split cuts a sealed record; errUnsealable where it is not one.
func (s *sealer) split(sealed []byte) (sealedParts, error) {
	const siteAt = 2 + keyIDSize
	if len(sealed) < siteAt || sealed[0] != sealVersion {
		return sealedParts{}, errUnsealable
	}
	key := s.ring.find(sealed[1 : 1+keyIDSize])
	siteEnd := siteAt + int(sealed[siteAt-1])
	end := siteEnd + nonceSize
	if key == nil || len(sealed) < end+2 {
		return sealedParts{}, errUnsealable
	}
	rest := sealed[end+2:]
	length := int(binary.BigEndian.Uint16(sealed[end:]))
	if len(rest) < length {
		return sealedParts{}, errUnsealable
	}
	return sealedParts{
		key: key, head: sealed[:end:end], site: string(sealed[siteAt:siteEnd]), meta: rest[:length], tokens: rest[length:],
	}, nil
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
	plain, err := parts.open(aead, parts.tokens, kindTokens, name)
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
	plain, err := p.open(p.key.meta, p.meta, kindMeta, name)
	if err != nil {
		return nil, err
	}
	m, err := decodeMeta(plain)
	if err != nil {
		return nil, errUnsealable
	}
	return &record{meta: m}, nil
}

// open opens one part.
func (p *sealedParts) open(aead cipher.AEAD, part []byte, kind byte, name Name) ([]byte, error) {
	plain, err := aead.Open(nil, p.head[len(p.head)-nonceSize:], part, additional(p.head, kind, name))
	if err != nil {
		return nil, errUnsealable
	}
	return plain, nil
}

// openSealed opens what appendSealed appended.
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

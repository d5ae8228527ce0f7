package tokens

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

// What is sealed is written as length-prefixed strings and times in
// milliseconds: a record is small, and opening one costs no reflection.

var errMalformed = errors.New("malformed record")

const (
	flagDynamicClient = 1 << iota
	flagPackedAccess
	flagPackedRefresh
)

func encodeMeta(m *meta) []byte {
	b := make([]byte, 0, 96+len(m.user)+len(m.tenant))
	b = appendString(b, m.user)
	b = appendString(b, m.tenant)
	for _, t := range []time.Time{m.created, m.lastUsed, m.tokenIssued, m.tokenExpires, m.expires} {
		b = binary.AppendVarint(b, t.UnixMilli())
	}
	b = appendString(b, string(m.ended))
	if m.jobs.until.IsZero() {
		return b
	}
	b = binary.AppendVarint(b, m.jobs.until.UnixMilli())
	return appendString(b, string(m.jobs.ticket))
}

func decodeMeta(b []byte) (meta, error) {
	d := decoder{rest: b}
	m := meta{user: d.string(), tenant: d.string()}
	for _, t := range []*time.Time{&m.created, &m.lastUsed, &m.tokenIssued, &m.tokenExpires, &m.expires} {
		*t = d.time()
	}
	m.ended = EndReason(d.string())
	if len(d.rest) > 0 { // most sessions have no jobs
		m.jobs = jobs{until: d.time(), ticket: []byte(d.string())}
	}
	return m, d.end()
}

func encodeTokens(t *tokens) []byte {
	var flags uint64
	if t.client.Dynamic {
		flags |= flagDynamicClient
	}
	packed := func(token secret.String, flag uint64) string {
		short, ok := pack(token.Reveal())
		if !ok {
			return token.Reveal()
		}
		flags |= flag
		return short
	}
	parts := []string{
		packed(t.access, flagPackedAccess), packed(t.refresh, flagPackedRefresh), t.client.ID, t.client.Secret.Reveal(),
	}
	size := 1
	for _, part := range parts {
		size += len(part) + 3
	}
	b := make([]byte, 0, size)
	for _, part := range parts {
		b = appendString(b, part)
	}
	return binary.AppendUvarint(b, flags)
}

func decodeTokens(b []byte) (tokens, error) {
	d := decoder{rest: b}
	access, refresh := d.string(), d.string()
	client := Client{ID: d.string(), Secret: secret.New(d.string())}
	flags := d.uvarint()
	if flags&flagPackedAccess != 0 {
		access = d.unpack(access)
	}
	if flags&flagPackedRefresh != 0 {
		refresh = d.unpack(refresh)
	}
	client.Dynamic = flags&flagDynamicClient != 0
	if err := d.end(); err != nil {
		return tokens{}, err
	}
	return tokens{access: secret.New(access), refresh: secret.New(refresh), client: client}, nil
}

// pack writes a token without its base64url, which JWTs are made of (RFC 7515
// §3.1) and which takes a third more: each part between dots decoded, with its
// length. False for a token that is none, or would not come back the same.
func pack(token string) (packed string, ok bool) {
	if token == "" {
		return "", false
	}
	var b []byte
	for part := range strings.SplitSeq(token, ".") {
		plain, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			return "", false
		}
		b = appendString(b, string(plain))
	}
	packed = string(b)
	again := decoder{}
	return packed, again.unpack(packed) == token
}

// unpack undoes pack.
func (d *decoder) unpack(packed string) string {
	parts := decoder{rest: []byte(packed)}
	var b []byte
	for first := true; first || len(parts.rest) > 0; first = false {
		if !first {
			b = append(b, '.')
		}
		b = base64.RawURLEncoding.AppendEncode(b, []byte(parts.string()))
	}
	d.failed = d.failed || parts.failed
	return string(b)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoder reads what the append functions wrote. The first fault sticks and
// everything after it reads as zero.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) uvarint() uint64 {
	value, n := binary.Uvarint(d.rest)
	d.advance(n)
	return value
}

func (d *decoder) time() time.Time {
	value, n := binary.Varint(d.rest)
	d.advance(n)
	return time.UnixMilli(value)
}

func (d *decoder) string() string {
	length := d.uvarint()
	if d.failed || length > uint64(len(d.rest)) {
		d.failed = true
		return ""
	}
	s := string(d.rest[:length])
	d.rest = d.rest[length:]
	return s
}

func (d *decoder) advance(n int) {
	if n <= 0 || d.failed {
		d.failed, d.rest = true, nil
		return
	}
	d.rest = d.rest[n:]
}

// end reports a fault, also when something is left over.
func (d *decoder) end() error {
	if d.failed || len(d.rest) > 0 {
		return errMalformed
	}
	return nil
}

// Package pkce makes the values that protect one sign-in attempt: the state
// (RFC 6749 §10.12) and the proof key for code exchange (RFC 7636).
//
// Both are derived from the flow's random id with a key only the gateway has,
// so that nothing about a flow needs to be remembered and the verifier never
// leaves the server: any replica with the key can finish a flow that another
// one began.
package pkce

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
)

// Method is the only code challenge method the gateway uses (RFC 7636 §4.2).
const Method = "S256"

const (
	stateLabel    = "osc-gw/1 state"
	verifierLabel = "osc-gw/1 verifier"
)

// Deriver derives state and verifier from a flow's id.
type Deriver struct{ key []byte }

// NewDeriver takes a key used for nothing else, 32 bytes or more.
func NewDeriver(key []byte) Deriver { return Deriver{key: key} }

// State is the value that goes to the provider and must come back: 256 bits,
// base64url.
func (d Deriver) State(flowID []byte) string { return d.derive(stateLabel, flowID, "") }

// Verifier is the code verifier of the flow for one client (RFC 7636 §4.1):
// 43 unreserved characters, 256 bits.
func (d Deriver) Verifier(flowID []byte, clientID string) string {
	return d.derive(verifierLabel, flowID, clientID)
}

// Challenge is the S256 code challenge of a verifier (RFC 7636 §4.2).
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// EqualState compares two states in constant time. An absent state equals
// nothing, itself included.
func EqualState(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// derive length-prefixes every input, so that no two inputs can be read as one
// another.
func (d Deriver) derive(label string, flowID []byte, clientID string) string {
	mac := hmac.New(sha256.New, d.key)
	for _, part := range [][]byte{[]byte(label), flowID, []byte(clientID)} {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		mac.Write(length[:])
		mac.Write(part)
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Package secret holds values that must never be shown: tokens, client
// secrets, keys given in configuration. A String can be passed around, stored
// in structs and handed to any logger or formatter; only Reveal gives the
// value back, so every place that lets a secret out can be found by its name.
package secret

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// redacted is what every formatter, encoder and logger sees.
const redacted = "REDACTED"

// String is a string that refuses to be printed. The zero value is empty.
//
// The value sits behind a pointer because fmt reads unexported fields of outer
// structs by reflection, without asking the methods below: it then prints an
// address, never the value.
type String struct{ value *string }

// New wraps s.
func New(s string) String {
	if s == "" {
		return String{}
	}
	return String{value: &s}
}

// Reveal returns the value itself. Call it only where the value leaves the
// process on purpose: a request to the provider, a header to the upstream, a
// sealed record.
func (s String) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsEmpty tells whether there is no value.
func (s String) IsEmpty() bool { return s.value == nil }

// Equal compares in constant time, apart from the length.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String and the methods below answer every verb of package fmt.
func (s String) String() string { return redacted }

// GoString answers %#v.
func (s String) GoString() string { return redacted }

// Format answers all other verbs, %x and %q among them.
func (s String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText keeps the value out of JSON, YAML and text encoders.
func (s String) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue keeps the value out of log/slog.
func (s String) LogValue() slog.Value { return slog.StringValue(redacted) }

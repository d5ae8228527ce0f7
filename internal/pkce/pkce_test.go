package pkce

import (
	"bytes"
	"strings"
	"testing"
)

// The vector of RFC 7636 appendix B.
func TestChallengeMatchesTheStandardsVector(t *testing.T) {
	got := Challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
	if want := "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"; got != want {
		t.Fatalf("Challenge = %q, want %q", got, want)
	}
}

func TestDerivedValuesAreStableDistinctAndWellFormed(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	d := NewDeriver(key)
	id, other := []byte("0123456789abcdef"), []byte("0123456789abcdeg")

	values := map[string]string{
		"state":                   d.State(id),
		"verifier":                d.Verifier(id, "client"),
		"another flow's state":    d.State(other),
		"another flow's verifier": d.Verifier(other, "client"),
		"another client":          d.Verifier(id, "client2"),
		"another key":             NewDeriver(bytes.Repeat([]byte{8}, 32)).Verifier(id, "client"),
		"shifted parts":           d.Verifier([]byte("0123456789abcdefc"), "lient"),
	}
	seen := map[string]string{}
	for name, value := range values {
		if before, dup := seen[value]; dup {
			t.Errorf("%s equals %s", name, before)
		}
		seen[value] = name
		if len(value) != 43 || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") != "" {
			t.Errorf("%s = %q is not 43 unreserved characters", name, value)
		}
	}
	if d.State(id) != d.State(id) || d.Verifier(id, "client") != d.Verifier(id, "client") {
		t.Error("the same flow gives different values")
	}
}

func TestAnAbsentStateEqualsNothing(t *testing.T) {
	if EqualState("", "") || EqualState("a", "") || EqualState("", "a") || EqualState("a", "b") || !EqualState("a", "a") {
		t.Fatal("EqualState is wrong")
	}
}

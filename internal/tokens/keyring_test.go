package tokens_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// urlish is a key whose base64 has letters both alphabets disagree about.
func urlish() []byte {
	key := masterKey(5)
	copy(key, []byte{0xfb, 0xff, 0xfe, 0xff, 0xef, 0xbe})
	return key
}

func TestAKeyIsReadInEveryNotation(t *testing.T) {
	key := urlish()
	want, wantID, _ := ringOf(t, base64.StdEncoding.EncodeToString(key)).FlowKey("")
	for name, text := range map[string]string{
		"base64":                    base64.StdEncoding.EncodeToString(key),
		"base64 without padding":    base64.RawStdEncoding.EncodeToString(key),
		"base64url":                 base64.URLEncoding.EncodeToString(key),
		"base64url without padding": base64.RawURLEncoding.EncodeToString(key),
		"hex":                       hex.EncodeToString(key),
		"upper-case hex":            strings.ToUpper(hex.EncodeToString(key)),
		"a file with a newline":     base64.StdEncoding.EncodeToString(key) + "\n",
		"a file from Windows":       "  " + hex.EncodeToString(key) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, id, ok := ringOf(t, text).FlowKey("")
			if !ok || id != wantID || !bytes.Equal(got, want) {
				t.Fatal("the key was read as another one")
			}
		})
	}
}

func ringOf(t *testing.T, texts ...string) *tokens.KeyRing {
	t.Helper()
	ring, err := tokens.NewKeyRing(secrets(texts)...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func secrets(texts []string) (out []secret.String) {
	for _, text := range texts {
		out = append(out, secret.New(text))
	}
	return out
}

func TestABadKeyIsRefusedWithoutBeingShown(t *testing.T) {
	good, other := base64.StdEncoding.EncodeToString(masterKey(1)), base64.StdEncoding.EncodeToString(masterKey(2))
	repeated := []byte(strings.Repeat("01234567", 4))
	for name, test := range map[string]struct {
		keys []string
		says string
	}{
		"none":                              {nil, "no key"},
		"an empty one":                      {[]string{""}, "key 1"},
		"white space":                       {[]string{" \n"}, "key 1"},
		"one byte short":                    {[]string{base64.StdEncoding.EncodeToString(masterKey(1)[:31])}, "31 bytes"},
		"one byte long":                     {[]string{base64.StdEncoding.EncodeToString(append(masterKey(1), 1))}, "33 bytes"},
		"short hex":                         {[]string{hex.EncodeToString(masterKey(1)[:16])}, "key 1"},
		"a passphrase":                      {[]string{"correct horse battery staple"}, "passphrase"},
		"a passphrase as long as a hex key": {[]string{strings.Repeat("open sesame, ", 5)[:64]}, "passphrase"},
		"what the parameter store masks":    {[]string{"***"}, "masked"},
		"masked, with a newline":            {[]string{"***\n"}, "masked"},
		"one byte over and over":            {[]string{hex.EncodeToString(make([]byte, 32))}, "not random"},
		"a repeated pattern":                {[]string{base64.StdEncoding.EncodeToString(repeated)}, "not random"},
		"a typed pattern in hex":            {[]string{strings.Repeat("0123456789abcdef", 4)}, "not random"},
		"the same key twice":                {[]string{good, good}, "key 2 is given twice"},
		"the same key in two notations":     {[]string{good, other, hex.EncodeToString(masterKey(1))}, "key 3 is given twice"},
		"a bad one after a good one":        {[]string{good, "correct horse battery staple"}, "key 2"},
	} {
		t.Run(name, func(t *testing.T) {
			ring, err := tokens.NewKeyRing(secrets(test.keys)...)
			if err == nil || ring != nil {
				t.Fatal("the key was taken")
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("the error %q does not say %q", err, test.says)
			}
			for _, key := range test.keys {
				if text := strings.TrimSpace(key); len(text) > 3 && strings.Contains(err.Error(), text[:4]) {
					t.Errorf("the error %q shows the key", err)
				}
			}
		})
	}
}

func TestAGeneratedKeyIsAKey(t *testing.T) {
	key, err := tokens.GenerateKey(bytes.NewReader(masterKey(9)))
	if err != nil {
		t.Fatal(err)
	}
	if key.Reveal() != base64.StdEncoding.EncodeToString(masterKey(9)) {
		t.Fatal("the key is not what was drawn")
	}
	if _, err := tokens.NewKeyRing(key); err != nil {
		t.Fatal(err)
	}
	if key, err := tokens.GenerateKey(iotest.ErrReader(errors.New("no entropy"))); err == nil || !key.IsEmpty() {
		t.Fatalf("a key without randomness: error %v", err)
	}
}

func TestNoDerivedKeyServesTwoPurposes(t *testing.T) {
	seen := map[string]string{string(masterKey(1)): "master 1", string(masterKey(2)): "master 2"}
	once := func(purpose string, key []byte) {
		t.Helper()
		if len(key) != 32 {
			t.Errorf("the key for %s has %d bytes", purpose, len(key))
		}
		if other, there := seen[string(key)]; there {
			t.Errorf("one key serves %s and %s", purpose, other)
		}
		seen[string(key)] = purpose
	}
	ring := newRing(t, 2, 1)
	for _, kind := range []string{"session", "flow", ""} {
		pairs := ring.CookieKeys(kind)
		if len(pairs) != 2 {
			t.Fatalf("%d pairs of a ring of two", len(pairs))
		}
		for i, pair := range pairs {
			once(kind+" mac "+string(rune('0'+i)), []byte(pair.MAC.Reveal()))
			once(kind+" enc "+string(rune('0'+i)), []byte(pair.Encryption.Reveal()))
		}
	}
	_, oldID, _ := newRing(t, 1).FlowKey("")
	newest, newID, _ := ring.FlowKey("")
	old, id, ok := ring.FlowKey(oldID)
	if !ok || id != oldID || newID == oldID {
		t.Fatal("the ring does not find its older key")
	}
	once("flow, newest", newest)
	once("flow, older", old)
}

func TestDerivedKeysStayTheSameForAsLongAsTheKeyDoes(t *testing.T) {
	rotated, old := newRing(t, 2, 1), newRing(t, 1)
	if a, b := rotated.CookieKeys("session")[1], old.CookieKeys("session")[0]; !a.MAC.Equal(b.MAC) || !a.Encryption.Equal(b.Encryption) {
		t.Error("a cookie key changed with its place in the ring")
	}
	want, id, _ := old.FlowKey("")
	if got, _, ok := rotated.FlowKey(id); !ok || !bytes.Equal(got, want) {
		t.Error("a flow key changed with its place in the ring")
	}
	for _, unknown := range []string{"none", "x", id + "x", id[:3]} {
		if key, _, ok := old.FlowKey(unknown); ok || key != nil {
			t.Errorf("FlowKey(%q) gave a key", unknown)
		}
	}
}

func TestNothingShowsAKeyRing(t *testing.T) {
	ring := newRing(t, 2, 1)
	type outer struct {
		Ring   *tokens.KeyRing
		hidden tokens.KeyRing
	}
	for _, value := range []any{ring, *ring, outer{ring, *ring}, &outer{ring, *ring}, []*tokens.KeyRing{ring}} {
		for _, s := range shown(t, value) {
			for n := range byte(2) {
				hides(t, s, masterKey(n+1))
			}
		}
	}
}

func TestNothingShowsCookieKeys(t *testing.T) {
	pairs := newRing(t, 1).CookieKeys("session")
	for _, value := range []any{pairs, pairs[0], &pairs[0], struct{ Keys tokens.CookieKeys }{pairs[0]}, struct{ keys []tokens.CookieKeys }{pairs}} {
		for _, s := range shown(t, value) {
			hides(t, s, []byte(pairs[0].MAC.Reveal()))
			hides(t, s, []byte(pairs[0].Encryption.Reveal()))
		}
	}
}

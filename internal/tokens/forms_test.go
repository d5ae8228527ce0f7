package tokens_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
	"testing/iotest"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func formRing(t *testing.T, keys ...secret.String) *tokens.KeyRing {
	t.Helper()
	ring, err := tokens.NewKeyRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func newFormKey(t *testing.T) secret.String {
	t.Helper()
	key, err := tokens.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestASealedFormOpensForItsSiteAWhile(t *testing.T) {
	const site = "https://app.example.com https://osc.example"
	form, now := []byte("name=Ada&note=hello"), time.UnixMilli(1_700_000_000_123)
	older, newer := newFormKey(t), newFormKey(t)
	ring := formRing(t, older)
	sealed, err := ring.SealForm(rand.Reader, now, site, form)
	if err != nil || bytes.Contains(sealed, []byte("hello")) {
		t.Fatalf("%v: %q", err, sealed)
	}
	for name, tt := range map[string]struct {
		ring *tokens.KeyRing
		at   time.Time
		site string
		ok   bool
	}{
		"at once":                   {ring, now, site, true},
		"at the end":                {ring, now.Add(tokens.FormAge - time.Millisecond), site, true},
		"by a clock that is behind": {ring, now.Add(-time.Minute), site, true},
		"too late":                  {ring, now.Add(tokens.FormAge), site, false},
		"from the future":           {ring, now.Add(-time.Hour), site, false},
		"at another site":           {ring, now, "https://other.example https://osc.example", false},
		"with a newer key before":   {formRing(t, newer, older), now, site, true},
		"with another key":          {formRing(t, newer), now, site, false},
	} {
		if got, ok := tt.ring.OpenForm(tt.at, tt.site, sealed); ok != tt.ok || ok && !bytes.Equal(got, form) {
			t.Errorf("%s: %v %q", name, ok, got)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, ok := ring.OpenForm(now, site, changed); ok {
			t.Errorf("a change of byte %d is not noticed", i)
		}
		if _, ok := ring.OpenForm(now, site, sealed[:i]); ok {
			t.Errorf("%d bytes open", i)
		}
	}
	if _, err := ring.SealForm(iotest.ErrReader(errors.New("none")), now, site, form); err == nil {
		t.Error("sealed without randomness")
	}
}

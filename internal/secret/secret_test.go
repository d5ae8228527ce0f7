package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const canary = "canary-7f3e-secret"

type outer struct {
	Token  String
	hidden String
	inner  *struct{ t String }
}

func TestNoFormatterShowsTheValue(t *testing.T) {
	s := New(canary)
	o := outer{Token: s, hidden: s, inner: &struct{ t String }{s}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T"} {
		for _, value := range []any{s, &s, o, &o, []String{s}, map[string]String{"k": s}, errors.Join(fmt.Errorf("e %v", s))} {
			assertHidden(t, fmt.Sprintf(verb, value))
		}
	}
}

func TestNoEncoderShowsTheValue(t *testing.T) {
	o := outer{Token: New(canary), hidden: New(canary)}
	encoded, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	assertHidden(t, string(encoded))

	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	logger.Debug("x", "token", o.Token, "outer", o, slog.Group("g", "t", o.hidden))
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", o.Token, "outer", o)
	assertHidden(t, log.String())
}

func TestRevealAndEqual(t *testing.T) {
	if got := New(canary).Reveal(); got != canary {
		t.Fatalf("Reveal = %q", got)
	}
	if !New("a").Equal(New("a")) || New("a").Equal(New("b")) || New("a").Equal(String{}) {
		t.Fatal("Equal is wrong")
	}
	if !New("").IsEmpty() || New("a").IsEmpty() || New("").Reveal() != "" {
		t.Fatal("the empty value is wrong")
	}
}

func assertHidden(t *testing.T, shown string) {
	t.Helper()
	hexCanary := fmt.Sprintf("%x", canary)
	if strings.Contains(shown, canary) || strings.Contains(strings.ToLower(shown), hexCanary) || strings.Contains(shown, "99 97 110 97 114") {
		t.Errorf("the value shows in %q", shown)
	}
}

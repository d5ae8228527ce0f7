package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

func TestInjectAndUndo(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{
		"Accept": {"*/*"}, "Connection": {"close, Authorization, x-osc-user"}, "AUTHORIZATION": {"EVIL"},
		"X_Pat_Jwt": {"EVIL"}, "X-Osc-Tenant": {"EVIL"},
	}
	undo := siteHygiene().Inject(r, withToken("authorization"))
	want := http.Header{
		"Accept": {"*/*"}, "Connection": {"close"}, "Authorization": {bearer}, "X-Osc-User": {"alice"},
	}
	if !reflect.DeepEqual(r.Header, want) {
		t.Errorf("injected: %q", r.Header)
	}
	r.Header.Set("X-Later", "1")
	r.Header.Add("Authorization", "copied "+bearer)
	undo()
	want = http.Header{"Accept": {"*/*"}, "Connection": {"close"}, "X-Later": {"1"}}
	if !reflect.DeepEqual(r.Header, want) {
		t.Errorf("undone: %q", r.Header)
	}
}

func TestUndoReachesAReplacedMap(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	original := r.Header
	undo := siteHygiene().Inject(r, withToken("x-pat-jwt"))
	r.Header = r.Header.Clone()
	undo()
	if len(r.Header) > 0 || len(original) > 0 {
		t.Errorf("left %v and %v", r.Header, original)
	}
}

func TestInjectNothing(t *testing.T) {
	r := &http.Request{}
	siteHygiene().Inject(r, nil)()
	siteHygiene().Inject(r, &Injection{})()
	if len(r.Header) > 0 {
		t.Error(r.Header)
	}
}

func TestATokenThatIsRequired(t *testing.T) {
	tests := []struct {
		name string
		inj  *Injection
		ok   bool
	}{
		{"no injection needs none", nil, true},
		{"a public route needs none", &Injection{}, true},
		{"a token is there", withToken("x-pat-jwt"), true},
		{"no field at all", &Injection{Required: true}, false},
		{"identity is no token", &Injection{Required: true, Fields: []Field{NewIdentity("x-osc-user", new("a"))}}, false},
		{"an empty token is none", &Injection{Required: true, Fields: []Field{NewField("x-pat-jwt", new(""), 0)}}, false},
		{"nor is a scheme alone", &Injection{Required: true, Fields: []Field{NewField("x-pat-jwt", new("Bearer "), scheme)}}, false},
		{"nor the zero field", &Injection{Required: true, Fields: []Field{{}}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.inj.Check(); (err == nil) != tt.ok {
				t.Errorf("Check() = %v", err)
			}
		})
	}
}

func TestTheTokenCannotBePrinted(t *testing.T) {
	inj := withToken("x-pat-jwt")
	field := inj.Fields[0]
	ctx := WithInjection(context.Background(), inj)
	type nested struct {
		Public  Field
		private Field
		inj     *Injection
		value   Injection
	}
	outer := nested{field, field, inj, *inj}
	req := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		for _, value := range []any{field, &field, inj, *inj, inj.Fields, outer, &outer, ctx, req, *req} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("m", "field", field, "inj", inj, "value", *inj, "outer", outer, "ctx", ctx)
	}
	for _, value := range []any{field, inj, outer, inj.Fields} {
		if text, err := json.Marshal(value); err == nil {
			out.Write(text)
		}
	}
	fmt.Fprint(&out, field, inj.Fields, field.String(), field.LogValue())
	printed := out.String()
	for _, form := range []string{token, "alice", fmt.Sprintf("%x", token), fmt.Sprintf("%X", token), fmt.Sprint([]byte(token))} {
		if strings.Contains(printed, form) {
			t.Errorf("printed %q", form)
		}
	}
	if !strings.Contains(printed, redacted) {
		t.Error("a field does not say that it is redacted")
	}
}

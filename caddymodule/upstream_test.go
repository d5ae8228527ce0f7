package caddymodule

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// app is an application that notes what it is asked.
type app struct {
	server *httptest.Server
	mu     sync.Mutex
	asked  []*http.Request
	answer http.HandlerFunc
}

func newApp(t testing.TB) *app {
	a := &app{answer: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the app, "+r.URL.Path) }}
	a.server = httptest.NewUnstartedServer(a)
	a.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	a.server.Start()
	t.Cleanup(a.server.Close)
	return a
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body) // trailers come after
	a.mu.Lock()
	a.asked = append(a.asked, r)
	answer := a.answer
	a.mu.Unlock()
	answer(w, r)
}

func (a *app) address() string { return a.server.Listener.Addr().String() }

func (a *app) answers(answer http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

// requests are those since the last call.
func (a *app) requests() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := a.asked
	a.asked = nil
	return asked
}

// one is the only request since the last call.
func (a *app) one(t testing.TB) *http.Request {
	t.Helper()
	asked := a.requests()
	if len(asked) != 1 {
		t.Fatalf("the app was asked %d times", len(asked))
	}
	return asked[0]
}

// wantToken fails unless a request has one field of that name, with alice's
// access token after the prefix.
func wantToken(t testing.TB, r *http.Request, field, prefix string) {
	t.Helper()
	values := r.Header.Values(field)
	if len(values) != 1 {
		t.Fatalf("%s came %d times in %v", field, len(values), r.Header)
	}
	token, found := strings.CutPrefix(values[0], prefix)
	if !found {
		t.Fatalf("%s: %s", field, values[0])
	}
	if user := userOf(token); user != "alice" {
		t.Errorf("the token is of %q", user)
	}
}

// userOf reads the user out of an access token.
func userOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		UserID string `json:"userId"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.UserID
}

// wantNoToken fails if anything in a request's head reads like a token, or
// like the gateway's word.
func wantNoToken(t *testing.T, r *http.Request) {
	t.Helper()
	for name, values := range r.Header {
		for _, value := range values {
			if userOf(strings.TrimPrefix(value, "Bearer ")) != "" {
				t.Errorf("a token arrived in %s", name)
			}
		}
		if strings.HasPrefix(name, "X-Osc-") || strings.EqualFold(name, "X-Pat-Jwt") {
			t.Errorf("%s arrived: %v", name, values)
		}
	}
}

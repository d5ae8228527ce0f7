package cookies_test

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	lifetime = 7 * 24 * time.Hour
	flowAge  = 15 * time.Minute

	sessionName = "__Host-osc_session"
	flowNames   = "__Host-osc_session_flow_"
	state       = "the-state"
)

var (
	config = cookies.Config{Name: "osc_session", SameSite: http.SameSiteLaxMode, Lifetime: lifetime, FlowAge: flowAge}
	site   = cookies.Site{Origin: "https://app.example.com", Secure: true}
	plain  = cookies.Site{Origin: "http://localhost:8080"}
)

func newKey(t testing.TB) secret.String {
	t.Helper()
	key, err := tokens.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newJar(t testing.TB, cfg cookies.Config, keys ...secret.String) *cookies.Jar {
	t.Helper()
	ring, err := tokens.NewKeyRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return cookies.New(ring, cfg)
}

func newTicket(t testing.TB) tokens.Ticket {
	t.Helper()
	ticket, err := tokens.NewTicket(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func newFlow(returnTo string) cookies.Flow {
	return cookies.Flow{
		ID: bytes.Repeat([]byte{7}, cookies.FlowIDSize), KeyID: "\x01\x02\x03\x04", ReturnTo: returnTo,
		RedirectURI: site.Origin + "/auth/callback", ClientID: "the-client", Started: time.UnixMilli(1_700_000_000_123),
	}
}

// browser is a tiny one: it keeps cookies and sends them back.
type browser map[string]string

// keep takes the cookies of an answer as a browser would.
func (b browser) keep(t testing.TB, h http.Header) {
	t.Helper()
	for _, line := range h["Set-Cookie"] {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatalf("Set-Cookie %q: %v", line, err)
		}
		if cookie.MaxAge < 0 {
			delete(b, cookie.Name)
		} else {
			b[cookie.Name] = cookie.Value
		}
	}
}

func (b browser) line() string {
	var pairs []string
	for name, value := range b {
		pairs = append(pairs, name+"="+value)
	}
	sort.Strings(pairs)
	return strings.Join(pairs, "; ")
}

func (b browser) request() *http.Request { return requestWith(b.line()) }

// requestWith is a request with these Cookie lines.
func requestWith(lines ...string) *http.Request {
	return &http.Request{Header: http.Header{"Cookie": lines}}
}

// sessionValue is the value of a cookie with the ticket.
func sessionValue(t testing.TB, jar *cookies.Jar, on cookies.Site, ticket tokens.Ticket) string {
	t.Helper()
	h := http.Header{}
	if err := jar.SetSession(h, on, ticket, lifetime); err != nil {
		t.Fatal(err)
	}
	return only(t, h).Value
}

// flowCookie is the cookie of a flow.
func flowCookie(t testing.TB, jar *cookies.Jar, on cookies.Site, state string, flow cookies.Flow) *http.Cookie {
	t.Helper()
	h := http.Header{}
	if err := jar.SetFlow(h, requestWith(), on, state, flow); err != nil {
		t.Fatal(err)
	}
	return only(t, h)
}

func only(t testing.TB, h http.Header) *http.Cookie {
	t.Helper()
	if len(h["Set-Cookie"]) != 1 {
		t.Fatalf("Set-Cookie %q", h["Set-Cookie"])
	}
	cookie, err := http.ParseSetCookie(h.Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	return cookie
}

func sameTicket(a, b tokens.Ticket) bool {
	return !a.IsZero() && !b.IsZero() && bytes.Equal(a.Bytes(), b.Bytes())
}

package gate_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
	"github.com/Eyevinn/osc-gateway/internal/upstream"
)

const (
	origin      = "https://app.example.com"
	authorizeAt = "https://osc.example/authorize"
	callbackURI = origin + "/auth/callback"
	issuer      = "https://osc.example"
	realm       = origin + " " + issuer // what sessions are bound to

	// canary begins every secret of these tests, so that one search finds a leak.
	canary = "canary-"

	sessionCookie = "__Host-osc_session"
	flowCookies   = "__Host-osc_session_flow_"

	fragmentCookies = "__Secure-osc_session_fragment_"
)

var (
	patHeader = gate.TokenHeader{Name: "X-Pat-Jwt"}
	errDown   = errors.New("connection refused")
)

// rig is a gate with everything around it made for the test.
type rig struct {
	t         testing.TB
	gate      *gate.Gate
	ring      *tokens.KeyRing
	clock     *clock
	vault     *vault
	safe      *safe
	clients   *clients
	provider  *provider
	origins   *origins
	observer  *observer
	app       *app
	services  *services
	callers   *callers
	log       *logBuffer
	endpoints string
}

// standardRoutes are a public, an optional and an API route beside what is
// required.
func standardRoutes() *gate.Table {
	table := gate.NewTable(&gate.Route{Mode: gate.Required, Token: patHeader, Identity: true}, false)
	table.Add(under("/assets"), &gate.Route{Mode: gate.Public})
	table.Add(exactly("/"), &gate.Route{Mode: gate.Optional, Token: patHeader, Identity: true})
	table.Add(under("/maybe"), &gate.Route{Mode: gate.Optional, Token: patHeader, Identity: true})
	table.Add(under("/api"), &gate.Route{Mode: gate.API, Token: patHeader, Identity: true})
	table.Add(under("/acme"), &gate.Route{Mode: gate.Required, Token: patHeader, Tenants: []string{"acme", "beta"}})
	table.Add(under("/friends"), &gate.Route{Mode: gate.Required, Token: patHeader, CrossOrigin: []string{"https://friend.example"}})
	return table
}

// under matches a path and what is below it, without regard to case, as
// Caddy's path matcher does.
func under(prefix string) func(*http.Request) (bool, error) {
	return func(r *http.Request) (bool, error) {
		path := strings.ToLower(r.URL.Path)
		return path == prefix || strings.HasPrefix(path, prefix+"/"), nil
	}
}

func exactly(path string) func(*http.Request) (bool, error) {
	return func(r *http.Request) (bool, error) { return r.URL.Path == path, nil }
}

// newRig makes a rig; each change may alter the configuration before the gate
// is made of it.
func newRig(t testing.TB, changes ...func(*rig, *gate.Config)) *rig {
	t.Helper()
	r := &rig{
		t: t, clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, origins: &origins{site: site},
		provider: &provider{}, observer: &observer{}, app: &app{}, log: &logBuffer{}, endpoints: "/auth",
	}
	r.ring = newRing(t)
	r.vault = &vault{clock: r.clock, sessions: map[tokens.Name]*kept{}, fail: map[string]error{}, calls: map[string]int{}, renewals: make(chan secret.String, 64), opens: map[string]tokens.JobTicket{},
		watched: make(chan chan tokens.Change, 8), left: make(chan struct{}, 8)}
	r.safe = &safe{vault: r.vault, ring: r.ring}
	r.clients, r.services, r.callers = newClients(), &services{}, &callers{}
	cfg := gate.Config{
		Endpoints: r.endpoints, Routes: standardRoutes(), Origins: r.origins, Safe: r.safe, Realm: issuer, Clients: r.clients,
		Provider: r.provider, Services: r.services, Callers: r.callers, Cookies: jarConfig, Pages: pages.New("The App"), Observer: r.observer, InPlace: true,
		Hygiene: upstream.NewHygiene(upstream.Rules{SessionCookies: jarConfig.Owns}),
		Now:     r.clock.Now, Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, change := range changes {
		change(r, &cfg)
	}
	r.app.hygiene = cfg.Hygiene
	r.gate = gate.New(cfg)
	return r
}

var (
	site      = cookies.Site{Origin: origin, Secure: true}
	jarConfig = cookies.Config{Name: "osc_session", SameSite: http.SameSiteLaxMode, Lifetime: 7 * 24 * time.Hour, FlowAge: 15 * time.Minute}
)

func newRing(t testing.TB) *tokens.KeyRing {
	t.Helper()
	key, err := tokens.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := tokens.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// answer is what came back for one request.
type answer struct {
	*httptest.ResponseRecorder
	err    error
	passed bool // the application was called
}

func (a answer) location() string { return a.Header().Get("Location") }

// toProvider tells whether the answer starts a sign-in.
func (a answer) toProvider() bool {
	return a.Code == http.StatusFound && strings.HasPrefix(a.location(), authorizeAt+"?")
}

// state is the state of the sign-in that the answer starts.
func (a answer) state(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(a.location())
	if err != nil || !a.toProvider() {
		t.Fatalf("no sign-in was started: %d %s", a.Code, a.location())
	}
	return u.Query().Get("state")
}

// reason is the reason of a problem document.
func (a answer) reason() string {
	_, rest, _ := strings.Cut(a.Body.String(), `"reason":"`)
	reason, _, _ := strings.Cut(rest, `"`)
	return reason
}

// serve sends one request through the gate and checks what holds for every
// answer of the gateway's own.
func (r *rig) serve(request *http.Request) answer {
	r.t.Helper()
	before := r.app.count()
	a := answer{ResponseRecorder: httptest.NewRecorder()}
	a.err = r.gate.ServeHTTP(a, request, r.app)
	a.passed = r.app.count() > before
	if !a.passed && a.err == nil {
		r.checkOwn(request, a)
	}
	if strings.Contains(a.Body.String()+fmt.Sprint(a.Header()), canary) {
		r.t.Errorf("%s %s: the answer holds a secret:\n%v\n%s", request.Method, request.URL, a.Header(), a.Body)
	}
	return a
}

// checkOwn checks the headers that are on everything the gateway answers.
func (r *rig) checkOwn(request *http.Request, a answer) {
	r.t.Helper()
	h := a.Header()
	if h.Get("Cache-Control") != cachingOf(a) || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
		r.t.Errorf("%s %s: headers %v", request.Method, request.URL, h)
	}
	csp := h.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
		r.t.Errorf("%s %s: Content-Security-Policy %q", request.Method, request.URL, csp)
	}
	if a.Body.Len() > 0 && h.Get("Content-Type") == "" {
		r.t.Errorf("%s %s: a body without a Content-Type", request.Method, request.URL)
	}
	if location := h.Get("Location"); location != "" && !strings.HasPrefix(location, authorizeAt+"?") &&
		(!strings.HasPrefix(location, "/") || strings.HasPrefix(location, "//") || strings.Contains(location, `\`)) {
		r.t.Errorf("%s %s: Location %q leaves the site", request.Method, request.URL, location)
	}
}

// cachingOf is what an answer of the gateway's own says of keeping it.
func cachingOf(a answer) string {
	switch {
	case a.Header().Get("Content-Type") == "text/event-stream":
		return "no-store, no-transform"
	case a.Header().Get("ETag") != "":
		return "no-cache"
	default:
		return "no-store"
	}
}

// checkLog fails the test if a secret stands in the log.
func (r *rig) checkLog(secrets ...string) {
	r.t.Helper()
	for _, s := range append(secrets, canary) {
		if strings.Contains(r.log.String(), s) {
			r.t.Errorf("the log holds %q:\n%s", s, r.log)
		}
	}
}

// headers are what requests of one kind carry.
type headers map[string]string

var (
	navigation = headers{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
	pageLoad   = headers{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin", "Accept": "text/html", "Upgrade-Insecure-Requests": "1"}
	fromAway   = headers{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site", "Accept": "text/html"}
	scripted   = headers{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin", "Accept": "*/*"}
	image      = headers{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image", "Sec-Fetch-Site": "cross-site"}
	iframe     = headers{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site", "Accept": "text/html"}
	prefetch   = headers{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin", "Sec-Purpose": "prefetch"}
	bare       = headers{}
)

// request makes a request as net/http's server would hand it over.
func request(t testing.TB, method, target string, with headers) *http.Request {
	t.Helper()
	r, err := parse(method, target)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	for name, value := range with {
		r.Header.Set(name, value)
	}
	return r
}

// parse reads a request line the way the server does.
func parse(method, target string) (*http.Request, error) {
	return http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: app.example.com\r\n\r\n")))
}

// clock is a clock that moves by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// logBuffer is a log that many may write to.
type logBuffer struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

// grant is a set of tokens for a user.
func grant(user, tenant string) tokens.Set {
	return tokens.Set{
		Access: secret.New(canary + "access-" + user), Refresh: secret.New(canary + "refresh-" + user),
		Lifetime: time.Hour, User: user, Tenant: tenant,
	}
}

func bearer(user string) string { return "Bearer " + canary + "access-" + user }

// signedIn returns a browser with a session of a user.
func (r *rig) signedIn(user, tenant string) *browser {
	r.t.Helper()
	ticket, session, err := r.vault.Create(context.Background(), realm, tokens.Client{ID: "the-client"}, grant(user, tenant))
	if err != nil {
		r.t.Fatal(err)
	}
	b := r.browser()
	h := http.Header{}
	if err := cookies.New(r.ring, jarConfig).SetSession(h, site, ticket, time.Hour); err != nil {
		r.t.Fatal(err)
	}
	b.keep(h)
	b.session = session.Name
	return b
}

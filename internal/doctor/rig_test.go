package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// patience is how long a probe may take here; where it has to run out, less.
const patience = 20 * time.Second

// examine makes some checks of a set-up.
func examine(t *testing.T, cfg Config, only ...string) []Result {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = patience
	}
	cfg.User = 1000
	results := New(cfg).Examine(context.Background(), only...)
	if len(results) == 0 {
		t.Fatalf("nothing was said of %v", only)
	}
	for _, result := range results {
		if result.Status == Fail && result.Fix == "" {
			t.Errorf("%s fails without a fix: %s", result.Check, result.Message)
		}
	}
	return results
}

// expect looks for a result with words in its message or fix.
func expect(t *testing.T, results []Result, check string, status Status, words ...string) Result {
	t.Helper()
	for _, result := range results {
		if result.Check != check || result.Status != status {
			continue
		}
		all := true
		for _, word := range words {
			all = all && strings.Contains(result.Message+" Fix: "+result.Fix, word)
		}
		if all {
			return result
		}
	}
	var text strings.Builder
	_ = WriteText(&text, results, false)
	t.Errorf("no %s of %s says %q:\n%s", status, check, words, &text)
	return Result{}
}

// serve starts a server that is a function.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// away is an address of this machine where nobody listens.
func away(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// gateway is a site of a gateway as its visitors see it, with what goes wrong on
// the way to them.
type gateway struct {
	*httptest.Server
	secure bool
	// change sees every answer last, drop every request first.
	change func(http.Header)
	drop   func(*http.Request)
	status int // of every answer; 0: the gateway's own
	origin string
	store  bool // is away
	client string
}

const (
	aState  = "state-of-a-sign-in"
	aClient = "client-1"
)

func newGateway(t *testing.T, secure bool) *gateway {
	t.Helper()
	g := &gateway{secure: secure, client: aClient}
	if secure {
		g.Server = httptest.NewTLSServer(g)
	} else {
		g.Server = httptest.NewServer(g)
	}
	g.origin = g.URL
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) cookie(name string, age int) *http.Cookie {
	if g.secure {
		name = "__Host-" + name
	}
	return &http.Cookie{Name: name, Value: "sealed", Path: "/", Secure: g.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: age}
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.drop != nil {
		g.drop(r)
	}
	own := httptest.NewRecorder()
	own.Header().Set("Cache-Control", "no-store")
	status := g.answer(own.Header(), r)
	if g.change != nil {
		g.change(own.Header())
	}
	maps.Copy(w.Header(), own.Header())
	body := own.Header().Get("X-Body")
	w.Header().Del("X-Body")
	if g.status != 0 {
		status, body = g.status, "something else"
	}
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, body)
}

func (g *gateway) answer(h http.Header, r *http.Request) int {
	problem := func(status int, reason string) int {
		h.Set("Content-Type", "application/problem+json")
		h.Set("X-Body", fmt.Sprintf(`{"status":%d,"reason":%q,"detail":"What it means."}`, status, reason))
		return status
	}
	flow, err := r.Cookie(g.cookie("osc_session_flow_1", 0).Name)
	switch {
	case r.URL.Path == "/auth/health" && g.store:
		return problem(http.StatusServiceUnavailable, "store_unavailable")
	case r.URL.Path == "/auth/health":
		h.Set("X-Body", `{"status":"ok"}`)
		return http.StatusOK
	case r.URL.Path == "/auth/signin" && g.origin == "":
		return problem(http.StatusBadRequest, "bad_request")
	case r.URL.Path == "/auth/signin":
		h.Add("Set-Cookie", g.cookie("osc_session_flow_1", 900).String())
		h.Set("Location", "https://osc.example/authorize?state="+aState+"&client_id="+g.client+"&redirect_uri="+g.origin+"/auth/callback")
		return http.StatusFound
	case r.URL.Path == "/auth/signout" && r.Header.Get("Origin") != g.origin:
		return problem(http.StatusForbidden, "cross_origin")
	case r.URL.Path == "/auth/signout":
		h.Add("Set-Cookie", g.cookie("osc_session", -1).String())
		h.Set("Location", "/auth/signed-out")
		return http.StatusSeeOther
	case r.URL.Path == "/auth/callback" && err == nil && flow.Value == "sealed" && r.URL.Query().Get("state") == aState:
		return problem(http.StatusForbidden, "consent_denied")
	case r.URL.Path == "/auth/callback":
		return problem(http.StatusBadRequest, "state_mismatch")
	default:
		return http.StatusNotFound
	}
}

// setup is that of the site, with a client of its own.
func (g *gateway) setup() *Setup {
	return &Setup{
		Issuer: "https://osc.example", Client: tokens.Client{ID: aClient},
		Sites: []Site{{Origin: g.URL, Endpoints: "/auth", Cookie: "osc_session", Host: "127.0.0.1", TLS: g.secure, Listen: []string{g.Listener.Addr().String()}}},
		Flow: func(context.Context, Site) (Flow, error) {
			return Flow{Name: g.cookie("osc_session_flow_1", 0).Name, Value: "sealed", State: aState}, nil
		},
	}
}

// config trusts the gateway's certificate.
func (g *gateway) config() Config {
	return Config{Setup: g.setup(), Transport: g.Client().Transport}
}

var errNoKey = errors.New("no key")

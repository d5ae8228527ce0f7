package gate_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/simulator"
	"github.com/Eyevinn/osc-gateway/internal/stores"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// world is a gate with nothing made up but the provider, which is simulated.
type world struct {
	*rig
	sim    *simulator.Server
	server *httptest.Server
	store  *stores.Memory
	client *http.Client // follows nothing
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	w.rig = newRig(t, func(r *rig, cfg *gate.Config) {
		w.sim = simulator.New(simulator.Config{Now: r.clock.Now, Knobs: simulator.Knobs{
			Authorize: simulator.AuthorizeKnobs{AutoUser: "alice", AutoApprove: true},
		}})
		w.server = httptest.NewServer(w.sim)
		t.Cleanup(w.server.Close)
		t.Cleanup(func() { w.sim.Close() })
		provider, err := osc.New(osc.Config{Issuer: w.server.URL, Now: r.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		registered := osc.NewClients(r.clock.Now, nil)
		registered.Adopt(provider, tokens.Client{}, "The App")
		w.store = stores.NewMemory(10, r.clock.Now)
		t.Cleanup(func() { _ = w.store.Close() })
		vault := tokens.NewVault(tokens.VaultConfig{Store: w.store, Ring: r.ring, Now: r.clock.Now})
		vault.Adopt(tokens.Policy{Limits: tokens.Limits{Idle: 12 * time.Hour, Lifetime: 7 * 24 * time.Hour}, Refresher: registered})
		r.safe.vault, cfg.Clients, cfg.Provider = vault, registered, provider
	})
	return w
}

// authorize lets the provider answer the sign-in an answer starts, and returns
// where it sends the browser.
func (w *world) authorize(a answer) string {
	w.t.Helper()
	if a.Code != http.StatusFound || !strings.HasPrefix(a.location(), w.server.URL) {
		w.t.Fatalf("no sign-in was started: %d %s", a.Code, a.location())
	}
	back, err := w.client.Get(a.location())
	if err != nil {
		w.t.Fatal(err)
	}
	_ = back.Body.Close()
	target, ours := strings.CutPrefix(back.Header.Get("Location"), origin)
	if !ours {
		w.t.Fatalf("the provider answers %s and leads to %q", back.Status, back.Header.Get("Location"))
	}
	return target
}

// send is a request whose answer may lead to the simulator.
func (w *world) send(b *browser, method, target string, with headers) answer {
	w.t.Helper()
	req := request(w.t, method, target, with)
	b.attach(req)
	a := answer{ResponseRecorder: httptest.NewRecorder()}
	before := w.app.count()
	a.err = w.gate.ServeHTTP(a, req, w.app)
	a.passed = w.app.count() > before
	b.keep(a.Header())
	return a
}

func (w *world) signIn(b *browser, target string) answer {
	w.t.Helper()
	return w.send(b, "GET", w.authorize(w.send(b, "GET", target, navigation)), fromAway)
}

// token is the token the application gets of a browser, "" where it is not called.
func (w *world) token(b *browser) string {
	w.t.Helper()
	if a := w.send(b, "GET", "/app", scripted); !a.passed {
		return ""
	}
	return w.app.last().header.Get("X-Pat-Jwt")
}

func TestASignInAtTheProviderGivesTheApplicationAToken(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	if a := w.signIn(b, "/app/x?q=1"); a.location() != "/app/x?q=1" || !b.has(sessionCookie) || b.flows() != 0 {
		t.Fatalf("%d %s %s", a.Code, a.location(), b.cookies())
	}
	token := w.token(b)
	if !strings.HasPrefix(token, "Bearer ey") || w.app.last().header.Get("X-Osc-User") != "alice" || w.app.last().header.Get("X-Osc-Tenant") != "acme" {
		t.Errorf("headers %v", w.app.last().header)
	}
	if c := w.sim.Counters(); c.CodeExchanges != 1 || c.CodeExchangesOK != 1 || c.Registrations != 1 {
		t.Errorf("%+v", c)
	}
	if a := w.send(b, "GET", "/auth/session", scripted); strings.Contains(a.Body.String(), strings.TrimPrefix(token, "Bearer ")) {
		t.Error("the session endpoint shows the token")
	}
	w.checkLog(strings.TrimPrefix(token, "Bearer "))
}

func TestASessionGoesOnWithAFreshTokenAndSurvivesAnOutage(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/app")
	first := w.token(b)
	w.clock.Advance(61 * time.Minute)
	second := w.token(b)
	if second == "" || second == first {
		t.Fatal("the token is not fresh")
	}
	w.sim.SetKnobs(func(k *simulator.Knobs) { k.Faults = []simulator.Fault{{Kind: simulator.FaultReply, Status: 503}} })
	w.clock.Advance(61 * time.Minute)
	a := w.send(b, "GET", "/app", scripted)
	if a.passed || a.Code != http.StatusServiceUnavailable || a.reason() != "provider_unavailable" || !b.has(sessionCookie) {
		t.Errorf("during the outage: %d %s", a.Code, a.Body)
	}
	w.sim.SetKnobs(func(k *simulator.Knobs) { k.Faults = nil })
	w.clock.Advance(2 * time.Minute)
	if third := w.token(b); third == "" || third == second {
		t.Error("the session did not survive the outage")
	}
}

func TestASessionTheProviderRefusesEndsInASignIn(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/app")
	w.sim.RevokeUser("alice")
	w.clock.Advance(61 * time.Minute)
	if a := w.send(b, "GET", "/app", scripted); a.Code != http.StatusUnauthorized || a.reason() != "refresh_rejected" {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	if a := w.signIn(b, "/app"); a.location() != "/app" || w.token(b) == "" {
		t.Errorf("%d %s", a.Code, a.location())
	}
}

func TestAProviderThatForgotTheClientGetsANewOneAndTheSignInGoesOn(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	back := w.authorize(w.send(b, "GET", "/app/x", navigation))
	w.sim.ForgetClients()
	again := w.send(b, "GET", back, fromAway)
	if a := w.send(b, "GET", w.authorize(again), fromAway); a.location() != "/app/x" || w.token(b) == "" {
		t.Errorf("%d %s", a.Code, a.location())
	}
	if c := w.sim.Counters(); c.Registrations != 2 {
		t.Errorf("%d registrations", c.Registrations)
	}
}

func TestSigningOutLeavesNothingInTheStore(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/app")
	kept := b.copyOf()
	if a := w.send(b, "POST", "/auth/signout", ownPost); a.Code != http.StatusSeeOther || w.store.Len() != 0 {
		t.Errorf("%d, %d records", a.Code, w.store.Len())
	}
	if w.token(kept) != "" {
		t.Error("the old cookie still gives a token")
	}
}

func TestAFullStoreRefusesTheEleventhSignInAndKeepsTheTen(t *testing.T) {
	w := newWorld(t)
	var all []*browser
	for range 10 {
		b := w.browser()
		w.signIn(b, "/app")
		all = append(all, b)
	}
	b := w.browser()
	if a := w.signIn(b, "/app"); a.Code != http.StatusServiceUnavailable || b.has(sessionCookie) {
		t.Errorf("%d %s", a.Code, b.cookies())
	}
	for i, b := range all {
		if w.token(b) == "" {
			t.Errorf("session %d is gone", i)
		}
	}
}

func TestADeniedConsentIsNoSignIn(t *testing.T) {
	w := newWorld(t)
	w.sim.SetKnobs(func(k *simulator.Knobs) { k.Authorize.Deny = true })
	b := w.browser()
	if a := w.signIn(b, "/app"); a.Code != http.StatusForbidden || b.cookies() != "" {
		t.Errorf("%d %s", a.Code, b.cookies())
	}
}

func TestAnAnswerThatNamesAnotherIssuerIsNoSignIn(t *testing.T) {
	w := newWorld(t)
	w.sim.SetKnobs(func(k *simulator.Knobs) { k.Authorize.Iss = "wrong" })
	b := w.browser()
	if a := w.signIn(b, "/app"); a.Code != http.StatusBadRequest || b.has(sessionCookie) || w.sim.Counters().CodeExchanges != 0 {
		t.Errorf("%d %s", a.Code, b.cookies())
	}
}

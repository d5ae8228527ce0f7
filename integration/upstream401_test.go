package integration

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// picky is an app that refuses tokens.
type picky struct {
	mu        sync.Mutex
	refused   map[string]bool
	challenge string
	calls     atomic.Int64
}

func (p *picky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.calls.Add(1)
	p.mu.Lock()
	refused := p.refused[r.Header.Get("X-Pat-Jwt")]
	p.mu.Unlock()
	if refused {
		if p.challenge != "" {
			w.Header().Set("WWW-Authenticate", p.challenge)
		}
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// refuseNow refuses the tokens there are, and no later ones.
func (p *picky) refuseNow(tokens ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = map[string]bool{}
	for _, token := range tokens {
		p.refused["Bearer "+token] = true
	}
}

func TestAnUpstreamThatRefusesATokenGetsAnotherOneOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	app := &picky{}
	w.app.handle("/api/me", app.ServeHTTP)
	v := w.visitor()
	v.signIn("/")
	first, _ := w.app.last(t).token()
	app.refuseNow(first)
	if got := v.fetch(http.MethodGet, "/api/me"); got.Status != http.StatusOK || app.calls.Load() != 2 {
		t.Errorf("a safe request: %v, after %d calls", got, app.calls.Load())
	}
	second, _ := w.app.last(t).token()
	app.refuseNow(first, second)
	for range 100 {
		if got := v.fetch(http.MethodGet, "/api/me"); got.Status != http.StatusUnauthorized {
			t.Errorf("refused again: %v", got)
		}
	}
	if counted := w.osc.Counters(); counted.Refreshes != 1 || counted.Authorizations != 1 || app.calls.Load() != 102 {
		t.Errorf("%d refreshes, %d authorizations, %d calls of the app", counted.Refreshes, counted.Authorizations, app.calls.Load())
	}
}

func TestARequestThatIsNotSafeIsNeverSentTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	app := &picky{challenge: `Bearer error="invalid_token"`}
	w.app.handle("/api/me", app.ServeHTTP)
	v := w.visitor()
	v.signIn("/")
	first, _ := w.app.last(t).token()
	app.refuseNow(first)
	if got := v.fetch(http.MethodPost, "/api/me"); got.Status != http.StatusUnauthorized || got.Header.Get("WWW-Authenticate") != app.challenge || app.calls.Load() != 1 {
		t.Errorf("%v, after %d calls", got, app.calls.Load())
	}
	eventually(t, "the next one has another token", func() bool {
		return v.fetch(http.MethodPost, "/api/me").Status == http.StatusOK
	})
}

func TestAnAppsOwnChallengeIsItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	app := &picky{challenge: `Basic realm="the app"`}
	w.app.handle("/api/me", app.ServeHTTP)
	v := w.visitor()
	v.signIn("/")
	token, _ := w.app.last(t).token()
	app.refuseNow(token)
	if got := v.fetch(http.MethodGet, "/api/me"); got.Status != http.StatusUnauthorized || !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Basic") {
		t.Errorf("%v", got)
	}
	if w.osc.Counters().Refreshes != 0 || app.calls.Load() != 1 {
		t.Error("the gateway took it for its own")
	}
}

package integration

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// The tests in attack2_*_test.go are the half of the attack corpus that goes
// for sign-ins, tokens, cookies, the store and the configuration. The id of a
// corpus entry begins the name of each of its cases; attack2_notes_test.go says
// where the others are proved.

// attack2 is a world under attack. What must hold whatever is tried is checked
// at its end, beside what every world checks.
type attack2 struct {
	*world
	asked *attack2Provider
}

// newAttack2 makes a world whose provider asks nothing.
func newAttack2(t testing.TB, s setup) *attack2 {
	t.Helper()
	s.oscDown = true // until everything it is asked is noted
	w := newWorld(t, s)
	a := &attack2{world: w, asked: &attack2Provider{next: w.osc.Server}}
	w.osc.handler = a.asked
	w.osc.up()
	w.quickly()
	t.Cleanup(a.checkApp)
	return a
}

// checkApp checks what the app was sent: a token once or not at all, of the
// user it is said to be from, and no cookie of the gateway's.
func (a *attack2) checkApp() {
	for _, got := range a.app.all() {
		tokens := got.Header["X-Pat-Jwt"]
		if token, ok := got.token(); len(tokens) > 0 && (!ok || !a.canaries.knows(accessToken, token)) {
			a.t.Errorf("%s: the app got X-Pat-Jwt %q", got.URI, tokens)
		} else if said, isJWT := claimsOf(token); isJWT && said.User != got.Header.Get("X-Osc-User") {
			a.t.Errorf("%s: the token of %q for %q", got.URI, said.User, got.Header.Get("X-Osc-User"))
		}
		if strings.Contains(strings.ToLower(strings.Join(got.Header["Cookie"], "; ")), "osc_session") {
			a.t.Errorf("%s: the app got Cookie %q", got.URI, got.Header["Cookie"])
		}
	}
}

// own checks an answer that is the gateway's own: nobody stores it, and it
// leads nowhere but to the site or the provider's authorize endpoint.
func (a *attack2) own(t testing.TB, got answer) {
	t.Helper()
	if got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q: %v", got.Header["Cache-Control"], got)
	}
	location := got.Header.Get("Location")
	if location == "" {
		return
	}
	target := got.location(t)
	if strings.HasPrefix(location, a.osc.URL+"/api/connect/authorize?") || target.Host == got.URL.Host && target.Scheme == got.URL.Scheme {
		return
	}
	t.Errorf("it leads to %s", location)
}

// signedOut asks as a person and as a script, and checks that neither is let
// in, nor that it is anybody's fault.
func (a *attack2) signedOut(t testing.TB, v *visitor) {
	t.Helper()
	calls := a.app.calls()
	page, script := v.open("/studio"), v.fetch(http.MethodGet, "/api/rooms")
	if page.Status != http.StatusFound && page.Status != http.StatusUnauthorized {
		t.Errorf("a page: %v", page)
	}
	if script.Status != http.StatusUnauthorized {
		t.Errorf("a script: %v", script)
	}
	a.own(t, page)
	a.own(t, script)
	if n := a.app.calls() - calls; n != 0 {
		t.Errorf("the app was called %d times", n)
	}
}

// works checks that a visitor is signed in as the user, who is what the app is
// told.
func (a *attack2) works(t testing.TB, v *visitor, user string) {
	t.Helper()
	calls := a.app.calls()
	if got := v.open("/studio"); got.Status != http.StatusOK || a.app.calls() != calls+1 {
		t.Errorf("%s: %v", user, got)
		return
	}
	got := a.app.last(t)
	if _, ok := got.token(); !ok || got.Header.Get("X-Osc-User") != user {
		t.Errorf("the app was told of %q, token %v", got.Header["X-Osc-User"], ok)
	}
}

// calls is how often the token endpoint was called.
func (a *attack2) calls() int { return a.osc.Counters().Endpoints[simulator.EndpointToken] }

// attack2Call is a request to the provider.
type attack2Call struct {
	path   string
	header http.Header
	body   string
}

func (c attack2Call) form() url.Values {
	values, _ := url.ParseQuery(c.body)
	return values
}

// attack2Provider is the simulator, with everything written down that the
// gateway asks it, and with answers of one's own in place of its.
type attack2Provider struct {
	next http.Handler

	mu     sync.Mutex
	calls  []attack2Call
	answer func(http.ResponseWriter, *http.Request, attack2Call) bool // false: the simulator's
}

func (p *attack2Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	call := attack2Call{path: r.URL.Path, header: r.Header.Clone(), body: string(body)}
	p.mu.Lock()
	if r.Method == http.MethodPost || strings.HasPrefix(r.URL.Path, "/.well-known/") {
		p.calls = append(p.calls, call)
	}
	answer := p.answer
	p.mu.Unlock()
	if answer == nil || !answer(w, r, call) {
		p.next.ServeHTTP(w, r)
	}
}

// with has a function answer instead, where it wants to; nil: the simulator.
func (p *attack2Provider) with(answer func(http.ResponseWriter, *http.Request, attack2Call) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// at returns the calls of a path.
func (p *attack2Provider) at(path string) (found []attack2Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, call := range p.calls {
		if call.path == path {
			found = append(found, call)
		}
	}
	return found
}

const (
	attack2Token    = "/api/connect/token"
	attack2Register = "/api/connect/register"
)

// has tells whether a number is among those.
func attack2Has(status int, among []int) bool {
	for _, one := range among {
		if one == status {
			return true
		}
	}
	return false
}

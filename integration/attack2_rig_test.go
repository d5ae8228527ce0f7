package integration

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
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
	asked  *attack2Provider
	origin string            // where browsers are
	door   http.RoundTripper // of visitors who keep nothing
}

// newAttack2 makes a world whose provider asks nothing.
func newAttack2(t testing.TB, s setup) *attack2 {
	t.Helper()
	return startAttack2(t, s, "http")
}

// newAttack2Behind makes one whose gateway is behind something that ends TLS:
// browsers are at https, and every byte they are sent can be read. In the site's
// block, {origin} stands for where they are.
func newAttack2Behind(t testing.TB, s setup) *attack2 {
	t.Helper()
	return startAttack2(t, s, "https")
}

func startAttack2(t testing.TB, s setup, scheme string) *attack2 {
	t.Helper()
	c := &canaries{}
	w := &world{t: t, canaries: c, osc: newOSC(t, c), app: newApp(t, c)}
	a := &attack2{world: w, asked: &attack2Provider{next: w.osc.Server}}
	w.osc.handler = a.asked
	w.osc.up()
	w.gateway = newGateway(t, c, s.env...)
	a.origin = strings.Replace(w.gateway.URL, "http", scheme, 1)
	t.Cleanup(func() {
		w.osc.Close() // whatever still hangs
		c.absent(t, "what the app was sent", w.app.bytes(), accessToken)
		a.checkApp()
	})
	a.door = a.browser(t).client.Transport
	a.configure(s.global, s.site)
	w.gateway.start()
	w.quickly()
	return a
}

// configure writes the Caddyfile, for every name of this machine.
func (a *attack2) configure(global, site string) {
	a.t.Helper()
	a.world.configure(global, strings.ReplaceAll(site, "{origin}", a.origin))
	_, port, _ := net.SplitHostPort(a.gateway.address)
	one := "http://localhost:" + port
	a.editConfig(a.t, func(text string) string {
		return strings.Replace(text, one+" {", one+", http://*.localhost:"+port+" {", 1)
	})
}

func (a *attack2) editConfig(t testing.TB, edit func(string) string) {
	t.Helper()
	text, err := os.ReadFile(a.gateway.config)
	if err != nil {
		t.Fatal(err)
	}
	edited := edit(string(text))
	if edited == string(text) {
		t.Fatal("the Caddyfile is as it was")
	}
	mustWrite(t, a.gateway.config, edited)
}

// elsewhere is a new visitor of the same gateway under another name: there, it
// is another client to the provider.
func (a *attack2) elsewhere(t testing.TB, name string) *visitor {
	t.Helper()
	v := a.browser(t)
	v.base = strings.Replace(v.base, "://localhost", "://"+name+".localhost", 1)
	return v
}

// reload has the gateway take its Caddyfile, and says how that ended.
func (a *attack2) reload() (output string, status int) {
	a.t.Helper()
	return a.gateway.run("reload", "--config", a.gateway.config, "--adapter", "caddyfile", "--address", "unix/"+a.gateway.admin())
}

// browser is a new visitor.
func (a *attack2) browser(t testing.TB) *visitor {
	t.Helper()
	v := newVisitor(t, a.origin)
	v.client.Transport.(*http.Transport).DialTLSContext = dialHere // TLS has ended by then
	return v
}

// with is a visitor who sends these Cookie lines and keeps nothing.
func (a *attack2) with(t testing.TB, lines ...string) *visitor {
	t.Helper()
	v := a.browser(t)
	v.client.Jar = nil
	v.client.Transport = attack2Lines{a.door, lines}
	return v
}

// attack2Lines sends Cookie lines as they are, however wrong and many.
type attack2Lines struct {
	next  http.RoundTripper
	lines []string
}

func (s attack2Lines) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header["Cookie"] = s.lines
	return s.next.RoundTrip(r)
}

// name is the session cookie's.
func (a *attack2) name() string {
	if strings.HasPrefix(a.origin, "https:") {
		return "__Host-osc_session"
	}
	return "osc_session"
}

// session signs a user in and returns what the session cookie holds.
func (a *attack2) session(t testing.TB, user string) string {
	t.Helper()
	v := a.browser(t)
	a.as(user, func() { v.signIn("/") })
	return a.held(v)
}

// held is the session cookie of a visitor; "" without one.
func (a *attack2) held(v *visitor) string {
	for _, kept := range v.cookies() {
		if kept.Name == a.name() {
			return kept.Value
		}
	}
	return ""
}

// as lets a user be at the keyboard.
func (a *attack2) as(user string, do func()) {
	a.osc.SetKnobs(func(k *simulator.Knobs) { k.Authorize.AutoUser = user })
	defer a.quickly()
	do()
}

// checkApp checks what the app was sent: a token once or not at all, of the
// user it is said to be from, and no cookie of the gateway's.
func (a *attack2) checkApp() {
	for _, got := range a.app.all() {
		tokens := got.Header["X-Pat-Jwt"]
		if token, ok := got.token(); len(tokens) > 0 && (!ok || !a.canaries.knows(accessToken, token)) {
			a.t.Errorf("%s: the app got X-Pat-Jwt %q", got.URI, tokens)
		} else if said, isJWT := claimsOf(token); isJWT && got.Header["X-Osc-User"] != nil && said.User != got.Header.Get("X-Osc-User") {
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
// in. Nobody else may be at the app meanwhile.
func (a *attack2) signedOut(t testing.TB, v *visitor) {
	t.Helper()
	calls := a.app.calls()
	a.turnedAway(t, v)
	if n := a.app.calls() - calls; n != 0 {
		t.Errorf("the app was called %d times", n)
	}
}

// turnedAway is signedOut among others: the app only ever answers 200.
func (a *attack2) turnedAway(t testing.TB, v *visitor) {
	t.Helper()
	page, script := v.open("/studio"), v.fetch(http.MethodGet, "/api/rooms")
	if page.Status != http.StatusFound && page.Status != http.StatusUnauthorized {
		t.Errorf("a page: %v", page)
	}
	if script.Status != http.StatusUnauthorized {
		t.Errorf("a script: %v", script)
	}
	a.own(t, page)
	a.own(t, script)
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

// kept is how many the gateway knows.
func (a *attack2) kept(t *testing.T) int {
	t.Helper()
	output, status := a.gateway.run("sessions", "list", "--json", "--address", "unix/"+a.gateway.admin())
	var listed []struct{ ID string }
	if err := json.Unmarshal([]byte(output), &listed); status != 0 || err != nil {
		t.Fatalf("status %d, %v: %s", status, err, output)
	}
	return len(listed)
}

// calls is how often the token endpoint was called.
func (a *attack2) calls() int { return a.osc.Counters().Endpoints[simulator.EndpointToken] }

// TestAttack2InTime has what waits for tokens, leases and patience to end. Each
// takes its time and next to nothing of the machine.
func TestAttack2InTime(t *testing.T) {
	t.Parallel()
	attack2AtOnce(t, map[string]func(*testing.T){
		"answers without end":  attack2Endlessly,
		"races":                attack2Races,
		"clients that end":     attack2ClientsThatEnd,
		"stored lives":         attack2StoredLives,
		"a stored past":        attack2StoredPast,
		"refreshes":            attack2RefreshRows,
		"a store that refuses": attack2StoreThatRefuses,
	})
}

// attack2AtOnce runs subtests side by side, however many tests may: they do
// little but wait.
func attack2AtOnce(t *testing.T, all map[string]func(*testing.T)) {
	t.Helper()
	var running sync.WaitGroup
	for name, test := range all {
		running.Go(func() { t.Run(name, test) })
	}
	running.Wait()
}

package gate_test

import (
	"maps"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// browser is a tiny one: it keeps cookies and sends them back.
type browser struct {
	rig     *rig
	mu      sync.Mutex
	jar     map[string]string
	session tokens.Name // of the session it was given by signedIn
}

func (r *rig) browser() *browser { return &browser{rig: r, jar: map[string]string{}} }

// keep takes the cookies of an answer, and checks the attributes that are on
// every one of them.
func (b *browser) keep(h http.Header) {
	b.rig.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range h["Set-Cookie"] {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			b.rig.t.Fatalf("Set-Cookie %q: %v", line, err)
		}
		if strings.HasPrefix(cookie.Name, fragmentCookies) { // which scripts write, and the gateway only deletes
			if cookie.MaxAge >= 0 || !cookie.Secure || cookie.Path != "/auth/callback" {
				b.rig.t.Errorf("Set-Cookie of a fragment: %s", line)
			}
			delete(b.jar, cookie.Name)
			continue
		}
		if !strings.HasPrefix(cookie.Name, "__Host-") || !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" ||
			cookie.Domain != "" || cookie.SameSite == 0 || len(line) > 4096 {
			b.rig.t.Errorf("Set-Cookie without an attribute it needs: %s", line)
		}
		if cookie.MaxAge < 0 {
			delete(b.jar, cookie.Name)
		} else {
			b.jar[cookie.Name] = cookie.Value
		}
	}
}

// send adds the browser's cookies to a request and keeps those of the answer.
func (b *browser) send(r *http.Request) answer {
	b.rig.t.Helper()
	b.attach(r)
	a := b.rig.serve(r)
	b.keep(a.Header())
	return a
}

func (b *browser) attach(r *http.Request) {
	if line := b.cookies(); line != "" {
		r.Header.Add("Cookie", line)
	}
}

// cookies is the browser's Cookie line.
func (b *browser) cookies() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var pairs []string
	for name, value := range b.jar {
		pairs = append(pairs, name+"="+value)
	}
	sort.Strings(pairs)
	return strings.Join(pairs, "; ")
}

func (b *browser) do(method, target string, with headers) answer {
	b.rig.t.Helper()
	return b.send(request(b.rig.t, method, target, with))
}

func (b *browser) navigate(target string) answer {
	b.rig.t.Helper()
	return b.do("GET", target, navigation)
}

// start begins a sign-in by going to a protected page, and returns its state.
func (b *browser) start(target string) string {
	b.rig.t.Helper()
	return b.navigate(target).state(b.rig.t)
}

// comeBack is the provider's redirect to the callback.
func (b *browser) comeBack(query string) answer {
	b.rig.t.Helper()
	return b.do("GET", "/auth/callback?"+query, fromAway)
}

func (b *browser) finish(state string) answer {
	b.rig.t.Helper()
	return b.comeBack(url.Values{"code": {"the-code"}, "state": {state}}.Encode())
}

func (b *browser) has(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, there := b.jar[name]
	return there
}

// flows is how many sign-ins the browser is in the middle of.
func (b *browser) flows() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name := range b.jar {
		if strings.HasPrefix(name, flowCookies) {
			n++
		}
	}
	return n
}

// copyOf is a browser with the same cookies.
func (b *browser) copyOf() *browser {
	other := b.rig.browser()
	maps.Copy(other.jar, b.jar)
	return other
}

// works fails the test unless the browser is signed in as the user.
func (b *browser) works(user string) {
	b.rig.t.Helper()
	a := b.navigate("/app")
	if !a.passed || b.rig.app.last().header.Get("X-Pat-Jwt") != bearer(user) {
		b.rig.t.Errorf("not signed in as %s: %d %s", user, a.Code, a.location())
	}
}

func TestABrowserWithASessionPassesWithItsToken(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	b.works("ada")
	got := r.app.last().header
	if got.Get("X-Osc-User") != "ada" || got.Get("X-Osc-Tenant") != "acme" {
		t.Errorf("identity headers %q %q", got.Get("X-Osc-User"), got.Get("X-Osc-Tenant"))
	}
	if cookie := got.Get("Cookie"); cookie != "" {
		t.Errorf("the application saw the gateway's cookies: %s", cookie)
	}
	r.checkLog()
}

package gate_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/gate"
)

// leaving is what the page says that sends a browser to the provider.
type leaving struct{ url, cookie, attributes string }

var leaveLink = regexp.MustCompile(`id="leave" href="([^"]*)" data-cookie="([^"]*)" data-attributes="([^"]*)"`)

func (a answer) leaving(t testing.TB) leaving {
	t.Helper()
	found := leaveLink.FindStringSubmatch(a.Body.String())
	if found == nil {
		t.Fatalf("%d is not the page that leads to the provider:\n%s", a.Code, a.Body)
	}
	return leaving{html.UnescapeString(found[1]), html.UnescapeString(found[2]), html.UnescapeString(found[3])}
}

// state is the state of the sign-in that the page begins.
func (l leaving) state(t testing.TB) string {
	t.Helper()
	if _, state, found := strings.Cut(l.url, "&state="); found && strings.HasPrefix(l.url, authorizeAt+"?") {
		return state
	}
	t.Fatalf("%+v leads elsewhere", l)
	return ""
}

func TestARealBrowserIsSentToSignInByAPage(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	a := b.do("GET", "/app?x=1", pageLoad)
	left := a.leaving(t)
	if a.Code != http.StatusUnauthorized || a.location() != "" || b.flows() != 1 || a.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("%d, %d flows, %v", a.Code, b.flows(), a.Header())
	}
	if !strings.HasPrefix(left.cookie, fragmentCookies) || !strings.Contains(left.attributes, "Path=/auth/callback") {
		t.Errorf("%+v", left)
	}
	if done := b.finish(left.state(t)); done.location() != "/app?x=1" {
		t.Errorf("without a fragment: %d %s", done.Code, done.location())
	}
	b.works("ada")
}

func TestEverythingElseIsSentByARedirect(t *testing.T) {
	for name, with := range map[string]headers{"a program like a browser": navigation, "an old browser": {"Accept": "text/html", "Upgrade-Insecure-Requests": "1"}} {
		if a := newRig(t).browser().do("GET", "/app", with); !a.toProvider() {
			t.Errorf("%s: %d", name, a.Code)
		}
	}
	if a := newRig(t).browser().do("HEAD", "/app", pageLoad); !a.toProvider() {
		t.Errorf("HEAD: %d", a.Code)
	}
	// Whose address has no fragment of a page.
	if a := newRig(t).browser().do("GET", "/auth/signin?return_to=/app", pageLoad); !a.toProvider() {
		t.Errorf("/auth/signin: %d", a.Code)
	}
}

func TestTheFragmentOfThePageSurvivesTheSignIn(t *testing.T) {
	for kept, want := range map[string]string{
		"%23%2Frooms%2F1%3Ftab%3Da":       "/app#/rooms/1?tab=a",
		"%23a%20b":                        "/app#a%20b",
		"%23a%0d%0aSet-Cookie:x=1":        "/app",
		"rooms":                           "/app",
		"%2F%2Fevil.example":              "/app",
		"%23%C3%A9":                       "/app",
		"%23%2":                           "/app",
		"%23":                             "/app",
		strings.Repeat("a", 3000):         "/app",
		"%23" + strings.Repeat("a", 2000): "/app#" + strings.Repeat("a", 2000),
	} {
		r := newRig(t)
		b := r.browser()
		left := b.do("GET", "/app", pageLoad).leaving(t)
		b.jar[left.cookie] = kept
		if done := b.finish(left.state(t)); done.location() != want {
			t.Errorf("%.40q: %d %.60s", kept, done.Code, done.location())
		}
		if b.has(left.cookie) {
			t.Errorf("%.40q is still in the browser", kept)
		}
		r.checkLog("rooms")
	}
}

func TestTheFragmentOfAnotherTabStaysWithIt(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	one, two := b.do("GET", "/one", pageLoad).leaving(t), b.do("GET", "/two", pageLoad).leaving(t)
	b.jar[one.cookie], b.jar[two.cookie] = "%231", "%232"
	if a := b.finish(two.state(t)); a.location() != "/two#2" {
		t.Errorf("the second: %s", a.location())
	}
	if a := b.finish(one.state(t)); a.location() != "/one#1" {
		t.Errorf("the first: %s", a.location())
	}
}

func TestTheFragmentSurvivesASecondAttemptAndAContinuePage(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	left := b.do("GET", "/app", pageLoad).leaving(t)
	b.jar[left.cookie] = "%23part"
	delete(r.clients.known, r.clients.client.ID) // which ends the first attempt
	r.clients.client.ID = "client-2"
	r.clients.known["client-2"] = r.clients.client
	again := b.finish(left.state(t))
	if !again.toProvider() || b.has(left.cookie) {
		t.Fatalf("no second attempt: %d", again.Code)
	}
	if a := b.finish(again.state(t)); a.location() != "/app#part" {
		t.Errorf("the second attempt ends at %s", a.location())
	}

	strict := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Cookies.SameSite = http.SameSiteStrictMode })
	b = strict.browser()
	left = b.do("GET", "/app", pageLoad).leaving(t)
	b.jar[left.cookie] = "%23part"
	if a := b.finish(left.state(t)); a.Header().Get("Refresh") != "0; url=/app#part" || !strings.Contains(a.Body.String(), `href="/app#part"`) {
		t.Errorf("the continue page: %v", a.Header())
	}
}

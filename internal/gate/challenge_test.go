package gate_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// programs are requests that no person sees the answer of.
var programs = []struct {
	name, method string
	with         headers
}{
	{"fetch", "GET", scripted},
	{"XHR without Fetch Metadata", "GET", headers{"X-Requested-With": "XMLHttpRequest", "Accept": "text/html"}},
	{"a form's POST", "POST", headers{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}},
	{"curl", "GET", headers{"Accept": "*/*"}},
	{"nothing said", "GET", bare},
	{"an image", "GET", image},
	{"a frame", "GET", iframe},
	{"a prefetch", "GET", prefetch},
	{"a WebSocket", "GET", headers{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Fetch-Mode": "websocket", "Origin": origin}},
	{"a foreign POST", "POST", headers{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}},
	{"a preflight", "OPTIONS", headers{"Origin": "https://evil.example", "Access-Control-Request-Method": "POST", "X-Pat-Jwt": "Bearer EVIL"}},
}

func TestAProgramThatIsSignedOutIsToldSo(t *testing.T) {
	r := newRig(t)
	for _, target := range []string{"/app/x", "/api/x"} {
		for _, tt := range programs {
			a := r.browser().do(tt.method, target, tt.with)
			checkUnauthorized(t, tt.name+" "+target, a)
			if a.reason() != string(pages.NoSession) {
				t.Errorf("%s: reason %q", tt.name, a.reason())
			}
		}
	}
}

func checkUnauthorized(t *testing.T, name string, a answer) {
	t.Helper()
	if a.passed || a.Code != http.StatusUnauthorized || a.location() != "" || len(a.Header()["Set-Cookie"]) != 0 {
		t.Errorf("%s: %d %v", name, a.Code, a.Header())
	}
	if a.Header().Get("Content-Type") != "application/problem+json" || a.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("%s: headers %v", name, a.Header())
	}
	for field := range a.Header() {
		if strings.HasPrefix(field, "Access-Control-") {
			t.Errorf("%s: the gateway adds %s", name, field)
		}
	}
	var problem struct {
		Type, Title, Reason string
		Status              int
		SignIn              string `json:"signin_url"`
	}
	if err := json.Unmarshal(a.Body.Bytes(), &problem); err != nil {
		t.Fatalf("%s: %v: %s", name, err, a.Body)
	}
	if problem.Type == "" || problem.Title == "" || problem.Status != http.StatusUnauthorized || problem.SignIn != "/auth/signin" {
		t.Errorf("%s: %+v", name, problem)
	}
}

func TestAPersonWhoIsSignedOutIsSentToSignIn(t *testing.T) {
	r := newRig(t)
	for name, with := range map[string]headers{
		"a navigation": navigation, "a link elsewhere": fromAway, "an old browser": {"Accept": "text/html,application/xhtml+xml"},
	} {
		b := r.browser()
		a := b.do("GET", "/app/x?q=1", with)
		if !a.toProvider() || b.flows() != 1 || a.Body.Len() != 0 {
			t.Errorf("%s: %d %s, flows %d", name, a.Code, a.Body, b.flows())
		}
	}
}

func TestAnAPIRouteNeverRedirects(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	r.vault.end(b.session, tokens.EndExpired)
	b.jar[sessionCookie+"x"] = "y"
	for _, with := range []headers{navigation, fromAway, {"Accept": "text/html"}} {
		for _, who := range []*browser{b, r.browser()} {
			a := who.do("GET", "/api/x", with)
			if a.Code != http.StatusUnauthorized || a.location() != "" || len(a.Header()["Set-Cookie"]) != 0 {
				t.Errorf("%d %v", a.Code, a.Header())
			}
		}
	}
}

func TestASignInReturnsToThePathTheBrowserSent(t *testing.T) {
	r := newRig(t, func(_ *rig, cfg *gate.Config) {
		cfg.Original = func(r *http.Request) (string, *url.URL) {
			u, _ := url.ParseRequestURI(r.RequestURI)
			return r.RequestURI, u
		}
	})
	b := r.browser()
	req := request(t, "GET", "/site/app?q=%41", navigation)
	req.URL.Path = "/app" // as a handler before left it
	if a := b.finish(b.send(req).state(t)); a.location() != "/site/app?q=%41" {
		t.Errorf("%s", a.location())
	}
}

func TestASessionThatIsOverSaysWhy(t *testing.T) {
	for _, reason := range []tokens.EndReason{tokens.EndExpired, tokens.EndRevoked, tokens.EndRejected} {
		r := newRig(t)
		b := r.signedIn("ada", "acme")
		r.vault.end(b.session, reason)
		a := b.do("GET", "/app", scripted)
		checkUnauthorized(t, string(reason), a)
		if a.reason() != string(reason) || r.observer.last() != pages.Reason(reason) {
			t.Errorf("reason %q, observer %q", a.reason(), r.observer.last())
		}
		if !b.has(sessionCookie) {
			t.Error("a script's answer took the session cookie away")
		}
		if a := b.navigate("/app"); !a.toProvider() || b.has(sessionCookie) {
			t.Errorf("navigation: %d, cookies %s", a.Code, b.cookies())
		}
	}
}

func TestACookieWorthNothingIsClearedOnANavigationOnly(t *testing.T) {
	r := newRig(t)
	for name, spoil := range map[string]func(*browser){
		"garbage":              func(b *browser) { b.jar[sessionCookie] = "garbage" },
		"empty":                func(b *browser) { b.jar[sessionCookie] = "" },
		"enormous":             func(b *browser) { b.jar[sessionCookie] = strings.Repeat("A", 12000) },
		"not base64":           func(b *browser) { b.jar[sessionCookie] = "!!!not-base64!!!" },
		"an unknown session":   func(b *browser) { r.vault.mu.Lock(); delete(r.vault.sessions, b.session); r.vault.mu.Unlock() },
		"a session, truncated": func(b *browser) { b.jar[sessionCookie] = b.jar[sessionCookie][:40] },
	} {
		b := r.signedIn("ada", "acme")
		spoil(b)
		for _, tt := range programs {
			a := b.do(tt.method, "/app", tt.with)
			if a.passed || a.Code != http.StatusUnauthorized && a.reason() != string(pages.CrossOrigin) || len(a.Header()["Set-Cookie"]) != 0 {
				t.Errorf("%s, %s: %d %v", name, tt.name, a.Code, a.Header()["Set-Cookie"])
			}
		}
		if a := b.navigate("/app"); !a.toProvider() || b.has(sessionCookie) {
			t.Errorf("%s: %d, cookies %s", name, a.Code, b.cookies())
		}
	}
}

func TestAForgedCookieNeverReachesTheStore(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	good := b.jar[sessionCookie]
	for i := range good {
		b.jar[sessionCookie] = good[:i] + string("AB"[good[i]&1]) + good[i+1:]
		if b.jar[sessionCookie] != good {
			b.do("GET", "/app", scripted)
		}
	}
	if n := r.vault.count("Fresh"); n > 1 { // unused bits of the last character
		t.Errorf("the store was asked %d times", n)
	}
}

func TestTwoSessionCookiesAreNoneInAnyOrder(t *testing.T) {
	r := newRig(t)
	ada, bob := r.signedIn("ada", "acme"), r.signedIn("bob", "beta")
	mine, other := sessionCookie+"="+ada.jar[sessionCookie], sessionCookie+"="+bob.jar[sessionCookie]
	garbage := sessionCookie + "=garbage"
	for _, lines := range [][]string{
		{mine + "; " + other}, {other + "; " + mine}, {mine, other}, {other, mine},
		{mine + "; " + garbage}, {garbage + "; " + mine}, {mine, garbage}, {mine + "; a=b; " + mine},
	} {
		req := request(t, "GET", "/app", scripted)
		req.Header["Cookie"] = lines
		if a := r.serve(req); a.passed || a.Code != http.StatusUnauthorized {
			t.Errorf("%d for %v", a.Code, lines)
		}
		req = request(t, "GET", "/app", navigation)
		req.Header["Cookie"] = lines
		a := r.serve(req)
		if !a.toProvider() || !strings.Contains(strings.Join(a.Header()["Set-Cookie"], "\n"), sessionCookie+"=;") {
			t.Errorf("navigation: %d %v", a.Code, a.Header()["Set-Cookie"])
		}
	}
}

func TestAFlowsValueIsNoSession(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	b.start("/app")
	for name, value := range b.copyOf().jar {
		b.jar[sessionCookie] = value
		if a := b.do("GET", "/app", scripted); a.passed {
			t.Errorf("%s passed as a session", name)
		}
	}
}

func TestOnlyTheTenantsOfARouteAreLetIn(t *testing.T) {
	r := newRig(t)
	for tenant, in := range map[string]bool{"acme": true, "beta": true, "evil": false, "": false, "ACME": false} {
		b := r.signedIn("ada", tenant)
		a := b.navigate("/acme/x")
		if a.passed != in {
			t.Errorf("tenant %q: %d", tenant, a.Code)
		}
		if in {
			continue
		}
		if a.Code != http.StatusForbidden || !strings.Contains(a.Body.String(), "/auth/signout") || !b.has(sessionCookie) {
			t.Errorf("tenant %q: %d %s", tenant, a.Code, a.Body)
		}
		if a := b.do("GET", "/acme/x", scripted); a.Code != http.StatusForbidden || a.reason() != string(pages.TenantForbidden) {
			t.Errorf("tenant %q: %d %s", tenant, a.Code, a.Body)
		}
		b.works("ada")
	}
}

func TestATenantIsNotLetInByAnotherReadingOfThePath(t *testing.T) {
	table := gate.NewTable(&gate.Route{Mode: gate.Required, Token: patHeader, Tenants: []string{"acme", "beta"}}, false)
	table.Add(under("/admin"), &gate.Route{Mode: gate.Required, Token: patHeader, Tenants: []string{"acme"}})
	table.Add(under("/beta"), &gate.Route{Mode: gate.Required, Token: patHeader, Tenants: []string{"beta"}})
	r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Routes = table })
	beta, acme := r.signedIn("bob", "beta"), r.signedIn("ada", "acme")
	for _, target := range []string{"/admin/x", "/admin;v=1/x", "//admin/x", "/%2fadmin", "/;/admin", "/admin./x"} {
		if a := beta.navigate(target); a.passed || a.Code != http.StatusForbidden {
			t.Errorf("%s for beta: %d", target, a.Code)
		}
		if a := acme.navigate(target); !a.passed {
			t.Errorf("%s for acme: %d", target, a.Code)
		}
	}
	for _, target := range []string{"/x", "/x;a/b"} {
		if !beta.navigate(target).passed || !acme.navigate(target).passed {
			t.Errorf("%s is for both", target)
		}
	}
	a := acme.navigate("/beta;x")
	if a.passed {
		t.Error("acme got to what is beta's")
	}
	if !strings.Contains(a.Body.String(), "<dd>beta</dd>") { // and not acme, whom one of the routes would let in
		t.Errorf("who may go on:\n%s", a.Body)
	}
}

func TestAnExactPublicPathIsPublicAndItsSlashedTwinIsNot(t *testing.T) {
	table := gate.NewTable(&gate.Route{Mode: gate.Required, Token: patHeader}, false)
	table.Add(exactly("/robots.txt"), &gate.Route{Mode: gate.Public})
	r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Routes = table })
	for target, public := range map[string]bool{"/robots.txt": true, "/robots.txt?x": true, "/robots.txt/": false, "/robots.txt;x": false} {
		if a := r.serve(request(t, "GET", target, bare)); a.passed != public {
			t.Errorf("%s: %d", target, a.Code)
		}
	}
}

func TestAMatcherThatFailsLetsNobodyThrough(t *testing.T) {
	table := gate.NewTable(&gate.Route{Mode: gate.Public}, false)
	table.Add(func(*http.Request) (bool, error) { return false, errDown }, &gate.Route{Mode: gate.Required})
	r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Routes = table })
	if a := r.signedIn("ada", "acme").navigate("/assets"); a.passed || a.Code != http.StatusBadRequest {
		t.Errorf("%d", a.Code)
	}
}

// A page in place of a manifest, an icon or a worker's script is taken for one.
func TestWhatProgramsAskForByNameIsNeverSentToSignIn(t *testing.T) {
	for _, path := range []string{
		"/manifest.webmanifest", "/manifest.json", "/site.webmanifest", "/sw.js", "/service-worker.js", "/favicon.ico",
		"/robots.txt", "/robots.txt?v=1", "/apple-touch-icon-180x180.png", "/.well-known/assetlinks.json",
	} {
		for name, with := range map[string]headers{"an old client": {"Accept": "text/html,*/*"}, "the address bar": navigation} {
			r := newRig(t)
			a := r.browser().do("GET", path, with)
			if a.Code != 401 || a.location() != "" || a.reason() != "no_session" || len(a.Header()["Set-Cookie"]) > 0 {
				t.Errorf("%s of %s: %d %s", path, name, a.Code, a.location())
			}
		}
		b := newRig(t).signedIn("ada", "acme")
		if a := b.navigate(path); !a.passed {
			t.Errorf("%s: %d for somebody who is signed in", path, a.Code)
		}
	}
}

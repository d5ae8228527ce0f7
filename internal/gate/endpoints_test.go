package gate_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

var ownPost = headers{"Origin": origin, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}

func TestSigningOutEndsTheSessionHereAndEverywhere(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	other := b.copyOf()
	a := b.do("POST", "/auth/signout?return_to=//evil.example", ownPost)
	if a.Code != http.StatusSeeOther || a.location() != "/auth/signed-out" || b.has(sessionCookie) || r.vault.alive(b.session) {
		t.Errorf("%d %s, cookies %s", a.Code, a.location(), b.cookies())
	}
	if got := a.Header()["Clear-Site-Data"]; len(got) != 1 || got[0] != `"cache"` {
		t.Errorf("Clear-Site-Data %v", got)
	}
	if a := other.navigate("/app"); a.passed {
		t.Error("the old cookie still passes")
	}
	if a := b.navigate("/auth/signed-out"); a.Code != http.StatusOK || b.flows() != 0 || !strings.Contains(a.Body.String(), "signed out") {
		t.Errorf("the page after: %d, flows %d", a.Code, b.flows())
	}
}

func TestAskingToSignOutOnlyShowsAButton(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	for _, with := range []headers{navigation, fromAway, image, iframe, bare} {
		a := b.do("GET", "/auth/signout", with)
		if a.Code != http.StatusOK || !strings.Contains(a.Body.String(), `method="post"`) || len(a.Header()["Set-Cookie"]) != 0 {
			t.Errorf("%d %s", a.Code, a.Body)
		}
	}
	b.works("ada")
}

func TestAnotherSiteCanNotSignAnybodyOut(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	for _, with := range []headers{
		{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"},
		{"Origin": "https://other.apps.example.com"}, {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
	} {
		a := b.do("POST", "/auth/signout", with)
		if a.Code != http.StatusForbidden || r.observer.last() != pages.CrossOrigin || len(a.Header()["Set-Cookie"]) != 0 {
			t.Errorf("%v: %d", with, a.Code)
		}
	}
	b.works("ada")
}

func TestSigningOutWithoutASessionIsFine(t *testing.T) {
	r := newRig(t)
	for _, value := range []string{"", "garbage"} {
		b := r.browser()
		if value != "" {
			b.jar[sessionCookie] = value
		}
		if a := b.do("POST", "/auth/signout", ownPost); a.Code != http.StatusSeeOther || b.has(sessionCookie) {
			t.Errorf("%d %s", a.Code, b.cookies())
		}
	}
	if n := r.vault.count("Revoke"); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
}

func TestNobodyIsToldTheyAreSignedOutWhileTheStoreIsAway(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	r.vault.fails("Revoke", &tokens.Unavailable{Part: tokens.PartStore, Err: errDown})
	a := b.do("POST", "/auth/signout", ownPost)
	if a.Code != http.StatusServiceUnavailable || !b.has(sessionCookie) || a.Header().Get("Retry-After") == "" || a.Header().Get("Clear-Site-Data") != "" {
		t.Errorf("%d %v", a.Code, a.Header())
	}
	r.vault.fails("Revoke", nil)
	if a := b.do("POST", "/auth/signout", ownPost); a.Code != http.StatusSeeOther || r.vault.alive(b.session) {
		t.Errorf("the second try: %d", a.Code)
	}
}

func TestTheSessionEndpointTellsWhoIsSignedIn(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	a := b.do("GET", "/auth/session", scripted)
	var got map[string]any
	if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil || a.Code != http.StatusOK || a.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", a.Code, err, a.Body)
	}
	now := r.clock.Now()
	want := map[string]any{
		"signed_in": true, "user": "ada", "tenant": "acme", "token_expires_at": now.Add(time.Hour).Format(time.RFC3339),
		"session_expires_at": now.Add(7 * 24 * time.Hour).Format(time.RFC3339), "idle_expires_at": now.Add(12 * time.Hour).Format(time.RFC3339),
		"signout_url": "/auth/signout",
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %v, want %v", name, got[name], value)
		}
	}
	if r.vault.count("Fresh") != 0 {
		t.Error("asking counted as use")
	}
	if strings.Contains(a.Body.String(), b.jar[sessionCookie]) || strings.Contains(a.Body.String(), b.session.String()) {
		t.Errorf("the answer gives the ticket away: %s", a.Body)
	}
}

func TestTheSessionEndpointTellsWhoIsNot(t *testing.T) {
	r := newRig(t)
	ended, unknown, forged := r.signedIn("ada", "acme"), r.signedIn("bob", "acme"), r.browser()
	r.vault.end(ended.session, tokens.EndRevoked)
	delete(r.vault.sessions, unknown.session)
	forged.jar[sessionCookie] = "garbage"
	for name, tt := range map[string]struct {
		who    *browser
		reason any
	}{
		"no cookie": {r.browser(), nil}, "a forged one": {forged, nil}, "ended": {ended, "session_revoked"}, "unknown": {unknown, nil},
	} {
		before := tt.who.cookies()
		a := tt.who.do("GET", "/auth/session", scripted)
		var got map[string]any
		if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil || a.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, a.Code, a.Body)
		}
		if got["signed_in"] != false || got["signin_url"] != "/auth/signin" || got["reason"] != tt.reason || got["user"] != nil {
			t.Errorf("%s: %v", name, got)
		}
		if tt.who.cookies() != before {
			t.Errorf("%s: cookies were touched", name)
		}
	}
	r.origins.err = errors.New("Set public_url.")
	if a := r.browser().do("GET", "/auth/session", scripted); a.Code != http.StatusOK || !strings.Contains(a.Body.String(), `"signed_in":false`) {
		t.Errorf("nobody knows the site: %d %s", a.Code, a.Body)
	}
}

func TestTheSessionEndpointDoesNotGuessWhileTheStoreIsAway(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	r.vault.fails("Peek", &tokens.Unavailable{Part: tokens.PartStore, Err: errDown})
	if a := b.do("GET", "/auth/session", scripted); a.Code != http.StatusServiceUnavailable || strings.Contains(a.Body.String(), "signed_in") {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

func TestHealthNamesTheStoreWhenItIsAway(t *testing.T) {
	r := newRig(t)
	r.origins.err, r.clients.forErr = errDown, errDown // health needs neither
	if a := r.serve(request(t, "GET", "/auth/health", bare)); a.Code != http.StatusOK || strings.TrimSpace(a.Body.String()) != `{"status":"ok"}` {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	r.vault.fails("Check", &tokens.Unavailable{Part: tokens.PartStore, Err: errors.New(canary + "password refused")})
	a := r.serve(request(t, "GET", "/auth/health", bare))
	if a.Code != http.StatusServiceUnavailable || a.reason() != "store_unavailable" || !strings.Contains(a.Body.String(), "store") {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	closed := newRig(t)
	closed.safe.err = errDown
	if a := closed.serve(request(t, "GET", "/auth/health", bare)); a.Code != http.StatusServiceUnavailable {
		t.Errorf("with the safe closed: %d", a.Code)
	}
}

func TestOtherMethodsAreRefusedWithThoseThereAre(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	for path, allow := range map[string]string{
		"/auth/signin": "GET, HEAD", "/auth/callback": "GET", "/auth/signout": "GET, HEAD, POST",
		"/auth/signed-out": "GET, HEAD", "/auth/session": "GET, HEAD", "/auth/health": "GET, HEAD",
		"/auth/events": "GET", "/auth/session.js": "GET, HEAD",
	} {
		for _, method := range []string{"DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "FOO", "post"} {
			a := b.do(method, path, bare)
			if a.Code != http.StatusMethodNotAllowed || a.Header().Get("Allow") != allow || a.passed {
				t.Errorf("%s %s: %d, Allow %q", method, path, a.Code, a.Header().Get("Allow"))
			}
		}
	}
}

func TestEarlyDataIsTooEarlyForTheGatewaysOwnPaths(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/auth/signin", "/auth/callback?code=a&state=" + foreign, "/auth/signout", "/auth/session", "/auth/health", "/auth/events", "/auth/session.js"} {
		said := request(t, "GET", path, headers{"Early-Data": "1"})
		unfinished := request(t, "GET", path, bare)
		unfinished.TLS = &tls.ConnectionState{}
		for _, req := range []*http.Request{said, unfinished} {
			if a := r.serve(req); a.Code != http.StatusTooEarly || a.location() != "" {
				t.Errorf("%s: %d", path, a.Code)
			}
		}
		finished := request(t, "GET", path, navigation)
		finished.TLS = &tls.ConnectionState{HandshakeComplete: true}
		if a := r.serve(finished); a.Code == http.StatusTooEarly {
			t.Errorf("%s after the handshake: %d", path, a.Code)
		}
	}
}

func TestPathsLikeTheGatewaysOwnAreTheApplications(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	for _, path := range []string{"/auth", "/auth/", "/auth/other", "/auth/sessions", "/auth/session/", "/x/auth/session", "/metrics", "/debug/pprof/"} {
		if a := r.serve(request(t, "GET", path, bare)); a.passed || a.Code != http.StatusUnauthorized {
			t.Errorf("%s signed out: %d", path, a.Code)
		}
		if a := b.navigate(path); !a.passed {
			t.Errorf("%s: %d", path, a.Code)
		}
	}
}

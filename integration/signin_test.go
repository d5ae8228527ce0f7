package integration

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAVisitorSignsInAndTheAppReceivesTheTokenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	v := w.visitor()

	sent := v.open("/studio?room=1")
	if sent.Status != http.StatusFound {
		t.Fatalf("a signed-out visitor got %d: %s", sent.Status, sent.Body)
	}
	authorize := sent.location(t)
	if got := authorize.Scheme + "://" + authorize.Host + authorize.Path; got != w.osc.URL+"/api/connect/authorize" {
		t.Errorf("sent to %s", got)
	}
	query := authorize.Query()
	for name, want := range map[string]string{
		"response_type": "code", "code_challenge_method": "S256", "redirect_uri": w.gateway.URL + "/auth/callback",
	} {
		if got := query[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	if w.app.calls() != 0 {
		t.Error("the app was called for a signed-out visitor")
	}

	page := v.finish(sent)
	if page.Status != http.StatusOK || page.URL.RequestURI() != "/studio?room=1" {
		t.Fatalf("ended with %d at %v", page.Status, page.URL)
	}
	got := w.app.last(t)
	if token, ok := got.token(); !ok || !w.canaries.knows(accessToken, token) {
		t.Errorf("the app got X-Pat-Jwt %q", got.Header["X-Pat-Jwt"])
	}
	if user, tenant := got.Header["X-Osc-User"], got.Header["X-Osc-Tenant"]; len(user) != 1 || user[0] != "alice" ||
		len(tenant) != 1 || tenant[0] != "acme" {
		t.Errorf("the app was told user %q, tenant %q", user, tenant)
	}
	if sent := got.Header["Cookie"]; sent != nil {
		t.Errorf("the app got the gateway's cookies: %q", sent)
	}
	if counted := w.osc.Counters(); counted.Registrations != 1 || counted.CodeExchanges != 1 {
		t.Errorf("%d registrations, %d exchanges", counted.Registrations, counted.CodeExchanges)
	}
	checkCookies(t, v)
}

// checkCookies checks that the browser holds one opaque cookie and nothing else.
func checkCookies(t *testing.T, v *visitor) {
	t.Helper()
	kept := v.cookies()
	if len(kept) != 1 || kept[0].Name != "osc_session" {
		t.Fatalf("the browser keeps %v", kept)
	}
	if value := kept[0].Value; strings.Contains(value, ".") || strings.Contains(value, "eyJ") || len(value) > 512 {
		t.Errorf("the cookie is not opaque: %s", value)
	}
}

func TestTheSessionCookieIsKeptFromScriptsAndOtherSites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	v := w.visitor()
	done := v.open(v.toCallback(v.open("/")))
	var found bool
	for _, line := range done.Header["Set-Cookie"] {
		set, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		if set.Name != "osc_session" {
			continue
		}
		found = true
		if !set.HttpOnly || set.SameSite != http.SameSiteLaxMode || set.Path != "/" || set.Domain != "" {
			t.Errorf("set with %q", line)
		}
	}
	if !found {
		t.Errorf("no session cookie: %q", done.Header["Set-Cookie"])
	}
	if got := done.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
}

func TestPoliciesDecideWhoIsAskedAndWhoGetsTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	v := w.visitor()
	for _, path := range []string{"/assets/logo.svg", "/maybe"} {
		if got := v.open(path); got.Status != http.StatusOK {
			t.Errorf("%s, signed out: %d", path, got.Status)
		}
		if got := w.app.last(t); got.URI != path || got.Header["X-Pat-Jwt"] != nil || got.Header["X-Osc-User"] != nil {
			t.Errorf("%s, signed out: the app got %v", path, got)
		}
	}
	v.signIn("/")
	for path, want := range map[string]bool{"/assets/logo.svg": false, "/maybe": true, "/api/rooms": true, "/other": true} {
		v.open(path)
		token, ok := w.app.last(t).token()
		if ok != want || ok && !w.canaries.knows(accessToken, token) {
			t.Errorf("%s, signed in: token %v", path, ok)
		}
	}
}

// problem is a refusal as programs read it.
type problem struct {
	Type, Title, Reason string
	Status              int
	SignInURL           string `json:"signin_url"`
}

func readProblem(t *testing.T, got answer) (read problem) {
	t.Helper()
	if kind := got.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/problem+json") {
		t.Fatalf("%d with %s: %s", got.Status, kind, got.Body)
	}
	if err := json.Unmarshal([]byte(got.Body), &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestWhoeverIsNotAPersonOpeningAPageGets401(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	v := w.visitor()
	upgrade := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Origin": {v.base},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	for name, got := range map[string]answer{
		"a script":                 v.fetch(http.MethodGet, "/studio"),
		"a script on an API route": v.fetch(http.MethodGet, "/api/rooms"),
		"a script that posts":      v.fetch(http.MethodPost, "/studio"),
		"a form":                   v.send(http.MethodPost, "/studio", form, "a=b"),
		"a program":                v.send(http.MethodGet, "/studio", http.Header{"Accept": {"*/*"}}, ""),
		"a WebSocket":              v.send(http.MethodGet, "/studio", upgrade, ""),
	} {
		if got.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, got.Status)
			continue
		}
		read := readProblem(t, got)
		if read.Reason != "no_session" || read.Status != 401 || read.SignInURL != "/auth/signin" || read.Type == "" || read.Title == "" {
			t.Errorf("%s: %+v", name, read)
		}
		if got.Header["Location"] != nil || got.Header["Set-Cookie"] != nil || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, got.Header)
		}
	}
	if got := v.open("/api/rooms"); got.Status != http.StatusUnauthorized || got.Header["Location"] != nil || got.Header["Set-Cookie"] != nil {
		t.Errorf("a person on an API route: %d %v", got.Status, got.Header)
	}
	if w.app.calls() != 0 {
		t.Error("the app was called")
	}
}

func TestTheSessionEndpointSaysWhoIsSignedInAndNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	v := w.visitor()
	var out struct {
		SignedIn  bool   `json:"signed_in"`
		SignInURL string `json:"signin_url"`
	}
	if got := v.fetch(http.MethodGet, "/auth/session"); got.Status != 200 || json.Unmarshal([]byte(got.Body), &out) != nil ||
		out.SignedIn || out.SignInURL != "/auth/signin" || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("signed out: %d %s", got.Status, got.Body)
	}
	v.signIn("/")
	var in struct {
		SignedIn       bool      `json:"signed_in"`
		User           string    `json:"user"`
		Tenant         string    `json:"tenant"`
		TokenExpires   time.Time `json:"token_expires_at"`
		SessionExpires time.Time `json:"session_expires_at"`
	}
	got := v.fetch(http.MethodGet, "/auth/session")
	if err := json.Unmarshal([]byte(got.Body), &in); err != nil {
		t.Fatal(err)
	}
	if !in.SignedIn || in.User != "alice" || in.Tenant != "acme" || time.Until(in.TokenExpires) < time.Minute || !in.SessionExpires.After(in.TokenExpires) {
		t.Errorf("signed in: %s", got.Body)
	}
}

func TestHealthNeedsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{oscDown: true})
	if got := w.visitor().send(http.MethodGet, "/auth/health", nil, ""); got.Status != http.StatusOK || got.Header["Set-Cookie"] != nil {
		t.Errorf("%d %v %s", got.Status, got.Header, got.Body)
	}
}

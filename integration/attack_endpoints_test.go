package integration

import (
	"context"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// attackEndpoints are attacks on what the gateway answers itself.
var attackEndpoints = []struct {
	name string
	run  func(t *testing.T, a *attackRig)
}{
	{"EP-001 no endpoint tells a secret", attackTellingEndpoints},
	{"EP-002 nothing of the server's own is served to visitors", attackServersOwn},
	{"EP-003 the configuration tells no secret, and nobody can change it from outside", attackConfiguration},
	{"EP-004 every answer has the headers that protect it", attackAnswerHeaders},
	{"EP-006 a frame starts no sign-in", attackFrames},
}

func TestAttacksOnTheGatewaysOwnEndpoints(t *testing.T) {
	t.Parallel()
	a := newAttackRig(t, attackSetup{policies: attackPublicPart})
	a.signIn("/")
	for _, c := range attackEndpoints {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, a)
			a.alive(t)
		})
	}
}

// tellsNothing looks for secrets in an answer, cookies the gateway sets apart.
func (a *attackRig) tellsNothing(t *testing.T, where string, got answer) {
	t.Helper()
	a.canaries.absent(t, where, []byte(got.Body))
	for name, values := range got.Header {
		if name != "Set-Cookie" {
			a.canaries.absent(t, where+", "+name, []byte(strings.Join(values, "\n")))
		}
	}
}

func attackTellingEndpoints(t *testing.T, a *attackRig) {
	for _, path := range []string{
		"/auth/session", "/auth/health", "/auth/signin", "/auth/callback", "/auth/signout", "/auth/signed-out", "/auth/session?token=1&debug=true", "/auth/session.js",
	} {
		for _, lines := range []string{attackCookie, attackCookie + attackPerson} {
			a.tellsNothing(t, path, a.send(t, attackRequest("GET", path, lines)+attackEnd))
		}
	}
	for _, path := range []string{"/osc_auth/status", "/osc_auth/sessions", "/metrics", "/config/"} {
		if got := a.admin(t, http.MethodGet, path, ""); got.Status != http.StatusOK {
			t.Errorf("%s: %v", path, got)
		} else {
			a.tellsNothing(t, path, got)
		}
	}
	var told map[string]any
	got := a.send(t, attackRequest("GET", "/auth/session", attackCookie)+attackEnd)
	if err := json.Unmarshal([]byte(got.Body), &told); err != nil || told["signed_in"] != true {
		t.Errorf("%v: %v", got, err)
	}
	for member := range told {
		if !slices.Contains([]string{"signed_in", "user", "tenant", "token_expires_at", "idle_expires_at", "session_expires_at", "signout_url"}, member) {
			t.Errorf("the session endpoint tells %s", member)
		}
	}
	if requests := a.upstream.take(); len(requests) != 0 {
		t.Errorf("the app got %q", requests)
	}
}

// admin calls the admin API.
func (a *attackRig) admin(t *testing.T, method, path, body string) answer {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", a.gateway.admin())
	}}
	defer transport.CloseIdleConnections()
	v := newVisitor(t, "http://127.0.0.1")
	v.client.Transport = transport
	return v.send(method, path, http.Header{}, body)
}

func attackServersOwn(t *testing.T, a *attackRig) {
	for _, path := range []string{
		"/metrics", "/debug/pprof/", "/debug/vars", "/config/", "/load", "/osc_auth/status", "/osc_auth/sessions", "/auth/metrics", "/auth/sessions",
	} {
		if got := a.send(t, attackRequest("GET", path, "")+attackEnd); got.Status != http.StatusUnauthorized || len(a.upstream.take()) != 0 {
			t.Errorf("%s, signed out: %v", path, got)
		}
		// To the gateway it is a page of the app's like any other.
		got, requests := a.send(t, attackRequest("GET", path, attackCookie)+attackEnd), a.upstream.take()
		if got.Body != "ok" || len(requests) != 1 || a.forwarded(t, requests) != 1 || !strings.HasPrefix(requests[0], "GET "+path+" ") {
			t.Errorf("%s, signed in: %v, the app got %q", path, got, requests)
		}
	}
}

func attackConfiguration(t *testing.T, a *attackRig) {
	const key = "c2VjcmV0LWtleS1mb3ItdGhlLWF0dGFjay10ZXN0cyE="
	secrets := []string{"OSC_CLIENT_ID=our-app", "OSC_CLIENT_SECRET=" + marker, "OSC_GATEWAY_KEY=" + key}
	options := "\t\tclient_id {env.OSC_CLIENT_ID}\n\t\tclient_secret {env.OSC_CLIENT_SECRET}\n\t\tkey {env.OSC_GATEWAY_KEY}\n"
	told := newAttackRig(t, attackSetup{setup: setup{global: options, env: secrets}})
	told.canaries.note(clientSecret, marker)
	told.canaries.note(planted, key)
	got := told.admin(t, http.MethodGet, "/config/", "")
	if got.Status != http.StatusOK || !strings.Contains(got.Body, "{env.OSC_CLIENT_SECRET}") {
		t.Errorf("%v", got)
	}
	told.tellsNothing(t, "/config/", got)

	load := attackRequest("POST", "/load", attackElsewhere+"Content-Type: application/json\r\n") + "Content-Length: 2\r\n\r\n{}"
	if got := a.send(t, load); got.Status != http.StatusUnauthorized {
		t.Errorf("a new configuration, from a visitor: %v", got)
	}
	attackWithoutAdmin(t)
}

// attackWithoutAdmin checks that the gateway without a file has no admin API at
// all, and keeps no configuration.
func attackWithoutAdmin(t *testing.T) {
	a := newAttackProxy(t, "https://app.example.com")
	if !a.printed("admin endpoint disabled") || a.printed("admin endpoint started") {
		t.Error("there is an admin API")
	}
	err := filepath.WalkDir(filepath.Join(a.gateway.dir, "home"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.Contains(entry.Name(), "autosave") {
			t.Errorf("there is %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// attackAnswers are requests that the gateway answers itself, in all its ways.
var attackAnswers = []string{
	// Somebody signed out, from elsewhere, and with an odd target: a person each
	// time, then a program.
	attackRequest("GET", "/studio", attackPerson),
	attackRequest("GET", "/studio", "Accept: */*\r\n"),
	attackRequest("POST", "/studio", attackCookie+attackElsewhere+attackPerson),
	attackRequest("POST", "/studio", attackCookie+attackElsewhere+"Content-Length: 0\r\n"),
	attackRequest("GET", "/assets/%2e%2e/x", attackPerson),
	attackRequest("GET", "/assets/%2e%2e/x", ""),
	// Sign-ins and what is none.
	attackRequest("GET", "/auth/signin", attackPerson),
	attackRequest("GET", "/auth/signin", "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n"),
	attackRequest("GET", "/auth/callback", attackPerson),
	attackRequest("GET", "/auth/callback?error=access_denied&state="+someState, attackPerson),
	attackRequest("DELETE", "/auth/callback", ""),
	// Signing out, which nobody does here.
	attackRequest("GET", "/auth/signout", attackPerson+attackCookie),
	attackRequest("POST", "/auth/signout", attackOrigin+"Sec-Fetch-Site: same-origin\r\n"),
	attackRequest("GET", "/auth/signed-out", attackPerson),
	attackRequest("HEAD", "/auth/signed-out", attackPerson),
	// What programs ask.
	attackRequest("GET", "/auth/session", ""),
	attackRequest("GET", "/auth/session", attackCookie),
	attackRequest("OPTIONS", "/auth/session", attackElsewhere),
	attackRequest("GET", "/auth/health", ""),
	attackRequest("GET", "/auth/health", "Early-Data: 1\r\n"),
}

func attackAnswerHeaders(t *testing.T, a *attackRig) {
	const referer = "Referer: https://elsewhere.example/\"><script>alert(1)</script>\r\n"
	for _, request := range attackAnswers {
		got := a.send(t, request+referer+attackEnd)
		request, _, _ = strings.Cut(request, " HTTP")
		a.answered(t, got)
		for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"} {
			if values := got.Header[name]; len(values) != 1 || values[0] != want {
				t.Errorf("%s: %s is %q", request, name, values)
			}
		}
		policy := got.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: Content-Security-Policy is %q", request, policy)
		}
		if kind := got.Header.Get("Content-Type"); got.Body != "" && kind != attackKind(got) {
			t.Errorf("%s: Content-Type is %q", request, kind)
		}
		if strings.Contains(got.Body, "<script") || strings.Contains(got.Body, "elsewhere.example") {
			t.Errorf("%s: the page says what it was told:\n%s", request, got.Body)
		}
	}
	if requests := a.upstream.take(); len(requests) != 0 {
		t.Errorf("the app got %q", requests)
	}
}

// attackKind is what an answer's body is.
func attackKind(got answer) string {
	switch {
	case strings.HasPrefix(got.Body, "<"):
		return "text/html; charset=utf-8"
	case strings.Contains(got.Body, `"reason"`):
		return "application/problem+json"
	default:
		return "application/json"
	}
}

func attackFrames(t *testing.T, a *attackRig) {
	const framed = "Accept: text/html\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: "
	before := a.osc.Counters()
	for _, kind := range []string{"iframe", "frame", "object", "embed", "image", "empty"} {
		for _, path := range []string{"/auth/signin", "/studio"} {
			got := a.send(t, attackRequest("GET", path, framed+kind+"\r\n")+attackEnd)
			if got.Status/100 != 4 || got.Header["Location"] != nil || got.Header["Set-Cookie"] != nil {
				t.Errorf("%s, in an %s: %v %v", path, kind, got, got.Header)
			}
			if !strings.Contains(got.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
				t.Errorf("%s, in an %s: may be framed", path, kind)
			}
		}
	}
	if now := a.osc.Counters(); now.Registrations != before.Registrations || now.Authorizations != before.Authorizations {
		t.Error("a sign-in was started")
	}
}

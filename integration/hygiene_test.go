package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// forgeries are field lines by which clients try to speak for the gateway, or
// to silence it.
var forgeries = map[string]string{
	"the token's field":            "x-pat-jwt: Bearer forged\r\n",
	"in capitals":                  "X-PAT-JWT: Bearer forged\r\n",
	"with underscores":             "x_pat_jwt: Bearer forged\r\n",
	"with a mixture":               "X-Pat_Jwt: Bearer forged\r\nX_Pat-Jwt: Bearer forged\r\n",
	"with dots":                    "x.pat.jwt: Bearer forged\r\n",
	"twice":                        "x-pat-jwt: Bearer forged\r\nx-pat-jwt: Bearer forged\r\n",
	"empty":                        "x-pat-jwt:\r\n",
	"the other token's field":      "x-jwt: forged\r\nX_JWT: forged\r\n",
	"who the user is":              "X-Osc-User: forged\r\nx_osc_user: forged\r\nX-OSC-Tenant: forged\r\nX.Osc.Admin: forged\r\n",
	"names in Connection":          "Connection: x-pat-jwt, x-osc-user, close\r\n",
	"names in Connection, spelled": "Connection: X_Pat_Jwt\r\nConnection: X-PAT-JWT\r\nConnection: x-osc-tenant\r\n",
	"names and fields":             "Connection: x-pat-jwt\r\nx-pat-jwt: Bearer forged\r\n",
	"Authorization":                "Authorization: Bearer forged\r\n",
	"cookies of service tokens":    "Cookie: eyevinn-intercom-manager.sat=forged; A.SAT=forged; kept=1\r\n",
	"cookies of the gateway's":     "Cookie: OSC_SESSION=forged; __Host-osc_session=forged; osc_session_flow_00=forged; kept=1\r\n",
	"an upgrade to HTTP/2":         "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
}

// bodies are a plain request, and one with trailers, announced or not.
var bodies = map[string]string{
	"":               "\r\n",
	" in trailers":   "Trailer: x-pat-jwt, X-Osc-User, X_Pat_Jwt\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-pat-jwt: Bearer forged\r\nX-Osc-User: forged\r\nX_Pat_Jwt: forged\r\n\r\n",
	" in a surprise": "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-pat-jwt: Bearer forged\r\nX-Osc-Tenant: forged\r\n\r\n",
}

// falseClaims are field lines by which clients say that their request is another
// one, or comes from somewhere else.
var falseClaims = map[string]string{
	"another method":           "X-HTTP-Method-Override: forged\r\n",
	"another method, spelled":  "X_Method_Override: forged\r\n",
	"another address":          "X-Real-IP: forged\r\n",
	"another address, at last": "Forwarded: for=forged\r\n",
	"another target":           "X-Original-URL: /forged\r\n",
	"another prefix":           "X-Forwarded-Prefix: /forged\r\n",
}

func TestTheAppReadsOnTheWireOnlyWhatTheGatewayWrote(t *testing.T) {
	t.Parallel()
	upstream := newRawApp(t)
	w := newWorld(t, setup{site: forgedSite(upstream.address())})
	forgeAll(t, w, upstream.take)
}

// forgedSite has a route of each kind in front of an upstream.
func forgedSite(upstream string) string {
	return "\tosc_proxy " + upstream + " {\n\t\tpublic /assets/*\n\t\toptional /maybe\n\t}\n"
}

// forgeAll sends every forgery, in every body and on every route, as somebody
// who is signed in; take returns the requests that the upstream got since the
// last time.
func forgeAll(t *testing.T, w *world, take func() []string) {
	t.Helper()
	w.quickly()
	v := w.visitor()
	v.signIn("/")
	take()
	for name, lines := range forgeries {
		for how, body := range bodies {
			for path, signedIn := range map[string]bool{"/studio": true, "/maybe": true, "/assets/a.js": false} {
				t.Run(name+how+path, func(t *testing.T) {
					checkWire(t, w, take, forge(t, w, v, path, lines+body), signedIn)
				})
			}
		}
	}
	for name, lines := range falseClaims {
		t.Run(name, func(t *testing.T) { checkWire(t, w, take, forge(t, w, v, "/studio", lines+"\r\n"), true) })
	}
}

// forge sends a visitor's request with these lines and body.
func forge(t *testing.T, w *world, v *visitor, path, rest string) (status int) {
	t.Helper()
	return exchange(t, w.gateway.tap.listener.Addr().String(), fmt.Sprintf(
		"POST %s HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nCookie: osc_session=%s; own=yes\r\n%s",
		path, strings.TrimPrefix(v.base, "http://"), v.base, v.session(), rest))
}

func checkWire(t *testing.T, w *world, take func() []string, status int, signedIn bool) {
	t.Helper()
	requests := take()
	if status != http.StatusOK || len(requests) != 1 {
		t.Fatalf("status %d, %d requests", status, len(requests))
	}
	raw := requests[0]
	if strings.Contains(raw, "forged") && !strings.Contains(raw, "\r\nAuthorization: Bearer forged\r\n") || strings.Count(raw, "forged") > 1 {
		t.Errorf("the app got a forgery:\n%s", raw)
	}
	fields := wireFields(raw)
	want := 0
	if signedIn {
		want = 1
		if fields["authorization"] != nil {
			t.Errorf("a client's Authorization beside the token:\n%s", raw)
		}
		if token := fields["x-pat-jwt"]; len(token) != 1 || !w.canaries.knows(accessToken, strings.TrimPrefix(token[0], "Bearer ")) {
			t.Errorf("x-pat-jwt is %q", token)
		}
		if user, tenant := fields["x-osc-user"], fields["x-osc-tenant"]; strings.Join(user, ",") != "alice" || strings.Join(tenant, ",") != "acme" {
			t.Errorf("the app was told user %q, tenant %q", user, tenant)
		}
	}
	for _, name := range []string{"x-pat-jwt", "x-osc-user", "x-osc-tenant"} {
		if len(fields[name]) != want {
			t.Errorf("%d fields %s:\n%s", len(fields[name]), name, raw)
		}
	}
	for _, name := range []string{"x-jwt", "x-osc-admin", "upgrade", "http2-settings"} {
		if fields[name] != nil {
			t.Errorf("%s: %q", name, fields[name])
		}
	}
	cookies := strings.Join(fields["cookie"], "; ")
	if !strings.Contains(cookies, "own=yes") || strings.Contains(strings.ToLower(cookies), "osc_session") || strings.Contains(strings.ToLower(cookies), ".sat") {
		t.Errorf("cookies: %q", cookies)
	}
}

func TestATargetThatReadsInTwoWaysNeverGetsTheLaxerPolicy(t *testing.T) {
	t.Parallel()
	upstream := newRawApp(t)
	w := newWorld(t, setup{site: "\tosc_proxy " + upstream.address() + " {\n\t\tpublic /assets/*\n\t}\n"})
	for _, target := range []string{
		"/assets/../studio", "/assets/%2e%2e/studio", "/assets/..%2fstudio", "/assets/%252e%252e/studio", `/assets/..\studio`,
		"/assets/%5c../studio", "/assets/..;/studio", "/assets/.%2e;x=1/studio", "/assets/%c0%ae%c0%ae/studio", "/assets/./../studio",
		"//studio", "/%2fstudio", "*", "/assets/\x01", "/assets/%00", "/assets/%0d%0aX: y",
	} {
		conn := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, strings.TrimPrefix(w.gateway.URL, "http://"))
		if status := exchange(t, w.gateway.tap.listener.Addr().String(), conn); status/100 != 4 {
			t.Errorf("%q: %d", target, status)
		}
	}
	if got := upstream.take(); len(got) != 0 {
		t.Errorf("the app got %q", got)
	}
}

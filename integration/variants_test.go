package integration

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestOscAuthLeavesTheTokenToTheTransport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{site: `	osc_auth {
		public /assets/*
		inject transport
	}
	reverse_proxy {upstream} {
		transport osc
	}
`})
	v := w.visitor()
	if page := v.signIn("/studio"); page.Status != http.StatusOK || !strings.Contains(page.Body, ">arrived<") {
		t.Errorf("%v\n%s", page, page.Body)
	}
	v.open("/assets/a.js")
	if w.app.last(t).Header["X-Pat-Jwt"] != nil {
		t.Error("a token on a public route")
	}
}

func TestTheTokenGoesWhereItIsAskedForAndNowhereElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{site: `	osc_proxy {upstream} {
		required /authorization { 
			token_header authorization
		}
		required /raw {
			token_header X-My-Token raw
		}
		required /none {
			token_header off
			identity_headers off
		}
	}
`})
	w.quickly()
	v := w.visitor()
	v.signIn("/")
	for path, c := range map[string]struct{ field, prefix string }{
		"/authorization": {"Authorization", "Bearer "}, "/raw": {"X-My-Token", ""}, "/none": {}, "/other": {"X-Pat-Jwt", "Bearer "},
	} {
		v.open(path)
		got := w.app.last(t).Header
		for _, field := range []string{"Authorization", "X-My-Token", "X-Pat-Jwt"} {
			values := got[field]
			if field != c.field && values != nil {
				t.Errorf("%s: %s is there", path, field)
			}
			if field == c.field && (len(values) != 1 || !w.canaries.knows(accessToken, strings.TrimPrefix(values[0], c.prefix))) {
				t.Errorf("%s: %s is %q", path, field, values)
			}
		}
		if path == "/none" && got["X-Osc-User"] != nil {
			t.Error("/none: told who the user is")
		}
	}
}

func TestAWorkspaceThatIsNotLetInIsToldSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{site: "\tosc_proxy {upstream} {\n\t\trequired /studio/* {\n\t\t\ttenants acme\n\t\t}\n\t}\n"})
	v := w.visitor()
	v.user = "bob"
	if page := v.signIn("/"); page.Status != http.StatusOK {
		t.Fatal(page)
	}
	calls := w.app.calls()
	if got := v.open("/studio/1"); got.Status != http.StatusForbidden || !strings.Contains(got.Body, "tenant_forbidden") {
		t.Errorf("a person: %v", got)
	}
	if got := v.fetch(http.MethodGet, "/studio/1"); got.Status != http.StatusForbidden || readProblem(t, got).Reason != "tenant_forbidden" {
		t.Errorf("a script: %v", got)
	}
	if w.app.calls() != calls || v.open("/").Status != http.StatusOK {
		t.Error("the app was called, or the session is gone")
	}
	alice := w.visitor()
	if page := alice.signIn("/studio/1"); page.Status != http.StatusOK {
		t.Errorf("of the right workspace: %v", page)
	}
}

func TestAWorkspaceIsChosenAtTheProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	v := w.visitor()
	v.user = "carol"
	at := v.open("/")
	for !strings.Contains(at.Body, `id="consent"`) {
		at, _ = v.step(at)
	}
	v.finish(v.submit(at, `id="consent"`, url.Values{"decision": {"allow"}, "workspace": {"beta"}}))
	if tenant := w.app.last(t).Header.Get("X-Osc-Tenant"); tenant != "beta" {
		t.Errorf("the app was told %q", tenant)
	}
}

func TestAWebSocketCarriesTheTokenFromTheSiteItselfOnly(t *testing.T) {
	t.Parallel()
	upstream := newRawApp(t)
	w := newWorld(t, setup{site: "\tosc_proxy " + upstream.address() + "\n"})
	w.quickly()
	v := w.visitor()
	v.signIn("/")
	upstream.take()
	for origin, want := range map[string]int{v.base: http.StatusOK, "https://elsewhere.example": http.StatusForbidden, "null": http.StatusForbidden} {
		status := exchange(t, w.gateway.tap.listener.Addr().String(), fmt.Sprintf(
			"GET /socket HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nCookie: osc_session=%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
			strings.TrimPrefix(v.base, "http://"), origin, v.session()))
		requests := upstream.take()
		if status != want || (len(requests) == 1) != (want == http.StatusOK) {
			t.Errorf("%s: %d, %d requests", origin, status, len(requests))
		}
		for _, raw := range requests {
			if fields := wireFields(raw); len(fields["x-pat-jwt"]) != 1 || len(fields["upgrade"]) != 1 {
				t.Errorf("%s: the app got\n%s", origin, raw)
			}
		}
	}
}

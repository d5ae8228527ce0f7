package caddymodule

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// sites are the ways to put the gateway in front of an app.
var sites = map[string]string{
	"osc_proxy": `{
	osc_auth {
		issuer {$OSC}
	}
}

http://localhost {
	osc_proxy {$APP}
}`,
	"osc_auth and reverse_proxy": `{
	osc_auth {
		issuer {$OSC}
	}
}

http://localhost {
	osc_auth
	reverse_proxy {$APP}
}`,
	"osc_auth and transport osc": `{
	osc_auth {
		issuer {$OSC}
	}
}

http://localhost {
	osc_auth {
		inject transport
	}
	reverse_proxy {$APP} {
		transport osc
	}
}`,
}

func TestAVisitorSignsInAndTheTokenArrivesOnce(t *testing.T) {
	for name, text := range sites {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.serve(text)
			b := g.browser()
			got := b.goes(g.local() + "/studio/page?tab=2&x=%2F")
			wantStatus(t, got, http.StatusOK)
			if want := g.local() + "/studio/page?tab=2&x=%2F"; got.url != want {
				t.Errorf("ended at %s, want %s", got.url, want)
			}
			r := w.app.one(t)
			wantToken(t, r, "X-Pat-Jwt", "Bearer ")
			if r.Header.Get("X-Osc-User") != "alice" || r.Header.Get("X-Osc-Tenant") != "acme" {
				t.Errorf("identity: %v", r.Header)
			}
			if r.Header.Get("Cookie") != "" || r.Header.Get("Authorization") != "" {
				t.Errorf("the app got %v", r.Header)
			}
			wantStatus(t, b.asks("GET", g.local()+"/again"), http.StatusOK)
			wantToken(t, w.app.one(t), "X-Pat-Jwt", "Bearer ")
			if made := w.sim.Counters(); made.CodeExchangesOK != 1 || made.Registrations != 1 {
				t.Errorf("%d sign-ins, %d clients", made.CodeExchangesOK, made.Registrations)
			}
		})
	}
}

func TestASignedOutBrowserIsSignedOut(t *testing.T) {
	w := newWorld(t)
	g := w.serve(sites["osc_proxy"])
	b := g.browser()
	b.signsIn(g.local() + "/")
	if got := b.asks("GET", g.local()+"/auth/session"); !strings.Contains(got.body, `"user":"alice"`) {
		t.Errorf("session: %s", got.body)
	}
	got := b.asks("POST", g.local()+"/auth/signout", "Origin: "+g.local(), "Sec-Fetch-Site:", "Sec-Fetch-Site: same-origin")
	wantStatus(t, got, http.StatusSeeOther)
	if left := b.cookies(g.local()); left != "" {
		t.Errorf("cookies left: %s", left)
	}
	if got := b.asks("GET", g.local()+"/auth/session"); !strings.Contains(got.body, `"signed_in":false`) {
		t.Errorf("session: %s", got.body)
	}
	wantStatus(t, b.asks("GET", g.local()+"/"), http.StatusFound)
}

func TestAProgramIsToldAndNotRedirected(t *testing.T) {
	w := newWorld(t)
	g := w.serve(sites["osc_proxy"])
	got := g.browser().asks("GET", g.local()+"/", "Accept:", "Sec-Fetch-Mode:", "Sec-Fetch-Dest:", "Sec-Fetch-Site:")
	wantStatus(t, got, http.StatusUnauthorized)
	for _, want := range []string{`"reason":"no_session"`, `"signin_url":"/auth/signin"`} {
		if !strings.Contains(got.body, want) {
			t.Errorf("no %s in %s", want, got.body)
		}
	}
	if asked := w.app.requests(); len(asked) > 0 {
		t.Errorf("the app was asked %s", asked[0].URL)
	}
}

func TestTheCallbackIsFoundWhereverTheDirectiveStands(t *testing.T) {
	for name, c := range map[string]struct{ site, page, appSees string }{
		"after a rewrite": {`
	rewrite * /index.php{uri}
	osc_proxy {$APP}`, "/studio", "/index.php/studio"},
		"after a stripped prefix": {`
	uri strip_prefix /app
	osc_proxy {$APP}`, "/app/studio", "/studio"},
		"in handle_path": {`
	handle_path /app/* {
		osc_proxy {$APP} {
			endpoints /app/auth
		}
	}`, "/app/studio", "/studio"},
		"in handle": {`
	handle /app/* {
		osc_auth {
			endpoints /app/auth
		}
		reverse_proxy {$APP}
	}`, "/app/studio", "/app/studio"},
		"in route": {`
	route {
		rewrite * /v2{uri}
		osc_auth
		reverse_proxy {$APP}
	}`, "/studio", "/v2/studio"},
		"with an outer path": {`
	osc_proxy /app/* {$APP}`, "/app/studio", "/app/studio"},
		"with an outer matcher": {`
	@app {
		path /app/*
		method GET
	}
	osc_proxy @app {$APP}`, "/app/studio", "/app/studio"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.serve("{\n\tosc_auth {\n\t\tissuer {$OSC}\n\t}\n}\n\nhttp://localhost {" + c.site + "\n}")
			got := g.browser().goes(g.local() + c.page)
			wantStatus(t, got, http.StatusOK)
			if got.url != g.local()+c.page {
				t.Errorf("ended at %s", got.url)
			}
			r := w.app.one(t)
			wantToken(t, r, "X-Pat-Jwt", "Bearer ")
			if r.URL.Path != c.appSees {
				t.Errorf("the app saw %s, want %s", r.URL.Path, c.appSees)
			}
		})
	}
}

func TestOutsideOfItsMatcherTheGateIsPublicAndStillStrips(t *testing.T) {
	w := newWorld(t)
	g := w.serve(`{
	osc_auth {
		issuer {$OSC}
	}
}

http://localhost {
	osc_auth /app/*
	reverse_proxy {$APP}
}`)
	b := g.browser()
	wantStatus(t, b.asks("GET", g.local()+"/auth/health"), http.StatusOK)
	wantStatus(t, b.asks("GET", g.local()+"/news", "X-Pat-Jwt: Bearer forged", "X-Osc-User: root", "Cookie: a=b; osc_session=x"), http.StatusOK)
	r := w.app.one(t)
	wantNoToken(t, r)
	if r.Header.Get("Cookie") != "a=b" {
		t.Errorf("cookies: %v", r.Header["Cookie"])
	}
	wantStatus(t, b.asks("GET", g.local()+"/app/"), http.StatusFound)
	b.signsIn(g.local() + "/app/")
	wantStatus(t, b.asks("GET", g.local()+"/news"), http.StatusOK)
	wantNoToken(t, w.app.one(t))
}

func TestPoliciesAreCaddysMatchers(t *testing.T) {
	w := newWorld(t)
	g := w.serve(`{
	osc_auth {
		issuer {$OSC}
	}
}

http://localhost {
	@assets {
		path *.css
		method GET
	}
	osc_proxy {$APP} {
		public @assets /healthz
		optional /
		api /api/*
		required /acme/* {
			tenants acme
		}
		required /beta/* {
			tenants beta
		}
	}
}`)
	b := g.browser()
	for _, c := range []struct {
		method, path        string
		signedOut, signedIn int
		tokenIfSignedIn     bool
	}{
		{method: "GET", path: "/site.css", signedOut: 200, signedIn: 200},
		{method: "POST", path: "/site.css", signedOut: 401, signedIn: 200, tokenIfSignedIn: true},
		{method: "GET", path: "/healthz", signedOut: 200, signedIn: 200},
		{method: "GET", path: "/", signedOut: 200, signedIn: 200, tokenIfSignedIn: true},
		{method: "GET", path: "/api/x", signedOut: 401, signedIn: 200, tokenIfSignedIn: true},
		{method: "GET", path: "/acme/x", signedOut: 302, signedIn: 200, tokenIfSignedIn: true},
		{method: "GET", path: "/beta/x", signedOut: 302, signedIn: 403},
		{method: "GET", path: "/else", signedOut: 302, signedIn: 200, tokenIfSignedIn: true},
	} {
		anonymous := g.browser()
		if got := anonymous.asks(c.method, g.local()+c.path); got.status != c.signedOut {
			t.Errorf("signed out: %s %s gave %d", c.method, c.path, got.status)
		}
		for _, r := range w.app.requests() {
			wantNoToken(t, r)
		}
		if b.cookies(g.local()) == "" {
			b.signsIn(g.local() + "/else")
		}
		if got := b.asks(c.method, g.local()+c.path); got.status != c.signedIn {
			t.Errorf("signed in: %s %s gave %d", c.method, c.path, got.status)
		}
		for _, r := range w.app.requests() {
			if c.tokenIfSignedIn {
				wantToken(t, r, "X-Pat-Jwt", "Bearer ")
			} else {
				wantNoToken(t, r)
			}
		}
	}
}

func TestSeveralSitesShareNoSession(t *testing.T) {
	w := newWorld(t)
	g := w.serve(`{
	osc_auth {
		issuer {$OSC}
	}
}

http://a.localhost {
	osc_proxy {$APP}
}

http://b.localhost {
	osc_proxy {$APP}
}`)
	b := g.browser()
	a, other := "http://a.localhost:"+g.port(), "http://b.localhost:"+g.port()
	b.signsIn(a + "/")
	wantStatus(t, b.asks("GET", other+"/"), http.StatusFound)
	from, _ := url.Parse(a)
	to, _ := url.Parse(other)
	b.client.Jar.SetCookies(to, b.client.Jar.Cookies(from))
	if got := b.asks("GET", other+"/auth/session"); !strings.Contains(got.body, `"signed_in":false`) {
		t.Errorf("the cookie of %s opened %s: %s", a, other, got.body)
	}
	wantStatus(t, b.asks("GET", other+"/"), http.StatusFound)
	wantStatus(t, b.asks("GET", a+"/"), http.StatusOK)
}

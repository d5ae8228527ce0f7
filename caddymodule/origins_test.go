package caddymodule

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// site is a Caddyfile with one site that is proxied, and more global options.
func site(address, options, block string) string {
	if options != "" {
		options = "\n" + options
	}
	if block != "" {
		block = " {\n" + block + "\n\t}"
	}
	return "{\n\tosc_auth {\n\t\tissuer {$OSC}\n\t}" + options + "\n}\n\n" + address + " {\n\tosc_proxy {$APP}" + block + "\n}"
}

const trustsLoopback = "\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t}"

// redirectURI is the one a sign-in was started with.
func redirectURI(t *testing.T, got answer) string {
	t.Helper()
	wantStatus(t, got, http.StatusFound)
	u, err := url.Parse(got.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("redirect_uri")
}

func TestTheRedirectURIIsOfTheSiteAndNeverOfTheClient(t *testing.T) {
	const catchAll, named = ":8080", "http://app.example.com"
	for name, c := range map[string]struct {
		address, options, block string
		url                     string
		fields                  []string
		want                    string // the redirect URI's origin
		refused                 string // what the page says instead
	}{
		"a forged Host on a catch-all is refused": {
			address: catchAll, url: "http://evil.example.net/", refused: "Set public_url for this site, like `public_url https://app.example.com`",
		},
		"loopback on a catch-all is this machine": {
			address: catchAll, url: "http://127.0.0.1:{port}/", want: "http://127.0.0.1:{port}",
		},
		"public_url of a catch-all holds whatever the Host": {
			address: catchAll, block: "\t\tpublic_url https://app.example.com", url: "http://evil.example.net/", want: "https://app.example.com",
		},
		"of several public_urls the one asked for": {
			address: catchAll, block: "\t\tpublic_url https://a.example.com https://b.example.com:8443", url: "http://B.example.com:8443/", want: "https://b.example.com:8443",
		},
		"of several public_urls the first for any other host": {
			address: catchAll, block: "\t\tpublic_url https://a.example.com https://b.example.com:8443", url: "http://evil.example.net/", want: "https://a.example.com",
		},
		"http beyond this machine refuses sign-in": {
			address: named, url: "http://app.example.com/", refused: "Set `public_url https://app.example.com` if TLS ends in front of the gateway",
		},
		"an untrusted X-Forwarded-Proto is ignored": {
			address: named, url: "http://app.example.com/", fields: []string{"X-Forwarded-Proto: https"}, refused: "a session must not travel in the clear",
		},
		"a trusted X-Forwarded-Proto is believed": {
			address: named, options: trustsLoopback, url: "http://app.example.com/", fields: []string{"X-Forwarded-Proto: https"}, want: "https://app.example.com",
		},
		"of several trusted values the nearest counts": {
			address: named, options: trustsLoopback, url: "http://app.example.com/", fields: []string{"X-Forwarded-Proto: https, http"}, refused: "a session must not travel in the clear",
		},
		"an untrusted X-Forwarded-Host is ignored": {
			address: "http://localhost", url: "http://localhost:{port}/", fields: []string{"X-Forwarded-Host: evil.example.net"}, want: "http://localhost:{port}",
		},
		"a trusted X-Forwarded-Host of a configured site is believed": {
			address: "http://app.example.com, http://10.0.0.1", options: trustsLoopback, url: "http://10.0.0.1/",
			fields: []string{"X-Forwarded-Host: app.example.com", "X-Forwarded-Proto: https"}, want: "https://app.example.com",
		},
		"a trusted X-Forwarded-Host of no site is refused": {
			address: "http://app.example.com, http://10.0.0.1", options: trustsLoopback, url: "http://10.0.0.1/",
			fields: []string{"X-Forwarded-Host: evil.example.net", "X-Forwarded-Proto: https"}, refused: "Set public_url",
		},
		"a Host in capitals is the same site": {
			address: named, options: trustsLoopback, url: "http://APP.example.com/", fields: []string{"X-Forwarded-Proto: https"}, want: "https://app.example.com",
		},
		"a wildcard site knows its hosts": {
			address: "http://*.example.com", options: trustsLoopback, url: "http://app.example.com/", fields: []string{"X-Forwarded-Proto: https"}, want: "https://app.example.com",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.serve(site(c.address, c.options, c.block))
			b := g.browser()
			here := strings.NewReplacer("{port}", g.port())
			got := b.asks("GET", here.Replace(c.url), c.fields...)
			if c.refused != "" {
				wantStatus(t, got, http.StatusBadRequest)
				if !strings.Contains(unescape(got.body), c.refused) {
					t.Errorf("no %q in %s", c.refused, got.body)
				}
				if w.sim.Counters().Registrations > 0 {
					t.Error("a client was registered")
				}
				return
			}
			if uri, want := redirectURI(t, got), here.Replace(c.want)+"/auth/callback"; uri != want {
				t.Errorf("redirect URI %s, want %s", uri, want)
			}
		})
	}
}

// unescape reads what a page shows.
func unescape(page string) string {
	return strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&#96;", "`", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(page)
}

func TestOnHTTPSTheCookieIsPrefixedAndSecure(t *testing.T) {
	w := newWorld(t)
	g := w.serveTLS(site("https://app.example.com", "", ""))
	b := g.browser()
	b.signsIn("https://app.example.com/studio")
	if names := b.cookies("https://app.example.com/"); names != "__Host-osc_session" {
		t.Errorf("cookies: %s", names)
	}
	wantStatus(t, b.asks("GET", "https://app.example.com/"), http.StatusOK)
	wantToken(t, w.app.one(t), "X-Pat-Jwt", "Bearer ")
}

func TestTheSessionCookieSaysWhatItIs(t *testing.T) {
	for name, c := range map[string]struct {
		tls               bool
		address, page, id string
		block             string
		want              []string
	}{
		"on https":        {true, "https://app.example.com", "https://app.example.com/", "__Host-osc_session", "", []string{"Secure", "HttpOnly", "SameSite=Lax", "Path=/"}},
		"with a name":     {true, "https://app.example.com", "https://app.example.com/", "__Host-mine", "\t\tcookie mine", []string{"Secure"}},
		"strict":          {true, "https://app.example.com", "https://app.example.com/", "__Host-osc_session", "\t\tsame_site strict", []string{"SameSite=Strict"}},
		"on this machine": {false, "http://localhost", "http://localhost:{port}/", "osc_session", "", []string{"HttpOnly", "SameSite=Lax", "Path=/"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.gateway(site(c.address, "", c.block), c.tls)
			b := g.browser()
			started := b.asks("GET", strings.ReplaceAll(c.page, "{port}", g.port()))
			wantStatus(t, started, http.StatusFound)
			allowed := b.asks("GET", started.header.Get("Location"))
			wantStatus(t, allowed, http.StatusFound)
			finished := b.asks("GET", allowed.header.Get("Location"))
			var line string
			for _, cookie := range finished.header.Values("Set-Cookie") {
				if strings.HasPrefix(cookie, c.id+"=") {
					line = cookie
				}
			}
			if line == "" {
				t.Fatalf("no %s in %v", c.id, finished.header.Values("Set-Cookie"))
			}
			for _, want := range append(c.want, "Max-Age=") {
				if !strings.Contains(line, want) {
					t.Errorf("no %s in %s", want, line)
				}
			}
			if strings.Contains(line, "Domain") {
				t.Errorf("a domain in %s", line)
			}
			if !c.tls && strings.Contains(line, "Secure") {
				t.Errorf("Secure on http: %s", line)
			}
		})
	}
}

func TestAStrictSiteContinuesFromAPageOfItsOwn(t *testing.T) {
	w := newWorld(t)
	g := w.serveTLS(site("https://app.example.com", "", "\t\tsame_site strict"))
	b := g.browser()
	got := b.goes("https://app.example.com/studio?tab=2")
	wantStatus(t, got, http.StatusOK)
	if !strings.HasPrefix(got.url, "https://app.example.com/auth/callback?") {
		t.Fatalf("ended at %s", got.url)
	}
	if got.header.Get("Refresh") != "0; url=/studio?tab=2" {
		t.Errorf("Refresh: %s", got.header.Get("Refresh"))
	}
	if asked := w.app.requests(); len(asked) > 0 {
		t.Errorf("the app was asked %s", asked[0].URL)
	}
	wantStatus(t, b.goes("https://app.example.com/studio?tab=2"), http.StatusOK)
	wantToken(t, w.app.one(t), "X-Pat-Jwt", "Bearer ")
}

func TestASignInFromBehindATrustedProxyEndsAtTheProxy(t *testing.T) {
	w := newWorld(t)
	g := w.serve(site("http://app.example.com", trustsLoopback, ""))
	b := g.browser()
	forwarded := "X-Forwarded-Proto: https"
	started := b.asks("GET", "http://app.example.com/studio", forwarded)
	allowed := b.asks("GET", started.header.Get("Location"))
	callback := allowed.header.Get("Location")
	if !strings.HasPrefix(callback, "https://app.example.com/auth/callback?") {
		t.Fatalf("callback %s", callback)
	}
	cookies := strings.Join(cookiePairs(started), "; ")
	finished := b.asks("GET", strings.Replace(callback, "https:", "http:", 1), forwarded, "Cookie: "+cookies)
	wantStatus(t, finished, http.StatusFound)
	if finished.header.Get("Location") != "/studio" {
		t.Errorf("went to %s", finished.header.Get("Location"))
	}
	cookies = strings.Join(cookiePairs(finished), "; ")
	wantStatus(t, b.asks("GET", "http://app.example.com/studio", forwarded, "Cookie: "+cookies), http.StatusOK)
	wantToken(t, w.app.one(t), "X-Pat-Jwt", "Bearer ")
}

// cookiePairs are the cookies an answer sets.
func cookiePairs(got answer) (pairs []string) {
	for _, line := range got.header.Values("Set-Cookie") {
		pair, _, _ := strings.Cut(line, ";")
		if _, value, _ := strings.Cut(pair, "="); value != "" {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

func TestARequestFromAnotherOriginActsForNobody(t *testing.T) {
	for name, c := range map[string]struct {
		block, origin string
		want          int
	}{
		"another origin is refused":       {"", "https://evil.example.net", http.StatusForbidden},
		"the site itself is not":          {"", "{local}", http.StatusOK},
		"nor one that cross_origin names": {"\t\tcross_origin https://other.example.com", "https://other.example.com", http.StatusOK},
		"nor one the policy names":        {"\t\tapi /api/* {\n\t\t\tcross_origin https://other.example.com\n\t\t}", "https://other.example.com", http.StatusOK},
		"the policy's list is its own":    {"\t\tcross_origin https://other.example.com\n\t\tapi /api/* {\n\t\t\tcross_origin https://third.example.com\n\t\t}", "https://other.example.com", http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.serve(site("http://localhost", "", c.block))
			b := g.browser()
			b.signsIn(g.local() + "/")
			origin := strings.ReplaceAll(c.origin, "{local}", g.local())
			fetch := "cross-site"
			if origin == g.local() {
				fetch = "same-origin"
			}
			got := b.asks("POST", g.local()+"/api/x", "Origin: "+origin, "Accept:", "Sec-Fetch-Mode:", "Sec-Fetch-Mode: cors",
				"Sec-Fetch-Dest:", "Sec-Fetch-Dest: empty", "Sec-Fetch-Site:", "Sec-Fetch-Site: "+fetch)
			wantStatus(t, got, c.want)
			if asked := len(w.app.requests()); (asked == 1) != (c.want == http.StatusOK) {
				t.Errorf("the app was asked %d times", asked)
			}
		})
	}
}

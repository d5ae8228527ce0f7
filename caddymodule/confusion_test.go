package caddymodule

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/Eyevinn/osc-gateway/internal/gate/oracle"
	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// confusing has two sites with matchers of every kind that looks at the path: on
// one, everything is protected but what is named; on the other, nothing is.
const confusing = `{
	osc_auth {
		issuer {$OSC}
		store memory
	}
}

http://localhost {
	@styles path *.css
	@drafts path_regexp ^/Drafts/[0-9]+$
	osc_auth {
		public /assets/* /healthz
		public @styles
		optional /
		api /api/*
		required /studio/* {
			tenants acme
		}
		required @drafts {
			tenants acme
		}
	}
	respond "passed {http.auth.user.tenant}"
}

http://open.localhost {
	@room path_regexp ^/rooms/[0-9]+$
	@inner {
		path /files/*
		not path /files/open/*
	}
	osc_auth {
		required @room {
			tenants acme
		}
		api @inner
		required /secret
		public /secret/about
		required /secret/*
		optional /maybe*
		public *
	}
	respond "passed {http.auth.user.tenant}"
}
`

// asks is how much a rule asks of a visitor.
type asks int

const (
	nothing asks = iota
	tokenIfAny
	session
	tenant
)

// rule is a line of a policy, told without Caddy.
type rule struct {
	matches func(path string) bool
	asks    asks
}

// confusingRules are the rules of confusing's sites, by host.
var confusingRules = map[string][]rule{
	"localhost": {
		{glob("/assets/*", "/healthz", "*.css"), nothing},
		{glob("/"), tokenIfAny},
		{glob("/api/*"), session},
		{glob("/studio/*"), tenant},
		{expression(`^/Drafts/[0-9]+$`), tenant},
		{glob("*"), session},
	},
	"open.localhost": {
		{expression(`^/rooms/[0-9]+$`), tenant},
		{func(path string) bool { return glob("/files/*")(path) && !glob("/files/open/*")(path) }, session},
		{glob("/secret"), session},
		{glob("/secret/about"), nothing},
		{glob("/secret/*"), session},
		{glob("/maybe*"), tokenIfAny},
		{glob("*"), nothing},
	},
}

// glob is Caddy's matcher "path" for patterns with a star at one end at most:
// of the cleaned path, in any case.
func glob(patterns ...string) func(string) bool {
	return func(path string) bool {
		path = strings.ToLower(cleaned(path))
		for _, pattern := range patterns {
			prefix, suffix, star := strings.Cut(pattern, "*")
			if path == pattern || star && strings.HasPrefix(path, prefix) && strings.HasSuffix(path, suffix) {
				return true
			}
		}
		return false
	}
}

// expression is Caddy's matcher "path_regexp": of the cleaned path.
func expression(text string) func(string) bool {
	compiled := regexp.MustCompile(text)
	return func(path string) bool { return compiled.MatchString(cleaned(path)) }
}

// cleaned keeps the slash at the end of a path that path.Clean takes off.
func cleaned(p string) string {
	clean := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// strictest is the most that the site's rules ask of any reading of a path.
func strictest(host, path string) (most asks, reading string) {
	for _, read := range oracle.Readings(path) {
		for _, rule := range confusingRules[host] {
			if !rule.matches(read) {
				continue
			}
			if rule.asks > most {
				most, reading = rule.asks, read
			}
			break
		}
	}
	return most, reading
}

// confused is a provisioned server with confusing's sites, and somebody of
// another workspace than theirs who is signed in at both.
type confused struct {
	server  *caddyhttp.Server
	port    string
	cookies map[string]string // by host
}

func newConfused(t testing.TB) *confused {
	w := newWorld(t)
	w.sim.SetKnobs(func(k *simulator.Knobs) { k.Authorize.AutoUser = "bob" })
	g := w.serve(confusing)
	c := &confused{server: g.server.Config.Handler.(*caddyhttp.Server), port: g.port(), cookies: map[string]string{}}
	for host, page := range map[string]string{"localhost": "/page", "open.localhost": "/secret/page"} {
		b := g.browser()
		address := "http://" + host + ":" + c.port + page
		b.signsIn(address)
		for _, cookie := range b.client.Jar.Cookies(b.request(http.MethodGet, address).URL) {
			c.cookies[host] += cookie.String() + "; "
		}
	}
	return c
}

// request is one for a target, sent as it is; nil where net/http refuses it.
func (c *confused) request(host, target, cookie string) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: " + host + ":" + c.port +
		"\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nCookie: " + cookie + "\r\n\r\n")))
	if err != nil {
		return nil
	}
	r.RemoteAddr = "127.0.0.1:1"
	return r
}

func (c *confused) answer(r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	c.server.ServeHTTP(answer, r)
	return answer
}

// enforced is what the server asked of visitors at a target, and the path that
// an upstream would be sent.
func (c *confused) enforced(host, target string) (got asks, path string, answered bool) {
	r := c.request(host, target, "none=yes")
	if r == nil {
		return 0, "", false
	}
	path = r.URL.EscapedPath()
	nobody := c.answer(r)
	if !passed(nobody) && nobody.Code != http.StatusFound && nobody.Code != http.StatusUnauthorized {
		return 0, path, false // refused, or the gateway's own
	}
	somebody := c.answer(c.request(host, target, c.cookies[host]))
	switch {
	case somebody.Code == http.StatusForbidden:
		return tenant, path, true
	case !passed(nobody):
		return session, path, true
	case somebody.Body.String() == "passed beta":
		return tokenIfAny, path, true
	default:
		return nothing, path, true
	}
}

func passed(a *httptest.ResponseRecorder) bool {
	return a.Code == http.StatusOK && strings.HasPrefix(a.Body.String(), "passed")
}

// plainTargets read in one way only: what is asked there is what is written.
var plainTargets = map[string]map[string]asks{
	"localhost": {
		"/assets/a.js": nothing, "/ASSETS/a.js": nothing, "/healthz": nothing, "/studio/a.css": nothing, "/assets/a%20b?x=..": nothing,
		"/": tokenIfAny, "/?q=/assets/": tokenIfAny, "/api/rooms": session, "/page": session, "/healthz/x": session, "/drafts/1": session,
		"/studio/1": tenant, "/Studio/1": tenant, "/Drafts/12": tenant, "/Drafts/12?.css": tenant,
	},
	"open.localhost": {
		"/": nothing, "/page": nothing, "/files/open/1": nothing, "/rooms/a": nothing, "/secret/about": nothing, "/Secrets": nothing,
		"/maybe": tokenIfAny, "/maybe/1": tokenIfAny, "/files/1": session, "/files/opened": session, "/secret": session, "/secret/1": session,
		"/rooms/1": tenant,
	},
}

func TestPlainTargetsGetWhatIsWritten(t *testing.T) {
	c := newConfused(t)
	for host, targets := range plainTargets {
		for target, want := range targets {
			got, path, answered := c.enforced(host, target)
			if !answered || got != want {
				t.Errorf("%s%s: asks %d, want %d", host, target, got, want)
			}
			if most, _ := strictest(host, path); most != want {
				t.Errorf("%s%s: the oracle says %d, want %d", host, target, most, want)
			}
		}
	}
}

// oddReadings are targets that some upstream reads as another path than Caddy
// does. Each alone is caught only by the habit it is made for.
var oddReadings = []string{
	"/%61ssets/x", "/assets%2f..%2fstudio/x", "/assets/%2e%2e/studio/x", "/assets/%252e%252e/studio/x", `/assets\..\studio\x`,
	"/studio%2fx", "/studio%252fx", "/%2573tudio/1", "/studio%5cx", "/%5cstudio/x", "/studio%255cx", "/studio;v=1/x", "/studio%3b/x", "/;/studio/x",
	"//studio/x", "/%2fstudio/x", "/studio//x", "/studio./x", "/studio%20/x", "/studio..%20/x", "/STUDIO/x", "/studio/x%3f.css", "/studio/x%23.css",
	"/studio/x;.css", "/studio/x%3b.css", "/api/x;a=.css", "/api/x%00.css", "/studio/%2500.css", "/healthz/../studio/x", "/healthz;/../studio/x",
	"/Drafts/1;x", "/Drafts/1%3bx", "/Drafts/1%20", "/Drafts/1.", "/Drafts//1", "/Drafts%2f1", "/Drafts/1%2f", "/Drafts/%31", "/Drafts/%2531", "/Drafts/1;.css",
	"/rooms/1;x", "/rooms/1%253bx", "/rooms/1%3fx", "/rooms/1%2523", "/rooms/1%20", "/rooms/%31", "/rooms/%2531", "/rooms%2f1", "/rooms%5c1", "/ROOMS/1", "/rooms/1.", "//rooms/1", "/;/rooms/1", "/rooms;/1", "/rooms/%31;%2fq", "/rooms/%31;%252fq", "/rooms/%2531;%252fq", "/Drafts/%31;%2f.css",
	"/files/open;/x", "/files/open/..;/x", "/files/open%2fx", "/files/open.%2fx", "/files%2fopen/x", "/files%2fx", "/FILES/x", "/%66iles/open/x", "/files;/x",
	"/secret;", "/secret/", "/secret.", "/secret%20", "/secret%2f", "/%73ecret", "/%2573ecret", "/Secret", "//secret", "/secret%3f", "/secret%3fx",
	"/secret/about;/x", "/secret/about%2fx", "/secret%2fabout", "/maybe;x", "/m%61ybe", "/;maybe", "/", "//", "/;", "/.", "/%2e", "/%2f", "*",
	"http://localhost/studio/x", "http://localhost", "/auth/session/../../studio/x", "/auth/callback%2f..%2f..%2fstudio", "/%c0%af..%c0%afstudio",
	"/%EF%BC%8Fstudio/x", "/studio%e2%80%a4/x", "/studio\t/x", "/studio%09/x", "/studio%zz/x",
}

// FuzzConfusion asks, with Caddy's own matchers, for targets that can be read in
// more than one way. On every site the strictest rule of all readings counts.
func FuzzConfusion(f *testing.F) {
	for _, target := range oddReadings {
		f.Add(target)
	}
	for _, targets := range plainTargets {
		for target := range targets {
			f.Add(target)
		}
	}
	c := newConfused(f)
	f.Fuzz(func(t *testing.T, target string) {
		if len(target) > 256 || !strings.HasPrefix(target, "/") {
			return // too long for the oracle; other forms are refused, which tests of the gate's see to
		}
		for host := range confusingRules {
			got, path, answered := c.enforced(host, target)
			if !answered {
				continue
			}
			if want, reading := strictest(host, path); got < want {
				t.Errorf("%s%q asks %d of visitors, though an upstream may read it as %q, which asks %d", host, target, got, reading, want)
			}
		}
	})
}

package gate_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/gate"
)

// publicPart makes one part public and everything else required; protectedPart
// is the other way round, and protectedBelow leaves out the part's own path.
func publicPart() *gate.Table {
	table := gate.NewTable(&gate.Route{Mode: gate.Required, Token: patHeader}, false)
	table.Add(under("/public"), &gate.Route{Mode: gate.Public})
	return table
}

func protectedPart() *gate.Table {
	table := gate.NewTable(&gate.Route{Mode: gate.Public}, false)
	table.Add(under("/app"), &gate.Route{Mode: gate.Required, Token: patHeader})
	return table
}

func protectedBelow() *gate.Table {
	table := gate.NewTable(&gate.Route{Mode: gate.Public}, false)
	table.Add(func(r *http.Request) (bool, error) { return strings.HasPrefix(r.URL.Path, "/app/"), nil },
		&gate.Route{Mode: gate.Required, Token: patHeader})
	return table
}

// oddTargets must not reach the application without a session. refused says
// that they are refused to everybody.
var oddTargets = []struct {
	name, method, target string
	routes               func() *gate.Table
	refused              bool
}{
	{"literal dot segments", "GET", "/public/../app/x", publicPart, true},
	{"a single dot segment", "GET", "/public/./x", publicPart, true},
	{"dots at the end", "GET", "/public/..", publicPart, true},
	{"encoded dots", "GET", "/public/%2e%2e/app/x", publicPart, true},
	{"half-encoded dots", "GET", "/public/.%2E/app/x", publicPart, true},
	{"an encoded slash after dots", "GET", "/public/..%2fapp/x", publicPart, true},
	{"a slash encoded twice", "GET", "/public/..%252fapp/x", publicPart, true},
	{"dots encoded twice", "GET", "/public/%252e%252e/app/x", publicPart, true},
	{"every slash encoded", "GET", "/public%2f..%2fapp%2fx", publicPart, true},
	{"dots with parameters", "GET", "/public/..;/app/x", publicPart, true},
	{"dots with encoded parameters", "GET", "/public/..%3bv=1/app/x", publicPart, true},
	{"a backslash", "GET", `/public/..\app/x`, publicPart, true},
	{"a backslash without dots", "GET", `/public\app`, publicPart, true},
	{"encoded backslashes", "GET", "/public/..%5c..%5capp", publicPart, true},
	{"dots with a space", "GET", "/public/..%20/app/x", publicPart, true},
	{"overlong dots", "GET", "/public/%c0%ae%c0%ae/app/x", publicPart, true},
	{"overlong dots encoded twice", "GET", "/public/%25c0%25ae%25c0%25ae/app/x", publicPart, true},
	{"full-width dots", "GET", "/public/%ef%bc%8e%ef%bc%8e/app/x", publicPart, true},
	{"dots between full-width slashes", "GET", "/public%ef%bc%8f..%ef%bc%8fapp", publicPart, true},
	{"NUL before dots", "GET", "/public/%00/../app/x", publicPart, true},
	{"NUL", "GET", "/public/x%00.css", publicPart, true},
	{"NUL encoded twice", "GET", "/public/x%2500.css", publicPart, true},
	{"an encoded line break", "GET", "/public/%0d%0ax", publicPart, true},
	{"DEL", "GET", "/public/%7f", publicPart, true},
	{"a raw fragment", "GET", "/app/x#/public/", publicPart, true},
	{"a raw fragment on a public path", "GET", "/public/#/app", publicPart, true},
	{"an asterisk", "GET", "*", publicPart, true},
	{"an asterisk for OPTIONS", "OPTIONS", "*", publicPart, true},
	{"no path", "GET", "http://app.example.com", publicPart, true},
	{"an opaque target", "GET", "mailto:a@b.example", publicPart, true},
	{"no slash in front", "GET", "public/x", publicPart, true},
	{"invalid percent-encoding", "GET", "/app/x%zz", publicPart, true},
	{"dots around double slashes", "GET", "/x//..//app/y", protectedPart, true},
	{"NUL that cuts a name", "GET", "/app%00.css", protectedPart, true},
	{"very many dot segments", "GET", "/app/" + strings.Repeat("../", 6000) + "x", publicPart, true},
	{"a gateway path as a way round", "GET", "/auth/callback/..%2f..%2fapp/x", publicPart, true},

	{"a query that names a public path", "GET", "/app/x?y=/public/", publicPart, false},
	{"an encoded fragment", "GET", "/app/x%23/public/", publicPart, false},
	{"a full-width slash", "GET", "/public%ef%bc%8fx", protectedAll, false},
	{"another host's absolute target", "GET", "http://evil.example/app/x", publicPart, false},
	{"the callback below a protected path", "GET", "/app/x/auth/callback", publicPart, false},
	{"the callback's name and more", "GET", "/auth/callbackfoo", publicPart, false},
	{"the callback with a slash", "GET", "/auth/callback/", publicPart, false},
	{"the callback in capitals", "GET", "/AUTH/callback", publicPart, false},

	{"a double slash in front", "GET", "//app/x", protectedPart, false},
	{"three slashes in front", "GET", "///app", protectedPart, false},
	{"capitals", "GET", "/APP/x", protectedBelow, false},
	{"an encoded letter", "GET", "/%61pp/x", protectedPart, false},
	{"a letter encoded twice", "GET", "/%2561pp/x", protectedPart, false},
	{"an encoded slash after the part", "GET", "/app%2fx", protectedPart, false},
	{"a slash after the part, encoded twice", "GET", "/app%252fx", protectedPart, false},
	{"an encoded slash in front", "GET", "/%2fapp/x", protectedPart, false},
	{"an encoded backslash in front", "GET", "/%5capp/x", protectedPart, false},
	{"an empty segment with parameters", "GET", "/;/app/x", protectedPart, false},
	{"parameters on the part", "GET", "/app;/x", protectedBelow, false},
	{"encoded parameters on the part", "GET", "/app%3bv=1/x", protectedBelow, false},
	{"the part itself where only what is below is named", "GET", "/app", protectedBelow, false},
	{"a dot at the part's end", "GET", "/app./x", protectedPart, false},
	{"a space at the part's end", "GET", "/app%20/x", protectedPart, false},
	{"an encoded slash in parameters after an encoded letter", "GET", "/%61pp;%2fx", protectedExactly, false},
	{"the same, encoded twice", "GET", "/%2561pp;%252fx", protectedExactly, false},
	{"several habits at once", "GET", "/;/%41PP.;x//y", protectedPart, false},
}

func protectedExactly() *gate.Table {
	table := gate.NewTable(&gate.Route{Mode: gate.Public}, false)
	table.Add(func(r *http.Request) (bool, error) { return r.URL.Path == "/app", nil }, &gate.Route{Mode: gate.Required, Token: patHeader})
	return table
}

func protectedAll() *gate.Table {
	return gate.NewTable(&gate.Route{Mode: gate.Required, Token: patHeader}, false)
}

func TestAnOddTargetDoesNotGetThroughWithoutASession(t *testing.T) {
	for _, tt := range oddTargets {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Routes = tt.routes() })
			for _, with := range []headers{bare, navigation} {
				req, err := parse(tt.method, tt.target)
				if err != nil {
					continue // net/http answers 400 by itself
				}
				for name, value := range with {
					req.Header.Set(name, value)
				}
				a := r.serve(req)
				if a.passed || a.err != nil {
					t.Errorf("the application was called: %+v", r.app.last())
				}
				if tt.refused && a.Code != http.StatusBadRequest {
					t.Errorf("%d %s", a.Code, a.location())
				}
				if !tt.refused && a.Code != http.StatusUnauthorized && !a.toProvider() {
					t.Errorf("%d %s", a.Code, a.location())
				}
			}
			if len(r.clients.calls()) != 0 {
				t.Error("the token endpoint was called")
			}
		})
	}
}

func TestAnOddTargetIsRefusedToTheSignedInToo(t *testing.T) {
	for _, tt := range oddTargets {
		req, err := parse(tt.method, tt.target)
		if err != nil || !tt.refused {
			continue
		}
		r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Routes = tt.routes() })
		if a := r.signedIn("ada", "acme").send(req); a.passed || a.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", tt.name, a.Code)
		}
	}
}

func TestATargetThatARewriteMadeOddIsRefused(t *testing.T) {
	r := newRig(t)
	req := request(t, "GET", "/assets/x", navigation)
	req.URL.Path = "/assets/../app"
	if a := r.serve(req); a.passed || a.Code != http.StatusBadRequest {
		t.Errorf("%d", a.Code)
	}
}

func TestCONNECTIsNoMethodOfTheGateway(t *testing.T) {
	r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Routes = gate.NewTable(&gate.Route{Mode: gate.Public}, false) })
	for _, target := range []string{"app.example.com:443", "/assets/x"} {
		if a := r.serve(request(t, "CONNECT", target, nil)); a.passed || a.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", target, a.Code)
		}
	}
}

// forwarded are targets that must keep working, byte for byte.
var forwarded = []string{
	"/public/a%2Fb/c", "/public/a%2fb/c", "/public/db/_design%2Fviews?x=%2F..%2F", "/public/v1..2/...hidden/a..b/.well-known",
	"/public/100%25", "/public/%E2%82%AC", "/public/a%20b", "/public/a;v=1/b", "/public/a//b/", "/public/~user/(x)/a+b,c=d@e:f!$&'*",
	"/public/x?q=a\\b", "/public/x?q=%5C&r=..%2f..", "/public/x?", "/public/%C3%80", "/public/.x", "/public/x.",
}

func TestAnOrdinaryTargetIsForwardedByteForByte(t *testing.T) {
	r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Routes = publicPart() })
	b := r.signedIn("ada", "acme")
	for _, target := range forwarded {
		private := strings.Replace(target, "/public/", "/app/", 1)
		for _, a := range []answer{r.serve(request(t, "GET", target, bare)), b.do("GET", private, bare)} {
			if !a.passed || a.Code != http.StatusOK {
				t.Errorf("%s: %d %s", target, a.Code, a.Body)
			}
		}
		if got := r.app.last().requestURI; got != private {
			t.Errorf("%s was forwarded as %s", private, got)
		}
		path, _, _ := strings.Cut(private, "?")
		if got := r.app.last().escapedPath; got != path {
			t.Errorf("%s was forwarded as %s", path, got)
		}
	}
}

func TestWhatAClientSaysOfItsPathOrAddressOpensNothing(t *testing.T) {
	r := newRig(t)
	for _, field := range [][2]string{
		{"X-Forwarded-Uri", "/assets/"}, {"X-Original-URL", "/assets/"}, {"X-Rewrite-URL", "/assets/"}, {"X-Forwarded-Prefix", "/assets"},
		{"X-Forwarded-Path", "/assets/"}, {"X-Original-URI", "/assets/"}, {"Forwarded", "path=/assets"}, {"X-HTTP-Method-Override", "OPTIONS"},
		{"User-Agent", "GoogleHC/1.0"}, {"User-Agent", "kube-probe/1.30"}, {"User-Agent", "ELB-HealthChecker/2.0"}, {"X-Health-Check", "1"},
		{"X-Forwarded-For", "127.0.0.1"}, {"X-Real-IP", "127.0.0.1"}, {"Client-IP", "127.0.0.1"}, {"True-Client-IP", "127.0.0.1"},
		{"Authorization", "Bearer x"}, {"X-Pat-Jwt", "Bearer x"}, {"X-Osc-User", "root"},
	} {
		req := request(t, "GET", "/app/x", bare)
		req.Header.Set(field[0], field[1])
		if a := r.serve(req); a.passed || a.Code != http.StatusUnauthorized {
			t.Errorf("%s: %s: %d", field[0], field[1], a.Code)
		}
	}
}

func TestEveryMethodIsProtected(t *testing.T) {
	r := newRig(t)
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "FOO", "get", "POST", "PATCH"} {
		if a := r.serve(request(t, method, "/app/x", bare)); a.passed || a.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", method, a.Code)
		}
	}
}

func TestALongTargetIsJudgedQuickly(t *testing.T) {
	r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Routes = protectedPart() })
	for _, unit := range []string{"../", ";", "%25", "a;b/", "//", `%5c`, ". ", "%2e/", "%ef%bc%8e", "%2541;%252f%255c/. /"} {
		target := "/x" + strings.ReplaceAll(strings.Repeat(unit, 40_000/len(unit)), " ", "%20")
		req := request(t, "GET", target, bare)
		begun := time.Now()
		r.serve(req)
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("%q repeated takes %v", unit, took)
		}
	}
}

func TestASlashAtTheEndCountsWhereAnEarlierLineNamesIt(t *testing.T) {
	exactly := func(path string) func(*http.Request) (bool, error) {
		return func(r *http.Request) (bool, error) { return r.URL.Path == path, nil }
	}
	below := func(r *http.Request) (bool, error) { return strings.HasPrefix(r.URL.Path, "/app/"), nil }
	all := func(*http.Request) (bool, error) { return true, nil }
	table := gate.NewTable(&gate.Route{Mode: gate.Required, Token: patHeader}, false)
	table.Add(exactly("/app/health"), &gate.Route{Mode: gate.Public})
	table.Add(below, &gate.Route{Mode: gate.Required, Token: patHeader})
	table.Add(exactly("/app/health/"), &gate.Route{Mode: gate.Public}) // no request gets here
	table.Add(all, &gate.Route{Mode: gate.Public})
	r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Routes = table })
	for target, open := range map[string]bool{
		"/app/health": true, "/app/health?x=1": true, "/other": true, "/other/": true,
		"/app": false, "/app/": false, "/app/health/": false, "/app%2fhealth/": false, "/app;/health/": false, "/app/x": false, "/%61pp": false, "/app;x": false,
	} {
		if a := r.serve(request(t, "GET", target, bare)); a.passed != open {
			t.Errorf("%s: passed %v, %d", target, a.passed, a.Code)
		}
	}
}

package gate_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
	"github.com/Eyevinn/osc-gateway/internal/upstream"
)

func TestTheTokenTravelsAsTheRouteSays(t *testing.T) {
	token := canary + "access-ada"
	tests := []struct {
		name   string
		header gate.TokenHeader
		want   string
	}{
		{"x-pat-jwt", gate.TokenHeader{Name: "X-Pat-Jwt"}, "Bearer " + token},
		{"authorization", gate.TokenHeader{Name: "Authorization"}, "Bearer " + token},
		{"a name of its own, raw", gate.TokenHeader{Name: "X-Token", Raw: true}, token},
		{"off", gate.TokenHeader{}, ""},
	}
	for _, tt := range tests {
		for _, inPlace := range []bool{true, false} {
			t.Run(tt.name, func(t *testing.T) {
				r := newRig(t, func(_ *rig, cfg *gate.Config) {
					cfg.InPlace, cfg.StripAuthorization = inPlace, tt.header.Name == "Authorization"
					cfg.Routes = gate.NewTable(&gate.Route{Mode: gate.Required, Token: tt.header, Identity: true}, false)
					cfg.Hygiene = upstream.NewHygiene(upstream.Rules{TokenHeaders: []string{tt.header.Name}, SessionCookies: cfg.Cookies.Owns})
				})
				b := r.signedIn("ada", "acme")
				b.jar["app"] = "1"
				forged := headers{"X-Pat-Jwt": "Bearer EVIL", "X_pat.jwt": "EVIL", "Authorization": "Bearer EVIL", "X-Token": "EVIL", "X-Osc-User": "root", "X_Osc_Tenant": "root"}
				if tt.header.Name != "X-Token" {
					delete(forged, "X-Token")
				}
				if a := b.do("GET", "/app", forged); !a.passed {
					t.Fatalf("%d %s", a.Code, a.Body)
				}
				got := r.app.last().header
				if tt.want != "" && (len(got[tt.header.Name]) != 1 || got.Get(tt.header.Name) != tt.want) {
					t.Errorf("%s: %q", tt.header.Name, got[tt.header.Name])
				}
				if got.Get("X-Osc-User") != "ada" || got.Get("X-Osc-Tenant") != "acme" || got.Get("Cookie") != "app=1" {
					t.Errorf("headers %v", got)
				}
				for name, values := range got {
					if line := strings.Join(values, ","); strings.Contains(line, "EVIL") || strings.Contains(line, "root") ||
						strings.Contains(line, token) && name != tt.header.Name {
						t.Errorf("%s: %s", name, line)
					}
				}
			})
		}
	}
}

func TestIdentityHeadersAreSentWhereTheRouteAndTheTokenSaySo(t *testing.T) {
	tests := []struct {
		name             string
		identity         bool
		user, tenant     string
		wantUser, wantOf []string
	}{
		{"on", true, "ada", "acme", []string{"ada"}, []string{"acme"}},
		{"off", false, "ada", "acme", nil, nil},
		{"no tenant", true, "ada", "", []string{"ada"}, nil},
		{"nobody", true, "", "", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(_ *rig, cfg *gate.Config) {
				cfg.Routes = gate.NewTable(&gate.Route{Mode: gate.Required, Token: patHeader, Identity: tt.identity}, false)
			})
			r.signedIn(tt.user, tt.tenant).do("GET", "/app", headers{"X-Osc-User": "root", "X-Osc-Tenant": "root"})
			got := r.app.last().header
			if strings.Join(got["X-Osc-User"], "|") != strings.Join(tt.wantUser, "|") || strings.Join(got["X-Osc-Tenant"], "|") != strings.Join(tt.wantOf, "|") {
				t.Errorf("%v %v", got["X-Osc-User"], got["X-Osc-Tenant"])
			}
		})
	}
}

func TestASignedOutVisitorOfAnOptionalRouteIsNobody(t *testing.T) {
	r := newRig(t)
	ended := r.signedIn("ada", "acme")
	r.vault.end(ended.session, tokens.EndExpired)
	for _, b := range []*browser{r.browser(), ended} {
		for _, target := range []string{"/", "/maybe/x"} {
			a := b.do("GET", target, headers{"Authorization": "Bearer EVIL", "X-Pat-Jwt": "EVIL", "X-Osc-User": "root", "Accept": "text/html"})
			got := r.app.last().header
			if !a.passed || got.Get("Authorization")+got.Get("X-Pat-Jwt")+got.Get("X-Osc-User")+got.Get("Cookie") != "" || len(a.Header()["Set-Cookie"]) != 0 {
				t.Errorf("%s: %d %v", target, a.Code, got)
			}
		}
	}
}

func TestAClientsAuthorizationPassesOnAPublicRouteUnlessTheTokenTravelsInIt(t *testing.T) {
	for _, strip := range []bool{false, true} {
		r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.StripAuthorization = strip })
		r.serve(request(t, "GET", "/assets/x", headers{"Authorization": "Basic abc"}))
		if got := r.app.last().header.Get("Authorization"); (got == "") != strip {
			t.Errorf("strip %t: %q", strip, got)
		}
	}
}

func TestTheTokenIsTakenOffAgainWhenTheApplicationReturns(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	broken := errors.New("broken")
	for name, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"fine":     func(http.ResponseWriter, *http.Request) error { return nil },
		"an error": func(http.ResponseWriter, *http.Request) error { return broken },
		"a panic":  func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) },
		"a replaced map": func(_ http.ResponseWriter, r *http.Request) error {
			r.Header = r.Header.Clone()
			return nil
		},
	} {
		r.app.serve = serve
		req := request(t, "GET", "/app", navigation)
		before := req.Header
		func() {
			defer func() { _ = recover() }()
			b.send(req)
		}()
		if r.app.last().header.Get("X-Pat-Jwt") != bearer("ada") {
			t.Errorf("%s: the application got no token", name)
		}
		for _, header := range []http.Header{req.Header, before} {
			for _, field := range []string{"X-Pat-Jwt", "X-Osc-User", "X-Osc-Tenant", "Authorization"} {
				if header[field] != nil {
					t.Errorf("%s: %s is still on the request", name, field)
				}
			}
		}
	}
}

func TestATransportsRequestNeverHoldsTheToken(t *testing.T) {
	r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.InPlace = false })
	b := r.signedIn("ada", "acme")
	req := request(t, "GET", "/app", navigation)
	b.attach(req)
	err := r.gate.ServeHTTP(httptest.NewRecorder(), req, handler(func(_ http.ResponseWriter, r *http.Request) error {
		injected := upstream.InjectionFrom(r.Context())
		if injected == nil || len(injected.Fields) != 3 || !injected.Required || !injected.Private || r.Header.Get("X-Pat-Jwt") != "" {
			t.Errorf("injection %+v, header %v", injected, r.Header)
		}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
}

type handler func(http.ResponseWriter, *http.Request) error

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) error { return h(w, r) }

func TestErrorsOfTheApplicationPassUntouched(t *testing.T) {
	broken := &http.MaxBytesError{Limit: 1}
	for _, inPlace := range []bool{true, false} {
		r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.InPlace = inPlace })
		b := r.signedIn("ada", "acme")
		r.app.serve = func(http.ResponseWriter, *http.Request) error { return broken }
		for _, target := range []string{"/assets/x", "/maybe/x", "/app/x", "/api/x"} {
			if a := b.navigate(target); a.err != error(broken) {
				t.Errorf("%s: %v", target, a.err)
			}
		}
	}
}

func TestARequestThatNeedsATokenIsNotSentWithoutOne(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	r.vault.sessions[b.session].session.Access = secret.New("")
	if a := b.navigate("/app"); a.passed || !errors.Is(a.err, upstream.ErrNoToken) {
		t.Errorf("passed %t, %v", a.passed, a.err)
	}
}

func TestTheAnswerToASignedInRequestIsPrivateAndKeepsOurCookies(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	r.app.serve = func(w http.ResponseWriter, req *http.Request) error {
		w.Header().Set("X-Echo", req.Header.Get("X-Pat-Jwt"))
		w.Header().Add("Set-Cookie", sessionCookie+"=attacker; Secure; Path=/")
		w.Header().Add("Set-Cookie", "__HOST-osc_session=; Max-Age=0; Secure; Path=/")
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.WriteHeader(http.StatusOK)
		return nil
	}
	a := b.navigate("/app")
	if a.Header().Get("X-Echo") != "" || len(a.Header()["Set-Cookie"]) != 0 || !strings.Contains(a.Header().Get("Cache-Control"), "private") || a.Header().Get("Vary") != "Cookie" {
		t.Errorf("%v", a.Header())
	}
}

func TestWhatIsNotKnownIsNeitherSignedInNorSignedOut(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		reason pages.Reason
		retry  string
	}{
		{"the store is away", &tokens.Unavailable{Part: tokens.PartStore, Err: errDown}, pages.StoreUnavailable, "5"},
		{"the store says when", &tokens.Unavailable{Part: tokens.PartStore, RetryAfter: 1500 * time.Millisecond, Err: errDown}, pages.StoreUnavailable, "2"},
		{"the provider is away", &tokens.Unavailable{Part: tokens.PartProvider, RetryAfter: 30 * time.Second, Err: errDown}, pages.ProviderUnavailable, "30"},
		{"something else", errDown, pages.StoreUnavailable, "5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			b := r.signedIn("ada", "acme")
			r.vault.fails("Fresh", tt.err)
			for _, target := range []string{"/app", "/api/x", "/", "/maybe/x", "/acme/x"} {
				for _, with := range []headers{navigation, scripted} {
					a := b.do("GET", target, with)
					if a.passed || a.Code != http.StatusServiceUnavailable || a.Header().Get("Retry-After") != tt.retry || r.observer.last() != tt.reason {
						t.Errorf("%s: %d %s, Retry-After %q", target, a.Code, r.observer.last(), a.Header().Get("Retry-After"))
					}
					if len(a.Header()["Set-Cookie"]) != 0 || a.location() != "" {
						t.Errorf("%s: %v", target, a.Header())
					}
				}
			}
			if a := b.navigate("/assets/x"); !a.passed {
				t.Errorf("a public route: %d", a.Code)
			}
			r.vault.fails("Fresh", nil)
			b.works("ada")
		})
	}
}

func TestASafeThatDoesNotOpenLetsNobodyThroughAndIsAskedAgain(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	r.safe.err = errDown
	for _, target := range []string{"/app", "/api/x", "/maybe/x"} {
		if a := b.navigate(target); a.passed || a.Code != http.StatusServiceUnavailable || len(a.Header()["Set-Cookie"]) != 0 {
			t.Errorf("%s: %d", target, a.Code)
		}
	}
	if a := b.navigate("/assets/x"); !a.passed {
		t.Errorf("a public route: %d", a.Code)
	}
	r.safe.err = nil
	b.works("ada")
}

func TestARefusalOfAnUnknownSiteNeverPasses(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	r.origins.err = errors.New("Set public_url.")
	if a := b.navigate("/app"); a.passed || a.Code != http.StatusBadRequest {
		t.Errorf("%d", a.Code)
	}
	if a := b.do("POST", "/auth/signout", ownPost); a.Code != http.StatusBadRequest || !b.has(sessionCookie) {
		t.Errorf("signing out: %d", a.Code)
	}
}

// Which the answer of an app in place shares a header with.
func TestACookieOfTheGatewaysGoesOutWithTheAnswerOfTheApp(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	b.finish(b.start("/app"))
	r.app.serve = func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Add("Set-Cookie", roundsCookie+"=the-apps; Path=/; Secure")
		w.Header().Add("Set-Cookie", "app=1")
		w.WriteHeader(http.StatusOK)
		return nil
	}
	a := b.rig.serve(withCookies(request(t, "GET", "/app", navigation), b))
	lines := strings.Join(a.Header()["Set-Cookie"], "\n")
	if !strings.Contains(lines, roundsCookie+"=; ") || !strings.Contains(lines, "app=1") || strings.Contains(lines, "the-apps") {
		t.Errorf("Set-Cookie:\n%s", lines)
	}
}

func withCookies(r *http.Request, b *browser) *http.Request {
	b.attach(r)
	return r
}

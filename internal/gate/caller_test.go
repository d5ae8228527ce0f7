package gate_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/upstream"
)

const (
	callersToken  = canary + "caller-robot"
	callersBearer = "Bearer " + callersToken
)

// callerRig is a gate whose routes take callers' tokens, but for /app.
func callerRig(t *testing.T, changes ...func(*rig, *gate.Config)) *rig {
	return newRig(t, append(changes, func(_ *rig, cfg *gate.Config) {
		table := gate.NewTable(&gate.Route{Mode: gate.Required, Token: patHeader, Identity: true, Passthrough: true}, false)
		table.Add(under("/app"), &gate.Route{Mode: gate.Required, Token: patHeader, Identity: true})
		table.Add(under("/assets"), &gate.Route{Mode: gate.Public, Passthrough: true})
		table.Add(under("/maybe"), &gate.Route{Mode: gate.Optional, Token: patHeader, Identity: true, Passthrough: true})
		table.Add(under("/api"), &gate.Route{Mode: gate.API, Token: patHeader, Identity: true, Passthrough: true, Jobs: time.Hour})
		table.Add(under("/beta"), &gate.Route{Mode: gate.Required, Token: patHeader, Tenants: []string{"beta"}, Passthrough: true})
		table.Add(under("/raw"), &gate.Route{Mode: gate.API, Token: gate.TokenHeader{Name: "X-Pat-Jwt", Raw: true}, Passthrough: true})
		table.Add(under("/auth-field"), &gate.Route{Mode: gate.API, Token: gate.TokenHeader{Name: "Authorization"}, Passthrough: true})
		table.Add(under("/off"), &gate.Route{Mode: gate.Required, Passthrough: true})
		table.Add(under("/service"), &gate.Route{Mode: gate.API, Token: patHeader, Service: "the-service", Passthrough: true})
		cfg.Routes, cfg.StripAuthorization = table, true
	})...)
}

func TestACallersTokenPassesAndNoSessionIsLookedAt(t *testing.T) {
	for _, target := range []string{"/", "/x", "/maybe/x", "/api/x"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			r := callerRig(t)
			b := r.signedIn("ada", "acme")
			before := r.vault.touched()
			a := b.do(method, target, headers{"X-Pat-Jwt": callersBearer, "X-Osc-User": "root", "Origin": "https://elsewhere.example"})
			got := r.app.last().header
			if !a.passed || len(got["X-Pat-Jwt"]) != 1 || got.Get("X-Pat-Jwt") != callersBearer || got.Get("X-Osc-User") != "robot" || got.Get("X-Osc-Tenant") != "acme" {
				t.Errorf("%s %s: %d, %v", method, target, a.Code, got)
			}
			if got.Get("Cookie") != "" || len(a.Header()["Set-Cookie"]) != 0 {
				t.Errorf("%s %s: cookies %q, set %q", method, target, got.Get("Cookie"), a.Header()["Set-Cookie"])
			}
			if touched := r.vault.touched() - before; touched != 0 || r.callers.calls() != 1 {
				t.Errorf("%s %s: the vault was asked %d times: %v", method, target, touched, r.vault.calls)
			}
			if entered := r.observer.entered; len(entered) != 1 || entered[0] != "robot" {
				t.Errorf("entered as %v", entered)
			}
			r.checkLog()
		}
	}
}

// A caller has nothing to do with the store, so it passes while that is away.
func TestACallerPassesWhileTheStoreIsAway(t *testing.T) {
	r := callerRig(t)
	r.safe.err = errDown
	r.origins.err = errDown
	if a := r.serve(request(t, "GET", "/api/x", headers{"X-Pat-Jwt": callersBearer})); !a.passed {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

func TestACallersTokenIsNobodysWhereTheRouteTakesNone(t *testing.T) {
	for _, target := range []string{"/app/x", "/assets/x", "/off/x"} {
		r := callerRig(t)
		a := r.serve(request(t, "GET", target, headers{"X-Pat-Jwt": callersBearer}))
		if public := target == "/assets/x"; a.passed != public || !public && a.Code != http.StatusUnauthorized {
			t.Errorf("%s: passed %t, %d", target, a.passed, a.Code)
		}
		a = r.signedIn("ada", "acme").do("GET", target, headers{"X-Pat-Jwt": callersBearer})
		if got := r.app.last().header; !a.passed || strings.Contains(strings.Join(got["X-Pat-Jwt"], ""), "caller") {
			t.Errorf("%s: %d, the upstream got %q", target, a.Code, got["X-Pat-Jwt"])
		}
		if r.callers.calls() != 0 {
			t.Errorf("%s: somebody was identified", target)
		}
	}
}

func TestABadTokenOfACallerIsRefusedAndNeverReplacedByTheSession(t *testing.T) {
	tests := []struct {
		name, target string
		lines        []string
		asked        int
	}{
		{"one OSC does not accept", "/x", []string{"Bearer stolen"}, 1},
		{"one on an optional route", "/maybe/x", []string{"Bearer stolen"}, 1},
		{"one on an API route", "/api/x", []string{"Bearer stolen"}, 1},
		{"two of them", "/x", []string{callersBearer, callersBearer}, 0},
		{"a good one and a bad one", "/x", []string{callersBearer, "Bearer stolen"}, 0},
		{"two in one line", "/x", []string{callersBearer + ", " + callersBearer}, 0},
		{"nothing", "/x", []string{""}, 0},
		{"a scheme alone", "/x", []string{"Bearer"}, 0},
		{"a scheme and a space", "/x", []string{"Bearer  "}, 0},
		{"no scheme", "/x", []string{callersToken}, 0},
		{"another scheme", "/x", []string{"Basic " + callersToken}, 0},
		{"what is no token", "/x", []string{"Bearer a b"}, 0},
		{"bytes", "/x", []string{"Bearer \x80\xff"}, 0},
		{"one too long", "/x", []string{"Bearer " + strings.Repeat("a", 8<<10)}, 0},
		{"a scheme where the bare token is sent", "/raw/x", []string{callersBearer}, 0},
		{"a password where the token travels in Authorization", "/auth-field/x", []string{"Basic dXNlcjpwYXNz"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := callerRig(t)
			b := r.signedIn("ada", "acme")
			field := "X-Pat-Jwt"
			if strings.HasPrefix(tt.target, "/auth-field") {
				field = "Authorization"
			}
			before := r.vault.touched()
			req := request(t, "GET", tt.target, navigation) // and says that it is a browser
			req.Header[field] = tt.lines
			a := b.send(req)
			if a.passed || a.Code != http.StatusUnauthorized || a.reason() != string(pages.TokenRejected) || r.observer.last() != pages.TokenRejected {
				t.Fatalf("passed %t, %d %s", a.passed, a.Code, a.Body)
			}
			if r.callers.calls() != tt.asked || r.vault.touched() != before || len(a.Header()["Set-Cookie"]) != 0 {
				t.Errorf("asked %d times; the vault %v; %v", r.callers.calls(), r.vault.calls, a.Header())
			}
			r.checkLog("stolen")
		})
	}
}

func TestACallersTokenIsReadAsTheRouteSendsIt(t *testing.T) {
	for name, test := range map[string]struct{ target, field, line, want string }{
		"a bearer token":           {"/api/x", "X-Pat-Jwt", callersBearer, callersBearer},
		"in other letters":         {"/api/x", "X-Pat-Jwt", "bEARER " + callersToken, callersBearer},
		"after more than a space":  {"/api/x", "X-Pat-Jwt", "Bearer   " + callersToken, callersBearer},
		"the bare token":           {"/raw/x", "X-Pat-Jwt", callersToken, callersToken},
		"in Authorization":         {"/auth-field/x", "Authorization", callersBearer, callersBearer},
		"in a field in small type": {"/api/x", "x-pat-jwt", callersBearer, callersBearer},
	} {
		r := callerRig(t)
		a := r.serve(request(t, "GET", test.target, headers{test.field: test.line}))
		if !a.passed || r.app.last().header.Get(test.field) != test.want {
			t.Errorf("%s: %d %s", name, a.Code, a.Body)
		}
	}
}

// Fields that merely look like the one tokens are brought in are stripped, and
// whoever sends them is whom the cookie says.
func TestAnotherSpellingOfTheFieldBringsNothing(t *testing.T) {
	for _, field := range []string{"X_Pat_Jwt", "X-Pat_jwt", "X.pat.jwt", "X-Jwt", "Authorization"} {
		r := callerRig(t)
		req := request(t, "GET", "/x", scripted)
		req.Header[field] = []string{callersBearer}
		if a := r.serve(req); a.passed || a.Code != http.StatusUnauthorized || a.reason() != string(pages.NoSession) {
			t.Errorf("%s: passed %t, %d %s", field, a.passed, a.Code, a.reason())
		}
		req = request(t, "GET", "/x", scripted)
		req.Header[field] = []string{callersBearer}
		b := r.signedIn("ada", "acme")
		if a := b.send(req); !a.passed || r.app.last().header.Get("X-Pat-Jwt") != bearer("ada") || r.callers.calls() != 0 {
			t.Errorf("%s: passed %t with %q", field, a.passed, r.app.last().header["X-Pat-Jwt"])
		}
		for name, values := range r.app.last().header {
			if strings.Contains(strings.Join(values, ""), "caller") {
				t.Errorf("%s: the upstream got %s", field, name)
			}
		}
	}
}

func TestWhatOSCDoesNotSayOfACallerIsNotKnown(t *testing.T) {
	for _, target := range []string{"/x", "/maybe/x", "/api/x"} {
		r := callerRig(t)
		r.callers.err = errDown
		a := r.signedIn("ada", "acme").do("GET", target, with(navigation, headers{"X-Pat-Jwt": callersBearer}))
		if a.passed || a.Code != http.StatusServiceUnavailable || a.reason() != string(pages.ProviderUnavailable) || a.Header().Get("Retry-After") != "5" {
			t.Errorf("%s: passed %t, %d %s, Retry-After %q", target, a.passed, a.Code, a.Body, a.Header().Get("Retry-After"))
		}
		if r.vault.count("Fresh")+r.vault.count("Lasting") != 0 {
			t.Errorf("%s: the session was asked", target)
		}
	}
}

func TestACallerOfAnotherWorkspaceIsKeptOut(t *testing.T) {
	r := callerRig(t)
	a := r.serve(request(t, "GET", "/beta/x", with(navigation, headers{"X-Pat-Jwt": callersBearer})))
	if a.passed || a.Code != http.StatusForbidden || a.reason() != string(pages.TenantForbidden) {
		t.Errorf("passed %t, %d %s", a.passed, a.Code, a.Body)
	}
}

func TestACallersTokenIsTradedWhereTheRouteNamesAService(t *testing.T) {
	r := callerRig(t)
	a := r.serve(request(t, "GET", "/service/x", headers{"X-Pat-Jwt": callersBearer}))
	if got := r.app.last().header.Get("X-Pat-Jwt"); !a.passed || got != "Bearer "+canary+"the-service" {
		t.Errorf("%d, the upstream got %q", a.Code, got)
	}
	if asked := r.services.asked; len(asked) != 1 || asked[0] != callersToken {
		t.Errorf("traded %q", asked)
	}
	r.services.err = &osc.Error{Endpoint: osc.EndpointServiceToken, Status: http.StatusForbidden}
	a = r.serve(request(t, "GET", "/service/x", headers{"X-Pat-Jwt": callersBearer}))
	if a.passed || a.Code != http.StatusBadGateway || a.reason() != string(pages.ProviderError) {
		t.Errorf("passed %t, %d %s", a.passed, a.Code, a.reason())
	}
}

// Nobody keeps a caller's token fresh, so there is no job, no stream that ends
// with a session, and nothing to renew.
func TestACallerHasNoSession(t *testing.T) {
	for _, inPlace := range []bool{true, false} {
		r := callerRig(t, func(_ *rig, cfg *gate.Config) { cfg.InPlace = inPlace })
		b := r.signedIn("ada", "acme")
		before := r.vault.touched()
		req := request(t, "GET", "/api/events", with(scripted, headers{"X-Pat-Jwt": callersBearer, "Accept": "text/event-stream", gate.JobHeader: "forged"}))
		b.attach(req)
		err := r.gate.ServeHTTP(httptest.NewRecorder(), req, handler(func(_ http.ResponseWriter, req *http.Request) error {
			injected := upstream.InjectionFrom(req.Context())
			if injected == nil || injected.Session != nil || !injected.Private || !injected.Required || req.Header.Get(gate.JobHeader) != "" {
				t.Errorf("injection %+v", injected)
			}
			for _, field := range injected.Fields {
				if field.Name() == gate.JobHeader {
					t.Error("a caller gets a handle")
				}
			}
			return errStop
		}))
		if !errors.Is(err, errStop) || r.vault.touched() != before {
			t.Errorf("in place %t: %v, the vault was asked %v", inPlace, err, r.vault.calls)
		}
	}
}

var errStop = errors.New("stop")

package gate_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/pages"
)

func TestASignInIsStartedOnlyByAPageThePersonLooksAt(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	pending := b.start("/app/x")
	for name, with := range map[string]headers{"image": image, "frame": iframe, "fetch": scripted, "prefetch": prefetch} {
		a := b.do("GET", "/auth/signin", with)
		if a.Code != http.StatusForbidden || a.location() != "" || len(a.Header()["Set-Cookie"]) != 0 {
			t.Errorf("%s: %d %v", name, a.Code, a.Header())
		}
	}
	if a := b.do("POST", "/auth/signin", navigation); a.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", a.Code)
	}
	for name, with := range map[string]headers{"navigation": navigation, "a link elsewhere": fromAway, "curl": bare} {
		if a := r.browser().do("GET", "/auth/signin", with); !a.toProvider() {
			t.Errorf("%s: %d", name, a.Code)
		}
	}
	if a := b.finish(pending); a.location() != "/app/x" {
		t.Errorf("the sign-in that was under way: %d %s", a.Code, a.location())
	}
}

func TestASignInEndsOnTheSiteAndNowhereElse(t *testing.T) {
	tests := map[string]string{
		"/app?x=1":                        "/app?x=1",
		"/app#part":                       "/app#part",
		"/app#a\r\nb":                     "/app",
		"//evil.example#/app":             "/",
		"":                                "/",
		"//evil.example":                  "/",
		`/\evil.example`:                  "/",
		"https://evil.example/":           "/",
		"javascript:alert(1)":             "/",
		"/auth/signout":                   "/",
		"/auth/signin?return_to=/x":       "/",
		"/%61uth/signout":                 "/",
		"/app/../auth/signout":            "/",
		"/app\r\nSet-Cookie: a=b":         "/",
		"/" + strings.Repeat("a", 100000): "/",
	}
	for returnTo, want := range tests {
		r := newRig(t)
		b := r.browser()
		if a := b.finish(r.flowOf(b, returnTo)); a.location() != want {
			t.Errorf("return_to %.40q: %d %s", returnTo, a.Code, a.location())
		}
	}
}

func TestAPageTooLongToRememberIsGivenUpForTheStartPage(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	if a := b.finish(b.start("/app?" + strings.Repeat("x", 60_000))); a.location() != "/" {
		t.Errorf("%d %s", a.Code, a.location())
	}
	b.works("ada")
}

func TestSignInsThatNobodyFinishesStayBounded(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	states := map[string]bool{}
	var state string
	for range 200 {
		state = b.start("/app?" + strings.Repeat("x", 1500))
		states[state] = true
		if b.flows() > 5 || len(b.cookies()) > 8192 {
			t.Fatalf("%d flows, %d bytes of cookies", b.flows(), len(b.cookies()))
		}
	}
	if len(states) != 200 {
		t.Errorf("%d different states", len(states))
	}
	if a := b.finish(state); !strings.HasPrefix(a.location(), "/app?x") {
		t.Errorf("the newest: %d %s", a.Code, a.location())
	}
	b.works("ada")
}

func TestWhatAClientSaysOfItsHostIsNotWhereTheCodeGoes(t *testing.T) {
	r := newRig(t)
	req := request(t, "GET", "/auth/signin", navigation)
	req.Host = "evil.example"
	for name, value := range map[string]string{"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Forwarded": "host=evil.example"} {
		req.Header.Set(name, value)
	}
	a := r.serve(req)
	u, _ := url.Parse(a.location())
	if u.Query().Get("redirect_uri") != callbackURI || r.clients.asked[0] != callbackURI {
		t.Errorf("redirect URI %s, client for %v", u.Query().Get("redirect_uri"), r.clients.asked)
	}
}

func TestASignInThatCanNotBeginSaysWhy(t *testing.T) {
	tests := []struct {
		name   string
		fault  func(*rig)
		status int
		reason pages.Reason
	}{
		{"the provider is down", func(r *rig) { r.clients.forErr = errDown }, http.StatusServiceUnavailable, pages.ProviderUnavailable},
		{"the provider is malformed", func(r *rig) { r.clients.forErr = malformed() }, http.StatusServiceUnavailable, pages.ProviderUnavailable},
		{"the safe does not open", func(r *rig) { r.safe.err = errDown }, http.StatusServiceUnavailable, pages.StoreUnavailable},
		{"nobody knows the site", func(r *rig) { r.origins.err = errors.New("Set public_url.") }, http.StatusBadRequest, pages.BadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			tt.fault(r)
			for _, target := range []string{"/auth/signin?return_to=/app", "/app"} {
				b := r.browser()
				a := b.navigate(target)
				if a.Code != tt.status || r.observer.last() != tt.reason || b.cookies() != "" || a.passed {
					t.Errorf("%s: %d %s, cookies %s", target, a.Code, r.observer.last(), b.cookies())
				}
			}
		})
	}
}

func TestWithoutRandomnessThereIsNoSignIn(t *testing.T) {
	r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Random = iotest.ErrReader(errDown) })
	req := request(t, "GET", "/auth/signin", navigation)
	if a := r.serve(req); !errors.Is(a.err, errDown) || len(a.Header()["Set-Cookie"]) != 0 || a.location() != "" {
		t.Errorf("%v %v", a.err, a.Header())
	}
}

func TestAFlowIsSealed(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	state := b.start("/app/secret-place")
	b.finish(state)
	verifier := r.clients.calls()[0].verifier
	other := r.browser()
	other.start("/app/secret-place")
	for _, hidden := range []string{state, verifier, "secret-place", "client-1"} {
		if strings.Contains(other.cookies(), hidden) {
			t.Errorf("the flow's cookie shows %q: %s", hidden, other.cookies())
		}
	}
}

func TestAHeadOfAProtectedPageStartsASignInToo(t *testing.T) {
	r := newRig(t)
	if a := r.browser().do("HEAD", "/app", navigation); !a.toProvider() {
		t.Errorf("%d", a.Code)
	}
}

func TestAFlowOfAnotherReplicaIsFinishedHere(t *testing.T) {
	there := newRig(t)
	b := there.browser()
	state := b.start("/app/x")
	here := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Safe = there.safe })
	moved := here.browser()
	moved.jar = b.jar
	if a := moved.finish(state); a.location() != "/app/x" {
		t.Errorf("%d %s", a.Code, a.location())
	}
	b.works("ada")
}

func TestAFlowBegunWithAKeyThatIsGoneStartsOver(t *testing.T) {
	there := newRig(t)
	b := there.browser()
	state := b.start("/app/x")
	here := newRig(t)
	moved := here.browser()
	moved.jar = b.jar
	if a := moved.finish(state); !strings.HasSuffix(a.state(t), ".2") || len(here.clients.calls()) != 0 {
		t.Errorf("%d %s", a.Code, a.location())
	}
}

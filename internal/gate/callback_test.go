package gate_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/pkce"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// foreign is a state of the right form that no flow of this browser has.
var foreign = strings.Repeat("x", 43)

func TestASignInBringsTheVisitorBackWithASession(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	a := b.navigate("/app/page?a=1&b=%2F..%2F")
	u, err := url.Parse(a.location())
	if err != nil || !a.toProvider() {
		t.Fatalf("%d %s", a.Code, a.location())
	}
	asked := u.Query()
	if asked.Get("redirect_uri") != callbackURI || asked.Get("code_challenge_method") != "S256" || len(asked.Get("code_challenge")) != 43 {
		t.Errorf("authorization request %v", asked)
	}
	a = b.finish(asked.Get("state"))
	if a.Code != http.StatusFound || a.location() != "/app/page?a=1&b=%2F..%2F" {
		t.Fatalf("callback: %d %s", a.Code, a.location())
	}
	if b.flows() != 0 || !b.has(sessionCookie) {
		t.Errorf("cookies after the sign-in: %s", b.cookies())
	}
	calls := r.clients.calls()
	if len(calls) != 1 || calls[0].code != "the-code" || calls[0].redirectURI != callbackURI || pkce.Challenge(calls[0].verifier) != asked.Get("code_challenge") {
		t.Errorf("exchanges %+v", calls)
	}
	b.works("ada")
	r.checkLog("the-code", asked.Get("state"), calls[0].verifier)
}

func TestACallbackThatIsNotInOrderIsRefusedBeforeAnyTokenCall(t *testing.T) {
	tests := map[string]string{
		"no parameter":                       "",
		"no state":                           "code=a",
		"an empty state":                     "code=a&state=",
		"neither code nor error":             "state=${STATE}",
		"an empty code":                      "code=&state=${STATE}",
		"two codes":                          "code=a&code=b&state=${STATE}",
		"two states, ours last":              "code=a&state=evil&state=${STATE}",
		"two states, ours first":             "code=a&state=${STATE}&state=evil",
		"two equal states":                   "code=a&state=${STATE}&state=${STATE}",
		"two errors":                         "error=a&error=b&state=${STATE}",
		"a semicolon between the parameters": "code=a;state=${STATE}",
		"broken percent-encoding":            "code=%zz&state=${STATE}",
		"a state of another form":            "code=a&state=short",
		"a state with a mark of its own":     "code=a&state=${STATE}.3",
		"a state with bytes no state has":    "code=a&state=" + strings.Repeat("%0a", 43),
		"an enormous code":                   "code=" + strings.Repeat("a", 200_000) + "&state=${STATE}",
		"very many parameters":               manyParameters(6000) + "code=a&state=${STATE}",
		"all empty but the error":            "state=&code=&error=x&error_description=%3Cscript%3E",
		"an empty error":                     "code=a&state=${STATE}&error=",
	}
	for name, query := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			b := r.signedIn("ada", "acme")
			b.jar[sessionCookie+"_not_ours"] = "x"
			state := r.flowOf(b, "/app")
			a := b.comeBack(strings.ReplaceAll(query, "${STATE}", state))
			if a.Code != http.StatusBadRequest || a.location() != "" {
				t.Errorf("%d %s", a.Code, a.location())
			}
			if calls := r.clients.calls(); len(calls) != 0 {
				t.Errorf("the token endpoint was called: %+v", calls)
			}
			if strings.Contains(a.Body.String(), "script>") {
				t.Errorf("the page repeats the query: %s", a.Body)
			}
			b.works("ada")
		})
	}
}

func manyParameters(n int) string {
	var query strings.Builder
	for i := range n {
		fmt.Fprintf(&query, "p%d=x&", i)
	}
	return query.String()
}

// flowOf begins a sign-in in a browser that may be signed in already.
func (r *rig) flowOf(b *browser, returnTo string) string {
	r.t.Helper()
	return b.navigate("/auth/signin?" + url.Values{"return_to": {returnTo}}.Encode()).state(r.t)
}

func TestAnErrorFromTheProviderEndsTheFlow(t *testing.T) {
	tests := []struct {
		code   string
		status int
		reason pages.Reason
	}{
		{"access_denied", http.StatusForbidden, pages.ConsentDenied},
		{"server_error", http.StatusServiceUnavailable, pages.ProviderUnavailable},
		{"temporarily_unavailable", http.StatusServiceUnavailable, pages.ProviderUnavailable},
		{"invalid_request", http.StatusBadGateway, pages.ProviderError},
		{"<script>alert(1)</script>", http.StatusBadGateway, pages.ProviderError},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			r := newRig(t)
			b := r.browser()
			state := b.start("/app")
			a := b.comeBack(url.Values{
				"error": {tt.code}, "code": {"abc"}, "state": {state}, "error_uri": {"javascript:alert(1)"},
				"error_description": {`<script>alert(1)</script>"'><img src=x>`},
			}.Encode())
			if a.Code != tt.status || r.observer.last() != tt.reason {
				t.Errorf("%d %s", a.Code, r.observer.last())
			}
			if body := a.Body.String(); strings.Contains(body, "script") || strings.Contains(body, "img") {
				t.Errorf("the page repeats what was sent: %s", body)
			}
			if b.flows() != 0 || len(r.clients.calls()) != 0 {
				t.Errorf("flows %d, exchanges %v", b.flows(), r.clients.calls())
			}
		})
	}
}

func TestAFailedSignInOffersOneThatEndsWhereItWasTo(t *testing.T) {
	const wanted = "/app?a=1&b=2"
	offer := `href="/auth/signin?return_to=` + url.QueryEscape(wanted) + `"`
	fails := map[string]func(r *rig, b *browser, state string) answer{
		"declined":     func(_ *rig, b *browser, state string) answer { return b.comeBack("error=access_denied&state=" + state) },
		"OSC was busy": func(_ *rig, b *browser, state string) answer { return b.comeBack("error=server_error&state=" + state) },
		"the code is not taken": func(r *rig, b *browser, state string) answer {
			r.clients.exchange = func(context.Context, string) (tokens.Set, error) { return tokens.Set{}, tokens.ErrRejected }
			return b.finish(state)
		},
		"the client is not known, twice": func(r *rig, b *browser, state string) answer {
			delete(r.clients.known, r.clients.client.ID)
			again := b.finish(state).state(r.t)
			delete(r.clients.known, r.clients.client.ID)
			return b.finish(again)
		},
	}
	for name, fail := range fails {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			b := r.browser()
			left := b.do("GET", wanted, pageLoad).leaving(t)
			b.jar[left.cookie] = "%23private"
			a := fail(r, b, left.state(t))
			if body := a.Body.String(); !strings.Contains(body, offer) || strings.Contains(body, "private") {
				t.Errorf("%d: %s", a.Code, body)
			}
		})
	}
}

func TestAFailedSignInForAFormOffersOneThatEndsAtTheForm(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	state := b.navigate("/auth/signin?resume=1").state(t)
	if a := b.comeBack("error=access_denied&state=" + state); !strings.Contains(a.Body.String(), `href="/auth/signin?resume=1"`) {
		t.Errorf("%d: %s", a.Code, a.Body)
	}
}

func TestAnErrorOfAnUnknownFlowStartsNothing(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	for _, state := range []string{"unknown", foreign, foreign + ".2"} {
		a := b.comeBack("error=access_denied&state=" + state)
		if a.Code != http.StatusBadRequest || a.location() != "" || b.flows() != 0 {
			t.Errorf("state %s: %d %s", state, a.Code, a.location())
		}
	}
}

func TestAnUnknownStateOfSomebodySignedInLeadsHome(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	before := b.cookies()
	a := b.comeBack("code=x&state=" + foreign)
	if a.Code != http.StatusFound || a.location() != "/" || b.cookies() != before || len(r.clients.calls()) != 0 {
		t.Errorf("%d %s, cookies %s", a.Code, a.location(), b.cookies())
	}
	b.works("ada")
}

func TestAnUnknownStateOfSomebodySignedOutStartsOverOnce(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	second := b.comeBack("code=x&state=" + foreign).state(t)
	if !strings.HasSuffix(second, ".2") {
		t.Fatalf("the second attempt's state is not marked: %s", second)
	}
	blocked := r.browser() // whose cookies never come back
	a := blocked.comeBack("code=x&state=" + second)
	if a.Code != http.StatusBadRequest || a.location() != "" || r.observer.last() != pages.FlowExpired {
		t.Errorf("a third attempt: %d %s %s", a.Code, a.location(), r.observer.last())
	}
	if len(r.clients.calls()) != 0 {
		t.Errorf("exchanges %v", r.clients.calls())
	}
	if a := b.finish(second); a.location() != "/" {
		t.Errorf("the second attempt: %d %s", a.Code, a.location())
	}
	b.works("ada")
}

func TestAStrayCallbackThatIsNoNavigationStartsNothing(t *testing.T) {
	r := newRig(t)
	for name, with := range map[string]headers{"curl": bare, "fetch": scripted, "image": image, "frame": iframe, "prefetch": prefetch} {
		b := r.browser()
		a := b.do("GET", "/auth/callback?code=x&state="+foreign, with)
		if a.Code != http.StatusBadRequest || a.location() != "" || b.cookies() != "" {
			t.Errorf("%s: %d %s %s", name, a.Code, a.location(), b.cookies())
		}
	}
}

func TestAStrayCallbackWhileTheStoreIsAwayIsNeitherAnswerNorSignIn(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	r.vault.fails("Peek", &tokens.Unavailable{Part: tokens.PartStore, Err: errDown})
	a := b.comeBack("code=x&state=" + foreign)
	if a.Code != http.StatusServiceUnavailable || b.flows() != 0 || !b.has(sessionCookie) {
		t.Errorf("%d %s", a.Code, b.cookies())
	}
}

func TestAFlowOfAnotherBrowserIsWorthNothing(t *testing.T) {
	r := newRig(t)
	attacker, victim := r.browser(), r.browser()
	stolen := attacker.start("/app")
	own := victim.start("/mine")
	if a := victim.finish(stolen); a.Code == http.StatusFound && !a.toProvider() {
		t.Errorf("signed in with another browser's flow: %s", a.location())
	}
	if len(r.clients.calls()) != 0 || victim.has(sessionCookie) {
		t.Errorf("exchanges %v", r.clients.calls())
	}
	if a := victim.finish(own); a.location() != "/mine" {
		t.Errorf("the victim's own sign-in: %d %s", a.Code, a.location())
	}
}

func TestTheIssuerOfACallbackMustBeTheProvider(t *testing.T) {
	tests := []struct {
		name, issuer, iss string
		good              bool
	}{
		{"none promised, none given", "", "", true},
		{"none promised, another given", "", "&iss=https://evil.example", false},
		{"promised and given", "https://osc.example", "&iss=https://osc.example", true},
		{"promised, none given", "https://osc.example", "", false},
		{"promised, another given", "https://osc.example", "&iss=https://evil.example", false},
		{"given twice", "https://osc.example", "&iss=https://osc.example&iss=https://osc.example", false},
		{"another with an error", "https://osc.example", "&iss=https://evil.example&error=access_denied", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.provider.issuer = tt.issuer
			b := r.browser()
			a := b.comeBack("code=a&state=" + b.start("/app") + tt.iss)
			if good := a.Code == http.StatusFound; good != tt.good || len(r.clients.calls()) > 0 != tt.good {
				t.Errorf("%d %s, exchanges %d", a.Code, a.location(), len(r.clients.calls()))
			}
			if !tt.good && (a.Code != http.StatusBadRequest || b.has(sessionCookie)) {
				t.Errorf("%d %s", a.Code, b.cookies())
			}
		})
	}
}

func TestOnlyANavigatingGETConsumesACallback(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	state := b.start("/app/x")
	target := "/auth/callback?code=the-code&state=" + state
	for _, method := range []string{"HEAD", "POST", "PUT", "OPTIONS", "get"} {
		a := b.do(method, target, fromAway)
		if a.Code != http.StatusMethodNotAllowed || a.Header().Get("Allow") != "GET" {
			t.Errorf("%s: %d, Allow %q", method, a.Code, a.Header().Get("Allow"))
		}
	}
	for name, with := range map[string]headers{"prefetch": prefetch, "image": image, "frame": iframe, "fetch": scripted} {
		if a := b.do("GET", target, with); a.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", name, a.Code)
		}
	}
	if calls := r.clients.calls(); len(calls) != 0 {
		t.Fatalf("exchanges %v", calls)
	}
	if a := b.finish(state); a.location() != "/app/x" {
		t.Errorf("the GET after: %d %s", a.Code, a.location())
	}
}

func TestTwoTabsFinishInAnyOrderEachAtItsOwnPlace(t *testing.T) {
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		r := newRig(t)
		b := r.browser()
		states := [2]string{b.start("/app/0"), b.start("/app/1")}
		for _, tab := range order {
			if a := b.finish(states[tab]); a.location() != fmt.Sprint("/app/", tab) {
				t.Errorf("order %v, tab %d: %d %s", order, tab, a.Code, a.location())
			}
			b.works("ada")
		}
		calls := r.clients.calls()
		if len(calls) != 2 || calls[0].verifier == calls[1].verifier {
			t.Errorf("exchanges %+v", calls)
		}
		if names := r.vault.names(); len(names) != 1 {
			t.Errorf("%d sessions are left", len(names))
		}
	}
}

func TestAFlowEndsAfterAQuarterOfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		b := r.browser()
		state := b.start("/app")
		<-time.After(14 * time.Minute)
		early := b.copyOf()
		if a := early.finish(state); a.location() != "/app" {
			t.Errorf("in time: %d %s", a.Code, a.location())
		}
		<-time.After(2 * time.Minute)
		late := r.browser()
		late.jar = b.copyOf().jar
		if a := late.finish(state); !a.toProvider() || len(r.clients.calls()) != 1 {
			t.Errorf("late: %d %s", a.Code, a.location())
		}
	})
}

func TestACodeWithLineBreaksIsNothingButACode(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	b.comeBack("code=a%0d%0aX:1&access_token=EVIL&token_type=bearer&state=" + b.start("/app"))
	if calls := r.clients.calls(); len(calls) != 1 || calls[0].code != "a\r\nX:1" {
		t.Errorf("exchanges %+v", calls)
	}
	b.works("ada")
	r.checkLog("EVIL", "X:1")
}

func TestAStrictSessionCookieIsFollowedByAPageOfOurs(t *testing.T) {
	r := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Cookies.SameSite = http.SameSiteStrictMode })
	b := r.browser()
	a := b.finish(b.start("/app/x"))
	if a.Code != http.StatusOK || a.Header().Get("Refresh") != "0; url=/app/x" || !strings.Contains(a.Header().Get("Set-Cookie")+strings.Join(a.Header()["Set-Cookie"], ""), "SameSite=Strict") {
		t.Errorf("%d %v", a.Code, a.Header())
	}
	b.works("ada")
}

func TestTheCallbackReadsTheQueryTheBrowserSent(t *testing.T) {
	r := newRig(t, func(_ *rig, cfg *gate.Config) {
		cfg.Original = func(r *http.Request) (string, *url.URL) {
			u, _ := url.ParseRequestURI(r.RequestURI)
			return r.RequestURI, u
		}
	})
	b := r.browser()
	rewritten := func(target string, with headers) *http.Request {
		req := request(t, "GET", target, with)
		req.URL.Path, req.URL.RawQuery = "/index.php", "page=1"
		return req
	}
	state := b.send(rewritten("/auth/signin?return_to=/app/x", navigation)).state(t)
	if a := b.send(rewritten("/auth/callback?code=the-code&state="+state, fromAway)); a.location() != "/app/x" {
		t.Errorf("%d %s", a.Code, a.location())
	}
}

package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// attack2Headers are a navigation's, with more.
func attack2Headers(more ...string) http.Header {
	headers := navigation.Clone()
	for i := 0; i < len(more); i += 2 {
		headers[more[i]] = append(headers[more[i]], more[i+1])
	}
	return headers
}

// verifierSyntax is RFC 7636 §4.1, and challengeSyntax what S256 makes of it.
var (
	verifierSyntax  = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)
	challengeSyntax = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
)

func TestAttack2SignIns(t *testing.T) {
	t.Parallel()
	a := newAttack2(t, setup{})
	for name, attack := range map[string]func(*testing.T){
		"CB-008 a callback again":                      a.replayCallback,
		"CB-021 two tabs":                              a.twoTabs,
		"CB-022 200 sign-ins nobody finishes":          a.manyBegun,
		"CB-025 other hosts than the site's":           a.forwardedHosts,
		"CB-026 200 requests for authorization":        a.manyAuthorizations,
		"CB-028 an image that begins a sign-in":        a.imageBegins,
		"DC-002 what is registered":                    a.registeredOnce,
		"LG-001 states in logs":                        a.statesUnlogged,
		"CK-010 a sign-in in an attacker's session":    a.fixation,
		"CK-012 a session in the place of a sign-in":   a.sessionAsFlow,
		"CK-011 a sign-in in the place of a session":   a.flowAsSession,
		"CK-009 a session that was signed out":         a.signedOutSession,
		"CB-007 an attacker's sign-in leaves no trace": a.loginCSRF,
	} {
		t.Run(name, attack)
	}
	if counted := a.osc.Counters(); counted.CodeReuse != 0 || counted.CodeRejected != 0 {
		t.Errorf("%d codes were sent twice, %d refused", counted.CodeReuse, counted.CodeRejected)
	}
}

// raw sends a page request with exactly these cookies.
func (a *attack2) raw(t *testing.T, target, cookies string) answer {
	t.Helper()
	return a.with(t, cookies).open(target)
}

// attack2Line is a visitor's cookies as one Cookie line.
func attack2Line(v *visitor) string {
	var pairs []string
	for _, kept := range v.cookies() {
		pairs = append(pairs, kept.Name+"="+kept.Value)
	}
	return strings.Join(pairs, "; ")
}

func (a *attack2) replayCallback(t *testing.T) {
	v := a.browser(t)
	callback := v.toCallback(v.open("/studio"))
	flow, before := attack2Line(v), a.calls()
	v.follow(v.open(callback))
	signedIn := attack2Line(v)
	for name, cookies := range map[string]string{
		"with the session": signedIn, "with the flow": flow, "with both": flow + "; " + signedIn, "with nothing": "",
	} {
		got := a.raw(t, callback, cookies)
		if got.Status != http.StatusFound {
			t.Errorf("%s: %v", name, got)
		}
		a.own(t, got)
	}
	if n := a.calls() - before; n != 1 {
		t.Errorf("%d calls of the token endpoint", n)
	}
	a.works(t, v, "alice")
	// What the flow's cookie is answered with again must not undo a sign-out.
	v.signOut()
	for _, line := range a.raw(t, callback, flow).Header["Set-Cookie"] {
		if set, err := http.ParseSetCookie(line); err == nil && set.Name == "osc_session" && set.Value != "" {
			a.signedOut(t, a.with(t, "osc_session="+set.Value))
		}
	}
	if n := a.calls() - before; n != 1 {
		t.Errorf("%d calls of the token endpoint, after signing out", n)
	}
}

func (a *attack2) twoTabs(t *testing.T) {
	v := a.browser(t)
	one, two := v.open("/tab/one"), v.open("/tab/two")
	before := len(a.asked.at(attack2Token))
	for path, tab := range map[string]answer{"/tab/two": two, "/tab/one": one} {
		if page := v.finish(tab); page.Status != http.StatusOK || page.URL.Path != path {
			t.Errorf("%s: %v", path, page)
		}
	}
	calls := a.asked.at(attack2Token)[before:]
	if len(calls) != 2 || calls[0].form().Get("code_verifier") == calls[1].form().Get("code_verifier") {
		t.Errorf("%d calls of the token endpoint, or one verifier twice", len(calls))
	}
}

func (a *attack2) manyBegun(t *testing.T) {
	v := a.browser(t)
	var last answer
	for i := range 200 {
		last = v.open(fmt.Sprintf("/tab/%d?%s", i, strings.Repeat("x", 8*i)))
		line := attack2Line(v)
		if n := len(v.cookies()); n > 10 || len(line) > 8<<10 {
			t.Fatalf("after %d sign-ins, %d cookies of %d bytes", i+1, n, len(line))
		}
	}
	if page := v.finish(last); page.Status != http.StatusOK || page.URL.Path != "/tab/199" {
		t.Errorf("the last one: %v", page)
	}
}

func (a *attack2) forwardedHosts(t *testing.T) {
	want := a.gateway.URL + "/auth/callback"
	before := len(a.asked.at(attack2Token))
	for name, headers := range map[string]http.Header{
		"all at once": attack2Headers("X-Forwarded-Host", "elsewhere.example", "X-Forwarded-Proto", "https", "Forwarded", "host=elsewhere.example;proto=https"),
		"a port":      attack2Headers("X-Forwarded-Port", "1", "X-Forwarded-Prefix", "/elsewhere", "X-Original-Host", "elsewhere.example"),
		"a URL":       attack2Headers("X-Original-Url", "https://elsewhere.example/", "X-Rewrite-Url", "//elsewhere.example/", "X-Forwarded-Uri", "//elsewhere.example"),
	} {
		for _, target := range []string{"/auth/signin", "/studio"} {
			v := a.browser(t)
			got := v.send(http.MethodGet, target, headers, "")
			a.own(t, got)
			if uri := got.location(t).Query()["redirect_uri"]; len(uri) != 1 || uri[0] != want {
				t.Errorf("%s, %s: redirect_uri is %q", name, target, uri)
			}
			v.send(http.MethodGet, v.toCallback(got), headers, "")
		}
	}
	calls := a.asked.at(attack2Token)[before:]
	for _, call := range calls {
		if got := call.form().Get("redirect_uri"); got != want {
			t.Errorf("redirect_uri of a token request is %q", got)
		}
	}
	if len(calls) != 6 {
		t.Errorf("%d token requests", len(calls))
	}
}

// registeredOnce is checked after any of the others, or by itself.
func (a *attack2) registeredOnce(t *testing.T) {
	headers := attack2Headers("X-Forwarded-Host", "elsewhere.example", "X-Forwarded-Proto", "https", "Forwarded", "host=elsewhere.example")
	a.browser(t).send(http.MethodGet, "/studio", headers, "")
	calls := a.asked.at(attack2Register)
	if len(calls) != 1 || strings.Count(calls[0].body, "redirect_uri") != 1 ||
		!strings.Contains(calls[0].body, `"redirect_uris":["`+a.gateway.URL+`/auth/callback"]`) {
		t.Errorf("registered: %+v", calls)
	}
}

func (a *attack2) manyAuthorizations(t *testing.T) {
	seen := map[string]bool{}
	challenges := map[string]bool{}
	for range 200 {
		query := a.browser(t).open("/studio").location(t).Query()
		state, challenge := query.Get("state"), query.Get("code_challenge")
		if query.Get("code_challenge_method") != "S256" || !challengeSyntax.MatchString(challenge) || len(state) < 43 || seen[state] || seen[challenge] {
			t.Fatalf("%v", query)
		}
		seen[state], seen[challenge] = true, true
	}
	before := len(a.asked.at(attack2Token))
	for range 10 {
		v := a.browser(t)
		sent := v.open("/studio")
		challenges[sent.location(t).Query().Get("code_challenge")] = true
		v.finish(sent)
	}
	for _, call := range a.asked.at(attack2Token)[before:] {
		verifier := call.form().Get("code_verifier")
		sum := sha256.Sum256([]byte(verifier))
		if challenge := base64.RawURLEncoding.EncodeToString(sum[:]); !verifierSyntax.MatchString(verifier) || !challenges[challenge] {
			t.Errorf("the verifier %q makes the challenge %s", verifier, challenge)
		}
	}
	if len(challenges) != 10 {
		t.Errorf("%d challenges", len(challenges))
	}
}

func (a *attack2) imageBegins(t *testing.T) {
	v := a.browser(t)
	callback := v.toCallback(v.open("/going"))
	kept := attack2Line(v)
	for name, headers := range map[string]http.Header{
		"an image": {"Accept": {"image/*"}, "Sec-Fetch-Dest": {"image"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Site": {"cross-site"}},
		"a frame":  {"Accept": {"text/html"}, "Sec-Fetch-Dest": {"iframe"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"cross-site"}},
		"a fetch":  {"Accept": {"*/*"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-site"}},
		"a guess":  attack2Headers("Sec-Purpose", "prefetch;prerender"),
	} {
		for range 6 { // more than a browser keeps
			for _, target := range []string{"/auth/signin", "/studio"} {
				got := v.send(http.MethodGet, target, headers, "")
				if got.Status != http.StatusForbidden && got.Status != http.StatusUnauthorized || got.Header["Set-Cookie"] != nil {
					t.Fatalf("%s, %s: %v", name, target, got)
				}
			}
		}
		// The callback's code is used up by no image either.
		if got := v.send(http.MethodGet, callback, headers, ""); got.Status/100 != 4 {
			t.Errorf("%s, the callback: %v", name, got)
		}
	}
	if attack2Line(v) != kept {
		t.Error("the cookies have changed")
	}
	if got := v.open(callback); got.Header.Get("Location") != "/going" {
		t.Errorf("the sign-in under way: %v", got)
	}
	a.works(t, v, "alice")
}

// statesUnlogged looks for what the address of a callback holds in lines that
// tell of its request. Codes are looked for everywhere, at the end of every world.
func (a *attack2) statesUnlogged(t *testing.T) {
	v := a.browser(t)
	callback := v.toCallback(v.open("/studio"))
	state := attack2Query(t, callback).Get("state")
	v.open(callback)
	v.open(callback)
	v.open("/auth/callback?code=abc&state=" + state + "&state=" + state)
	v.open("/after-the-callback")
	eventually(t, "all of it is in the log", func() bool { return bytes.Contains(a.gateway.output(), []byte("/after-the-callback")) })
	for line := range bytes.SplitSeq(a.gateway.output(), []byte("\n")) {
		var said struct {
			Request struct{ URI string }
			Path    string
		}
		if json.Unmarshal(line, &said) == nil && strings.Contains(said.Request.URI+said.Path, state) {
			t.Errorf("the state is in the log: %s", line)
		}
	}
}

func (a *attack2) loginCSRF(t *testing.T) {
	attacker, victim := a.browser(t), a.browser(t)
	var callback string
	a.as("bob", func() { callback = attacker.toCallback(attacker.open("/")) })
	before := a.calls()
	victim.finish(victim.open(callback))
	a.works(t, victim, "alice")
	if n := a.calls() - before; n != 1 { // the victim's own
		t.Errorf("%d calls of the token endpoint", n)
	}
}

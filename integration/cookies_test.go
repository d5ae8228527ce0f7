package integration

import (
	"net/http"
	"strings"
	"testing"
)

func TestACookieThatIsNotTheGatewaysOwnSignsNobodyIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	v := w.visitor()
	v.signIn("/")
	good := v.session()
	flipped := []byte(good)
	flipped[len(flipped)/2] ^= 1
	last := []byte(good)
	last[0] ^= 1
	calls := w.app.calls()
	for name, line := range map[string]string{
		"forged":                   "osc_session=MTc5NTI4NDMwOXxmb3JnZWR8c2lnbmF0dXJl",
		"empty":                    "osc_session=",
		"cut by one":               "osc_session=" + good[:len(good)-1],
		"cut by four":              "osc_session=" + good[:len(good)-4],
		"cut in half":              "osc_session=" + good[:len(good)/2],
		"one character":            "osc_session=" + good[:1],
		"longer":                   "osc_session=" + good + "A",
		"with a bit turned":        "osc_session=" + string(flipped),
		"with its first turned":    "osc_session=" + string(last),
		"in quotes":                `osc_session="` + good + `"`,
		"in other case":            "osc_session=" + strings.ToLower(good),
		"twice":                    "osc_session=" + good + "; osc_session=" + good,
		"twice, one forged":        "osc_session=forged; osc_session=" + good,
		"twice, the other forged":  "osc_session=" + good + "; osc_session=forged",
		"under another name":       "osc_session2=" + good,
		"under a name in capitals": "OSC_SESSION=" + good,
		"as a flow":                "osc_session_flow_00000000=" + good,
		"with the https prefix":    "__Host-osc_session=" + good,
		"enormous":                 "osc_session=" + strings.Repeat("A", 12_000),
	} {
		thief := w.visitor().withCookie(line)
		if got := thief.open("/studio"); !got.redirects() && got.Status/100 != 4 {
			t.Errorf("%s: a page: %v", name, got)
		}
		if got := thief.fetch(http.MethodGet, "/api/rooms"); got.Status != http.StatusUnauthorized {
			t.Errorf("%s: a script: %v", name, got)
		}
		if got := thief.fetch(http.MethodGet, "/auth/session"); !strings.Contains(got.Body, `"signed_in":false`) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if n := w.app.calls() - calls; n != 0 {
		t.Errorf("the app was called %d times", n)
	}
	if got := w.visitor().withCookie("osc_session=" + good).open("/"); got.Status != http.StatusOK {
		t.Errorf("the cookie itself: %v", got)
	}
}

func TestACookieOfAnotherSiteIsWorthNothing(t *testing.T) {
	t.Parallel()
	one, two := newWorld(t, setup{}), newWorld(t, setup{})
	one.quickly()
	v := one.visitor()
	v.signIn("/")
	if got := two.visitor().withCookie("osc_session=" + v.session()).open("/"); got.Status != http.StatusFound || two.app.calls() != 0 {
		t.Errorf("at another gateway: %v", got)
	}
	// The same gateway under another name.
	calls := one.app.calls()
	got := one.visitor().withCookie("osc_session="+v.session()).send(http.MethodGet,
		strings.Replace(one.gateway.URL, "localhost", "127.0.0.1", 1)+"/api/rooms", scripted, "")
	if got.Status == http.StatusOK && one.app.calls() != calls {
		t.Errorf("at another site: %v", got)
	}
}

func TestTheAppCanNeitherSetNorClearTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	w.app.handle("/evil", func(answer http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"osc_session", "OSC_SESSION", "__Host-osc_session", "osc_session_flow_12345678"} {
			answer.Header().Add("Set-Cookie", name+"=gone; Path=/; Max-Age=0")
		}
		answer.Header().Add("Set-Cookie", "mine=kept; Path=/")
		answer.Header().Set("X-Echo", r.Header.Get("X-Pat-Jwt"))
	})
	v := w.visitor()
	v.signIn("/")
	got := v.open("/evil")
	if lines := got.Header["Set-Cookie"]; len(lines) != 1 || !strings.HasPrefix(lines[0], "mine=") {
		t.Errorf("passed on: %q", lines)
	}
	if got.Header.Get("X-Echo") != "" {
		t.Error("the token was echoed")
	}
	if got.Header.Get("Cache-Control") != "private" || !strings.Contains(strings.Join(got.Header["Vary"], ","), "Cookie") {
		t.Errorf("Cache-Control %q, Vary %q", got.Header["Cache-Control"], got.Header["Vary"])
	}
	if v.open("/").Status != http.StatusOK {
		t.Error("signed out")
	}
}

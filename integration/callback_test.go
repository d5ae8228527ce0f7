package integration

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// someState has the shape of a state of the gateway's.
var someState = strings.Repeat("A", 43)

func TestACallbackThatIsNotInOrderNeverReachesTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	v := w.visitor()
	callback, err := url.Parse(v.toCallback(v.open("/studio")))
	if err != nil {
		t.Fatal(err)
	}
	query := callback.Query()
	state, code := query.Get("state"), query.Get("code")
	for name, raw := range map[string]string{
		"nothing":                "",
		"no state":               "code=" + code,
		"an empty state":         "code=" + code + "&state=",
		"state twice":            "code=" + code + "&state=" + state + "&state=" + state,
		"two states":             "code=" + code + "&state=" + state + "&state=" + someState,
		"no code":                "state=" + state,
		"an empty code":          "code=&state=" + state,
		"code twice":             "code=" + code + "&code=" + code + "&state=" + state,
		"two codes":              "code=" + code + "&code=other&state=" + state,
		"an unknown state":       "code=" + code + "&state=" + someState,
		"a state cut short":      "code=" + code + "&state=" + state[:42],
		"a longer state":         "code=" + code + "&state=" + state + "A",
		"a state in other case":  "code=" + code + "&state=" + strings.ToUpper(state),
		"a state of other bytes": "code=" + code + "&state=%00%ff",
		"a semicolon":            "code=" + code + ";state=" + state,
		"a bad escape":           "code=%zz&state=" + state,
		"another issuer":         "code=" + code + "&state=" + state + "&iss=https%3A%2F%2Felsewhere.example",
		"two issuers":            "code=" + code + "&state=" + state + "&iss=" + w.osc.URL + "&iss=" + w.osc.URL,
		"far too much":           "code=" + strings.Repeat("a", 20_000) + "&state=" + state,
	} {
		got := v.open("/auth/callback?" + raw)
		switch {
		case got.Status == http.StatusBadRequest:
		case got.Status == http.StatusFound && strings.HasPrefix(got.Header.Get("Location"), w.osc.URL+"/api/connect/authorize?"):
		default:
			t.Errorf("%s: %v", name, got)
		}
		if v.session() != "" {
			t.Fatalf("%s: signed in", name)
		}
	}
	if counted := w.osc.Counters(); counted.Endpoints[simulator.EndpointToken] != 0 || w.app.calls() != 0 {
		t.Errorf("%d token calls, %d calls of the app", counted.Endpoints[simulator.EndpointToken], w.app.calls())
	}
}

func TestACallbackOfAnotherBrowserSignsNobodyIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	attacker, victim := w.visitor(), w.visitor()
	attacker.user = "bob"
	callback := attacker.toCallback(attacker.open("/"))

	got := victim.open(callback)
	if victim.session() != "" || w.osc.Counters().CodeExchanges != 0 {
		t.Fatalf("the code was exchanged: %d", got.Status)
	}
	page := victim.finish(got) // a fresh start, as the victim
	if page.Status != http.StatusOK || w.app.last(t).Header.Get("X-Osc-User") != "alice" {
		t.Errorf("%d at %v", page.Status, page.URL)
	}
	if got := attacker.open(callback); got.Status != http.StatusFound || got.Header.Get("Location") != "/" {
		t.Errorf("the one who began it can't finish: %d %v", got.Status, got.Header)
	}
}

func TestARepeatedCallbackExchangesNothingAndKeepsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	v := w.visitor()
	callback := v.toCallback(v.open("/studio"))
	v.follow(v.open(callback))
	session := v.session()
	for range 3 {
		got := v.open(callback)
		if got.Status != http.StatusFound || got.location(t).Host != strings.TrimPrefix(w.gateway.URL, "http://") {
			t.Fatalf("%d %v", got.Status, got.Header)
		}
	}
	if v.session() != session || v.open("/studio").Status != http.StatusOK {
		t.Error("the session was lost")
	}
	if n := w.osc.Counters().CodeExchanges; n != 1 {
		t.Errorf("%d exchanges", n)
	}
}

func TestACallbackOfABrowserWithoutCookiesDoesNotGoInCircles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	v := w.visitor()
	at := v.open("/")
	for range 10 {
		if !at.redirects() {
			break
		}
		v.client.Jar = nil // the browser keeps nothing
		at = v.follow(at)
	}
	if at.redirects() || at.Status/100 != 4 || !strings.Contains(at.Body, "flow_expired") {
		t.Errorf("ended with %v", at)
	}
}

func TestWhatTheProviderRefusesIsAPageAndNotACircle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	for code, want := range map[string]struct {
		status int
		reason string
	}{
		"access_denied":           {http.StatusForbidden, "consent_denied"},
		"server_error":            {http.StatusServiceUnavailable, "provider_unavailable"},
		"temporarily_unavailable": {http.StatusServiceUnavailable, "provider_unavailable"},
		"invalid_scope":           {http.StatusBadGateway, "provider_error"},
		"<script>":                {http.StatusBadGateway, "provider_error"},
	} {
		v := w.visitor()
		state := v.open("/").location(t).Query().Get("state")
		got := v.open("/auth/callback?" + url.Values{
			"error": {code}, "state": {state}, "error_description": {"call 555-0100"}, "error_uri": {"https://elsewhere.example"},
		}.Encode())
		if got.Status != want.status || !strings.Contains(got.Body, want.reason) {
			t.Errorf("%s: %v", code, got)
		}
		for _, echo := range []string{"555-0100", "elsewhere.example", "<script>"} {
			if strings.Contains(got.Body, echo) {
				t.Errorf("%s: the page says %q", code, echo)
			}
		}
	}
	if n := w.osc.Counters().Endpoints[simulator.EndpointToken]; n != 0 {
		t.Errorf("%d token calls", n)
	}
}

func TestRefusedConsentCanBeGivenAfterAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	v := w.visitor()
	at := v.open("/studio")
	for !strings.Contains(at.Body, `id="consent"`) {
		at, _ = v.step(at)
	}
	at = v.follow(v.submit(at, `id="consent"`, url.Values{"decision": {"deny"}}))
	if at.Status != http.StatusForbidden || !strings.Contains(at.Body, "consent_denied") || v.session() != "" {
		t.Fatal(at)
	}
	if page := v.signIn("/studio"); page.Status != http.StatusOK || page.URL.Path != "/studio" {
		t.Errorf("afterwards: %d at %v", page.Status, page.URL)
	}
}

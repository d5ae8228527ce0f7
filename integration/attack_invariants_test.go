package integration

import (
	"net/http"
	"strings"
	"testing"
)

// What holds whatever the attack. That no client was sent a secret, and that none
// was printed or written to disk, is checked at the end of every world.

// attackTokenFields are the fields an app of OSC's may read a token from.
var attackTokenFields = []string{"x-pat-jwt", "x-jwt", "authorization"}

// forwarded checks what holds for every request that the app gets, and counts
// the tokens in each of them: alice's, and never two.
func (a *attackRig) forwarded(t testing.TB, requests []string) (tokens int) {
	t.Helper()
	for _, raw := range requests {
		a.canaries.absent(t, "what the app was sent", []byte(raw), accessToken)
		if strings.Contains(strings.ToLower(raw), "osc_session") {
			t.Errorf("the app got a cookie of the gateway's:\n%s", raw)
		}
		if strings.Count(raw, " HTTP/1.1\r\n") != 1 {
			t.Errorf("more than one request in one:\n%s", raw)
		}
		fields, found := wireFields(raw), 0
		for _, name := range attackTokenFields {
			for _, value := range fields[name] {
				if found++; value != "Bearer "+a.token {
					t.Errorf("the app got %s: %s", name, value)
				}
			}
		}
		if found > 1 {
			t.Errorf("%d tokens:\n%s", found, raw)
		}
		tokens += found
	}
	return tokens
}

// answered checks what holds for every answer of the gateway's own: it is kept
// nowhere, leads nowhere but to the site and to the provider, from where it
// comes back to the site, and there was no trouble.
func (a *attackRig) answered(t testing.TB, got answer) {
	t.Helper()
	if got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v: Cache-Control is %q", got, got.Header["Cache-Control"])
	}
	if got.Status >= http.StatusInternalServerError {
		t.Errorf("in trouble: %v", got)
	}
	if lines := got.Header["Location"]; len(lines) > 0 {
		a.leads(t, got)
	}
}

// leads checks where a redirect goes.
func (a *attackRig) leads(t testing.TB, got answer) {
	t.Helper()
	target := got.location(t)
	switch target.Scheme + "://" + target.Host {
	case a.origin:
	case a.osc.URL:
		if back := target.Query()["redirect_uri"]; target.Path != "/api/connect/authorize" || len(back) != 1 || back[0] != a.origin+"/auth/callback" {
			t.Errorf("sent to %s, and from there to %q", target, back)
		}
	default:
		t.Errorf("sent to %s", target)
	}
}

// toProvider tells whether an answer sends somebody to sign in.
func (a *attackRig) toProvider(got answer) bool {
	return got.Status == http.StatusFound && strings.HasPrefix(got.Header.Get("Location"), a.osc.URL+"/api/connect/authorize?")
}

// alive checks that the gateway is still the process that was started.
func (a *attackRig) alive(t testing.TB) {
	t.Helper()
	select {
	case <-a.gateway.exited:
		t.Fatalf("the gateway ended:\n%s", a.gateway.output())
	default:
	}
}

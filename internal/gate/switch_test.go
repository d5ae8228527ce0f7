package gate_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var formAction = regexp.MustCompile(`<form method="post" action="([^"]*)">`)

// Who has the wrong account is told which one it is, and gets to sign in with
// another by one press of a button.
func TestTheWrongWorkspaceIsChangedInOneGo(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "gamma")
	a := b.navigate("/acme/a?b=1")
	for _, want := range []string{"<dd>ada</dd>", "<dd>gamma</dd>", "<dd>acme, beta</dd>"} {
		if !strings.Contains(a.Body.String(), want) {
			t.Errorf("%d: %s is missing", a.Code, want)
		}
	}
	found := formAction.FindStringSubmatch(a.Body.String())
	if a.Code != http.StatusForbidden || found == nil {
		t.Fatalf("%d\n%s", a.Code, a.Body)
	}
	out := b.do("POST", html.UnescapeString(found[1]), ownPost)
	if out.Code != http.StatusSeeOther || b.has(sessionCookie) || r.vault.alive(b.session) {
		t.Errorf("%d, cookies %s", out.Code, b.cookies())
	}
	on := b.navigate(out.location())
	_, next, _ := strings.Cut(on.Header().Get("Refresh"), "url=")
	if on.Code != http.StatusOK || next != "/auth/signin?return_to=%2Facme%2Fa%3Fb%3D1" || b.flows() != 0 {
		t.Fatalf("%d, Refresh %q, %d flows", on.Code, on.Header().Get("Refresh"), b.flows())
	}
	if in := b.navigate(next); !in.toProvider() {
		t.Errorf("%d", in.Code)
	}
}

func TestSwitchingAccountsLeadsNowhereElse(t *testing.T) {
	for _, to := range []string{"//evil.example", "https://evil.example", "%5Cevil.example", "/%09/evil.example", "/auth/signout", "", "/a&switch=/b"} {
		r := newRig(t)
		b := r.signedIn("ada", "acme")
		a := b.do("POST", "/auth/signout?switch="+to, ownPost)
		on := b.navigate("/auth/signed-out?switch=" + to)
		got := a.location() + on.Header().Get("Refresh") + on.Body.String()
		if a.Code != http.StatusSeeOther || strings.Contains(got, "evil") || strings.Contains(got, "signout") || strings.Contains(got, "%2Fb") || b.has(sessionCookie) {
			t.Errorf("%q: %d %s\n%s", to, a.Code, a.location(), on.Body)
		}
	}
}

func TestAProgramIsNotToldWhoMayComeIn(t *testing.T) {
	r := newRig(t)
	a := r.signedIn("ada", "gamma").do("GET", "/acme/a", scripted)
	if a.Code != http.StatusForbidden || strings.Contains(a.Body.String(), "beta") || strings.Contains(a.Body.String(), "gamma") {
		t.Errorf("%d\n%s", a.Code, a.Body)
	}
}

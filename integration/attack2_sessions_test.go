package integration

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func (a *attack2) fixation(t *testing.T) {
	attacker := a.browser(t)
	a.as("bob", func() { attacker.signIn("/") })
	planted := attacker.session()
	victim := a.browser(t)
	u, err := url.Parse(victim.base)
	if err != nil {
		t.Fatal(err)
	}
	victim.client.Jar.SetCookies(u, []*http.Cookie{{Name: "osc_session", Value: planted, Path: "/"}})
	victim.signIn("/auth/signin")
	if victim.session() == planted || victim.session() == "" {
		t.Error("the session is the attacker's still")
	}
	a.works(t, victim, "alice")
	a.signedOut(t, a.with(t, "osc_session="+planted))
}

func (a *attack2) sessionAsFlow(t *testing.T) {
	signedIn := a.browser(t)
	signedIn.signIn("/")
	v := a.browser(t)
	callback := v.toCallback(v.open("/studio"))
	before := a.calls()
	for _, kept := range v.cookies() {
		got := a.raw(t, callback, kept.Name+"="+signedIn.session())
		if got.Status != http.StatusBadRequest && !strings.HasPrefix(got.Header.Get("Location"), a.osc.URL) {
			t.Errorf("%s: %v", kept.Name, got)
		}
		a.own(t, got)
	}
	if got := a.raw(t, "/auth/callback?code=abc&state=s", attack2Line(v)); got.Status != http.StatusBadRequest {
		t.Errorf("a state that is none: %v", got)
	}
	if n := a.calls() - before; n != 0 {
		t.Errorf("%d calls of the token endpoint", n)
	}
}

func (a *attack2) flowAsSession(t *testing.T) {
	v := a.browser(t)
	v.open("/studio")
	kept := v.cookies()
	if len(kept) == 0 {
		t.Fatal("no sign-in began")
	}
	for _, flow := range kept {
		a.signedOut(t, a.with(t, "osc_session="+flow.Value))
	}
}

func (a *attack2) signedOutSession(t *testing.T) {
	before := a.kept(t)
	v := a.browser(t)
	v.signIn("/")
	stolen := a.with(t, "osc_session="+v.session())
	a.works(t, stolen, "alice")
	v.signOut()
	a.signedOut(t, stolen)
	if now := a.kept(t); now != before {
		t.Errorf("%d sessions are kept, %d before", now, before)
	}
}

package integration

import (
	"net/http"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

func TestTheGatewayStartsWhileOSCIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{oscDown: true})
	w.quickly()
	v := w.visitor()
	got := v.open("/studio")
	if got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, "provider_unavailable") ||
		!strings.Contains(got.Body, `http-equiv="refresh"`) || got.Header.Get("Retry-After") == "" {
		t.Fatalf("%v %v", got, got.Header)
	}
	if got := v.open("/assets/logo.svg"); got.Status != http.StatusOK {
		t.Errorf("a public page: %v", got)
	}
	if got := v.fetch(http.MethodGet, "/api/rooms"); got.Status != http.StatusUnauthorized {
		t.Errorf("a script: %v", got)
	}
	w.osc.up()
	eventually(t, "the sign-in goes on by itself", func() bool { return v.open("/studio").Status == http.StatusFound })
	if page := v.signIn("/studio"); page.Status != http.StatusOK {
		t.Errorf("afterwards: %v", page)
	}
}

func TestSessionsOutliveAnOutageOfOSC(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	w.osc.SetKnobs(func(k *simulator.Knobs) { k.Token.AccessLifetimeSeconds = 4 })
	v, other := w.visitor(), w.visitor()
	v.signIn("/")
	session := v.session()
	w.osc.down()
	if got := v.open("/studio"); got.Status != http.StatusOK {
		t.Errorf("while the token lives: %v", got)
	}
	if got := other.open("/studio"); got.Status != http.StatusServiceUnavailable {
		// Known endpoints and client: the browser is sent on, and meets the outage there.
		if got.Status != http.StatusFound {
			t.Errorf("a sign-in: %v", got)
		}
	}
	var got answer
	eventually(t, "the token has ended", func() bool {
		got = v.fetch(http.MethodGet, "/api/rooms")
		return got.Status != http.StatusOK
	})
	if got.Status != http.StatusServiceUnavailable || readProblem(t, got).Reason != "provider_unavailable" || got.Header["Set-Cookie"] != nil {
		t.Errorf("%v", got)
	}
	if v.session() != session {
		t.Error("the cookie was taken away")
	}
	w.osc.up()
	eventually(t, "the session works again", func() bool { return v.open("/studio").Status == http.StatusOK })
	if v.session() != session || w.osc.Counters().CodeExchanges != 1 {
		t.Error("only after signing in again")
	}
}

func TestForgottenClientsAreRegisteredAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	v := w.visitor()
	callback := v.toCallback(v.open("/studio"))
	w.osc.ForgetClients()
	if page := v.finish(v.open(callback)); page.Status != http.StatusOK || page.URL.Path != "/studio" {
		t.Errorf("%v", page)
	}
	if n := w.osc.Counters().Registrations; n != 2 {
		t.Errorf("%d registrations", n)
	}
}

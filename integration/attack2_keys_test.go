package integration

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

func TestAttack2Keys(t *testing.T) {
	t.Parallel()
	a := newAttack2(t, setup{global: "\t\tkey {env.OLD}\n", env: []string{"OLD=" + gatewayKey, "NEW=" + attack2Other}})
	old := a.browser(t)
	old.signIn("/")
	underway := a.browser(t)
	callback := underway.toCallback(underway.open("/studio"))
	kept := a.with(t, "osc_session="+a.held(old))
	for _, c := range []struct {
		name, keys string
		accepted   bool
	}{
		{"CK-013 a key that is gone", "{env.NEW}", false},
		{"CK-014 a key that was the newest", "{env.NEW} {env.OLD}", true},
		{"CK-014 a key that will be the newest", "{env.OLD} {env.NEW}", true},
		{"CK-013 a key that is gone again", "{env.NEW}", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a.configure("\t\tkey "+c.keys+"\n", "")
			if output, status := a.reload(); status != 0 {
				t.Fatal(output)
			}
			if c.accepted {
				a.works(t, kept, "alice")
				return
			}
			a.signedOut(t, kept)
			before := a.calls()
			if got := underway.open(callback); a.calls() != before || a.held(underway) != "" {
				t.Errorf("a sign-in that began under it: %v", got)
			}
		})
	}
}

func TestAttack2InTheClear(t *testing.T) {
	t.Parallel()
	a := newAttack2(t, setup{})
	a.osc.SetKnobs(func(k *simulator.Knobs) { k.Registration.AllowHTTP = true }) // it is not the provider that saves the day
	_, port, _ := net.SplitHostPort(a.gateway.address)
	_, tapped, _ := net.SplitHostPort(a.gateway.tap.listener.Addr().String())
	for name, c := range map[string]struct{ address, host string }{
		"CK-025 a name":     {"http://app.example.com:" + port, "app.example.com"},
		"CK-025 an address": {"http://192.0.2.1:" + port, "192.0.2.1"},
		"CK-025 any":        {"http://:" + port, "elsewhere.example"},
	} {
		t.Run(name, func(t *testing.T) {
			a.configure("", "")
			a.moveTo(t, c.address)
			v := a.browser(t)
			v.base = "http://" + c.host + ":" + tapped
			for _, target := range []string{"/studio", "/auth/signin", "/auth/callback?code=abcdefgh&state=" + someState} {
				got := v.open(target)
				if got.Status/100 != 4 && got.Status/100 != 5 || got.Header["Set-Cookie"] != nil || got.Header["Location"] != nil {
					t.Errorf("%v with %q", got, got.Header["Set-Cookie"])
				}
				a.own(t, got)
			}
			headers := navigation.Clone()
			headers["X-Forwarded-Proto"] = []string{"https"}
			if got := v.send(http.MethodGet, "/studio", headers, ""); got.Header["Set-Cookie"] != nil {
				t.Errorf("%v with %q", got, got.Header["Set-Cookie"])
			}
		})
	}
	if n := a.app.calls(); n != 0 {
		t.Errorf("the app was called %d times", n)
	}
}

// moveTo has the site answer at another address.
func (a *attack2) moveTo(t *testing.T, address string) {
	t.Helper()
	a.editConfig(t, func(text string) string {
		_, port, _ := net.SplitHostPort(a.gateway.address)
		return strings.Replace(text, fmt.Sprintf("http://localhost:%s, http://*.localhost:%s {", port, port), address+" {", 1)
	})
	if output, status := a.reload(); status != 0 {
		t.Fatal(output)
	}
}

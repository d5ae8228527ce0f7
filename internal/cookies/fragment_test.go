package cookies_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
)

func TestAFragmentComesBackToItsOwnCallback(t *testing.T) {
	jar := newJar(t, config, newKey(t))
	for name, on := range map[string]cookies.Site{"__Secure-osc_session_fragment_": site, "osc_session_fragment_": plain} {
		cookie := jar.FragmentCookie(on, state, "/auth/callback")
		if !strings.HasPrefix(cookie.Name, name) || !config.Owns(cookie.Name) {
			t.Errorf("%s is not %s… or not the gateway's", cookie.Name, name)
		}
		if got := strings.HasSuffix(cookie.Attributes, "; Secure"); got != on.Secure {
			t.Errorf("Secure is %v on %s", got, on.Origin)
		}
		if !strings.Contains(cookie.Attributes, "; Path=/auth/callback; Max-Age=600; SameSite=Lax") {
			t.Errorf("attributes %q", cookie.Attributes)
		}
		if raw, _ := jar.Fragment(requestWith(cookie.Name+"=%23%2Frooms%3Fa%253Bb"), on, state); raw != "#/rooms?a%3Bb" {
			t.Errorf("the fragment came back as %q", raw)
		}
		if raw, sent := jar.Fragment(requestWith(cookie.Name+"=%23a"), on, "another state"); raw != "" || sent {
			t.Errorf("another flow's: %q %v", raw, sent)
		}
		h := http.Header{}
		jar.ClearFragment(h, on, state, "/auth/callback")
		if cleared := only(t, h); cleared.Name != cookie.Name || cleared.MaxAge >= 0 || cleared.Path != "/auth/callback" || cleared.Secure != on.Secure {
			t.Errorf("cleared with %s", cleared)
		}
	}
}

func TestAFragmentThatIsNotOneIsSentButWorthNothing(t *testing.T) {
	jar := newJar(t, config, newKey(t))
	name := jar.FragmentCookie(site, state, "/auth/callback").Name
	for what, line := range map[string]string{
		"too long": name + "=%23" + strings.Repeat("a", cookies.MaxFragment), "a broken escape": name + "=%2", "two of them": name + "=%23a; " + name + "=%23b",
	} {
		if raw, sent := jar.Fragment(requestWith(line), site, state); raw != "" || !sent {
			t.Errorf("%s: %q %v", what, raw, sent)
		}
	}
	if raw, sent := jar.Fragment(requestWith(), site, state); raw != "" || sent {
		t.Errorf("none: %q %v", raw, sent)
	}
}

// Anybody can have a browser load pages with long fragments. All that wait come
// with the callback, whose headers must not get too large.
func TestNoMoreFragmentsWaitThanSignIns(t *testing.T) {
	for _, on := range []cookies.Site{site, plain} {
		jar := newJar(t, config, newKey(t))
		b := browser{}
		for i := range 50 {
			h, state := http.Header{}, fmt.Sprint("state", i)
			flow := newFlow("/app")
			flow.RedirectURI = on.Origin + "/auth/callback"
			if err := jar.SetFlow(h, b.request(), on, state, flow); err != nil {
				t.Fatal(err)
			}
			for _, line := range h["Set-Cookie"] {
				if cookie, err := http.ParseSetCookie(line); err != nil || strings.Contains(cookie.Name, "_fragment_") && cookie.Path != "/auth/callback" {
					t.Fatalf("%s: %v", line, err)
				}
			}
			b.keep(t, h)
			b[jar.FragmentCookie(on, state, "/auth/callback").Name] = "%23a"
			flows, fragments := 0, 0
			for name := range b {
				flows += strings.Count(name, "_flow_")
				fragments += strings.Count(name, "_fragment_")
			}
			if fragments > 5 || fragments != flows {
				t.Fatalf("%s: %d fragments wait for %d sign-ins", on.Origin, fragments, flows)
			}
		}
		if raw, _ := jar.Fragment(b.request(), on, "state49"); raw != "#a" {
			t.Errorf("%s: the newest is %q", on.Origin, raw)
		}
	}
}

func TestAReturnPathTooLongForACookieLosesItsFragmentFirst(t *testing.T) {
	jar := newJar(t, config, newKey(t))
	b := browser{}
	h := http.Header{}
	if err := jar.SetFlow(h, requestWith(), site, state, newFlow("/app#"+strings.Repeat("f", 4000))); err != nil {
		t.Fatal(err)
	}
	b.keep(t, h)
	if flow, ok := jar.Flow(b.request(), site, state); !ok || flow.ReturnTo != "/app" {
		t.Errorf("%v %.20q", ok, flow.ReturnTo)
	}
}

package cookies_test

import (
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

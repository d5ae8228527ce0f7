package cookies_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
)

func TestEveryCookieHasTheAttributesThatKeepItToItself(t *testing.T) {
	for _, sameSite := range []http.SameSite{http.SameSiteLaxMode, http.SameSiteStrictMode} {
		for _, on := range []cookies.Site{site, plain} {
			cfg := config
			cfg.SameSite = sameSite
			jar := newJar(t, cfg, newKey(t))
			h := func(set func(http.Header)) *http.Cookie {
				header := http.Header{}
				set(header)
				return only(t, header)
			}
			session := h(func(h http.Header) { _ = jar.SetSession(h, on, newTicket(t), 90*time.Minute) })
			noSession := h(func(h http.Header) { jar.ClearSession(h, on) })
			flow := h(func(h http.Header) { _ = jar.SetFlow(h, requestWith(), on, state, newFlow("/app")) })
			noFlow := h(func(h http.Header) { jar.ClearFlow(h, on, state) })

			checkAttributes(t, session, on, sameSite, 90*60)
			checkAttributes(t, noSession, on, sameSite, -1)
			// A flow's cookie comes back from the provider, so it is lax whatever
			// the session's is.
			checkAttributes(t, flow, on, http.SameSiteLaxMode, int(flowAge/time.Second))
			checkAttributes(t, noFlow, on, http.SameSiteLaxMode, -1)
			if session.Name != noSession.Name || flow.Name != noFlow.Name {
				t.Errorf("names %q %q, %q %q", session.Name, noSession.Name, flow.Name, noFlow.Name)
			}
		}
	}
}

func checkAttributes(t *testing.T, cookie *http.Cookie, on cookies.Site, sameSite http.SameSite, maxAge int) {
	t.Helper()
	if strings.HasPrefix(cookie.Name, "__Host-") != on.Secure || cookie.Secure != on.Secure {
		t.Errorf("name and Secure: %s", cookie.Raw)
	}
	if !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" || cookie.SameSite != sameSite {
		t.Errorf("attributes: %s", cookie.Raw)
	}
	if cookie.MaxAge != maxAge || (maxAge < 0) != (cookie.Value == "") || maxAge < 0 && !strings.Contains(cookie.Raw, "Max-Age=0") {
		t.Errorf("Max-Age %d, want %d: %s", cookie.MaxAge, maxAge, cookie.Raw)
	}
	if !cookie.Expires.IsZero() || cookie.Partitioned || len(cookie.Raw) > 4096 {
		t.Errorf("more than is wanted: %s", cookie.Raw)
	}
}

func TestASessionThatIsOverIsDeletedInsteadOfSet(t *testing.T) {
	h := http.Header{}
	if err := newJar(t, config, newKey(t)).SetSession(h, site, newTicket(t), 0); err != nil {
		t.Fatal(err)
	}
	if cookie := only(t, h); cookie.MaxAge >= 0 || cookie.Value != "" {
		t.Errorf("%s", cookie.Raw)
	}
}

func TestCookiesThatAnyBrowserOrUpstreamCouldTakeForOursAreOurs(t *testing.T) {
	for name, ours := range map[string]bool{
		"osc_session": true, "OSC_Session": true, "__Host-osc_session": true, "__HOST-osc_session": true, "__host-OSC_SESSION": true,
		"__Secure-osc_session": true, "__secure-osc_session": true, "__Http-osc_session": true, "__Host-Http-osc_session": true,
		" osc_session ": true, "\t__Host-osc_session": true,
		"osc_session_flow_1a2b3c4d": true, "osc_session_flow_": true, "__Host-osc_session_flow_x": true, "__host-OSC_session_FLOW_x": true,
		"__Host-Http-osc_session_flow_1": true, "__HOST-HTTP-osc_session_flow_1": true, " __Host-osc_session_flow_x": true,
		"osc_session_fragment_1a2b3c4d": true, "__Secure-osc_session_fragment_x": true, "__SECURE-OSC_session_Fragment_x": true,

		"": false, "app": false, "osc": false, "osc_sessions": false, "osc_session_": false, "osc_session_0": false, "my_osc_session": false,
		"osc_session_flow": false, "__Host-": false, "__Host-app": false, "__Host-osc_session2": false, "osc-session": false,
	} {
		if config.Owns(name) != ours {
			t.Errorf("%q: ours %t", name, !ours)
		}
	}
}

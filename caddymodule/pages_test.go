package caddymodule

import (
	"strings"
	"testing"
)

// signOutPage is a page of the gateway's that anybody can open.
func (g *gateway) signOutPage(t *testing.T) (body, policy string) {
	t.Helper()
	answer := g.browser().asks("GET", g.local()+"/auth/signout")
	return answer.body, answer.header.Get("Content-Security-Policy")
}

func TestThePagesLookAsConfigured(t *testing.T) {
	t.Setenv("OSC_TEST_APP", "Intercom & friends")
	body, policy := newWorld(t).serve(`http://localhost {
	osc_proxy {$APP} {
		pages {
			name {env.OSC_TEST_APP}
			logo testdata/logo.svg
			color "#fd0"
			support mailto:help@example.com
		}
	}
}`).signOutPage(t)
	for _, want := range []string{"· Intercom &amp; friends</title>", `src="data:image/svg+xml;base64,`, "--accent: #ffdd00", `href="mailto:help@example.com"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing:\n%s", want, body)
		}
	}
	if !strings.Contains(policy, "img-src data:;") {
		t.Error(policy)
	}
}

func TestAPageOfOnesOwn(t *testing.T) {
	body, policy := newWorld(t).serve(`http://localhost {
	osc_auth {
		pages {
			template testdata/page.html
		}
	}
	respond ok
}`).signOutPage(t)
	if !strings.Contains(body, "A page of our own.") || !strings.Contains(body, "<button>Sign out</button>") || !strings.Contains(policy, "style-src 'sha256-") {
		t.Errorf("%s\n%s", policy, body)
	}
}

func TestPagesAreNamedAfterTheClient(t *testing.T) {
	const site = "http://localhost {\n\tosc_proxy {$APP}\n}"
	if body, _ := newWorld(t).serve("{\n\tosc_auth {\n\t\tclient_name Intercom\n\t}\n}\n\n" + site).signOutPage(t); !strings.Contains(body, "· Intercom</title>") {
		t.Error(body)
	}
	if body, _ := newWorld(t).serve(site).signOutPage(t); !strings.Contains(body, "<title>Sign out?</title>") {
		t.Error(body)
	}
}

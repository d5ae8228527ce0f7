package caddymodule

import (
	"net/http"
	"strings"
	"testing"
)

func TestMatchersKnowWhoTheGateLetIn(t *testing.T) {
	w := newWorld(t)
	g := w.serve(`{
	osc_auth {
		issuer {$OSC}
		store memory
	}
}
http://localhost {
	@acme osc_tenant acme
	@others osc_tenant beta gamma
	@someone osc_signed_in
	osc_auth {
		public /open
		optional /
	}
	respond @others "others"
	respond @acme "acme"
	respond @someone "someone"
	respond "nobody"
}
`)
	b := g.browser()
	for path, want := range map[string]string{"/": "nobody", "/open": "nobody"} {
		if got := b.asks(http.MethodGet, g.local()+path); !strings.Contains(got.body, want) {
			t.Errorf("signed out at %s: %q, want %q", path, got.body, want)
		}
	}
	b.signsIn(g.local() + "/in")
	for path, want := range map[string]string{"/": "acme", "/in": "acme", "/open": "nobody"} {
		if got := b.asks(http.MethodGet, g.local()+path); !strings.Contains(got.body, want) {
			t.Errorf("alice of acme at %s: %q, want %q", path, got.body, want)
		}
	}
}

package caddymodule

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestWhoseAddressIsAClientsAlone(t *testing.T) {
	for client, alone := range map[string]bool{
		"203.0.113.7": true, "2001:db8::1": true, "::ffff:203.0.113.7": true,
		// Somebody's proxy may be there.
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "100.64.3.2": false,
		"::ffff:10.1.2.3": false, "fd00::1": false, "fe80::1%eth0": false, "169.254.1.1": false, "0.0.0.0": false, "@": false, "": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: client}))
		got := clientAddress(r)
		if got.IsValid() != alone || alone && got != netip.MustParseAddr(client).Unmap() {
			t.Errorf("%q: %v", client, got)
		}
	}
	if got := clientAddress(httptest.NewRequest("GET", "/", nil)); got.IsValid() {
		t.Errorf("without Caddy: %v", got)
	}
}

func TestVisitorsAreLimitedByTheAddressATrustedProxyNames(t *testing.T) {
	w := newWorld(t)
	g := w.serve("{\n\tosc_auth {\n\t\tissuer {$OSC}\n\t\tsignin_limit 1/m\n\t}\n" + trustsLoopback + "\n}\n\n:8080 {\n\tosc_proxy {$APP}\n}")
	starts := func(forwarded string) int {
		t.Helper()
		return g.browser().asks("GET", g.local()+"/auth/signin", "X-Forwarded-For: "+forwarded, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document").status
	}
	for _, step := range []struct {
		client string
		want   int
	}{{"203.0.113.7", 302}, {"203.0.113.7", 429}, {"203.0.113.8", 302}, {"10.0.0.1", 302}, {"10.0.0.1", 302}} {
		if got := starts(step.client); got != step.want {
			t.Errorf("%s: %d, want %d", step.client, got, step.want)
		}
	}
}

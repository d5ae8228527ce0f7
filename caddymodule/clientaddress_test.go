package caddymodule

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"strings"
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
	limitsStarts(t, trustsLoopback, []start{
		{"203.0.113.7", 302}, {"203.0.113.7", 429}, {"203.0.113.8", 302}, {"10.0.0.1", 302}, {"10.0.0.1", 302},
	})
}

// A proxy that adds to X-Forwarded-For passes on what the client wrote before.
func TestNobodyIsLimitedByWhatSomebodyElseSaysTheirAddressIs(t *testing.T) {
	t.Run("the first address counts", func(t *testing.T) {
		limitsStarts(t, trustsLoopback, []start{
			{"203.0.113.7, 198.51.100.1", 302}, {"203.0.113.7, 198.51.100.1", 302}, {"203.0.113.7", 302}, {"203.0.113.7", 429},
		})
	})
	t.Run("the last that is no proxy's counts", func(t *testing.T) {
		limitsStarts(t, strings.Replace(trustsLoopback, "\n\t}", "\n\t\ttrusted_proxies_strict\n\t}", 1), []start{
			{"203.0.113.7, 198.51.100.1", 302}, {"203.0.113.8, 198.51.100.1, 127.0.0.1", 429}, {"203.0.113.7", 302}, {"203.0.113.7", 429},
		})
	})
}

// start is a sign-in begun by a client that a proxy forwards, and the status.
type start struct {
	forwarded string
	want      int
}

// limitsStarts begins sign-ins where a client may begin one a minute.
func limitsStarts(t *testing.T, options string, steps []start) {
	t.Helper()
	w := newWorld(t)
	g := w.serve("{\n\tosc_auth {\n\t\tissuer {$OSC}\n\t\tsignin_limit 1/m\n\t}\n" + options + "\n}\n\n:8080 {\n\tosc_proxy {$APP}\n}")
	for _, step := range steps {
		a := g.browser().asks("GET", g.local()+"/auth/signin", "X-Forwarded-For: "+step.forwarded, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
		if a.status != step.want {
			t.Errorf("%s: %d, want %d", step.forwarded, a.status, step.want)
		}
	}
}

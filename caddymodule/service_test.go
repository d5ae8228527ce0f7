package caddymodule

import (
	"net/http"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

const serviceSite = `{
	osc_auth {
		issuer {$OSC}
		token_service {$OSC}/token
		store memory
	}
}
http://localhost {
	osc_proxy {$APP} {
		required /manager/* {
			service eyevinn-intercom-manager
		}
		required /api/* {
			service eyevinn-intercom-manager
			token_header x-jwt
		}
	}
}
`

func TestARouteOfAServiceGetsItsTokenAndNeverTheUsersOwn(t *testing.T) {
	w := newWorld(t)
	g := w.serve(serviceSite)
	b := g.browser()
	if got := b.goes(g.local() + "/"); got.status != http.StatusOK {
		t.Fatalf("signing in ended with %d", got.status)
	}
	own := lastHeader(w.app).Get("X-Pat-Jwt")

	for range 3 {
		wantStatus(t, b.asks(http.MethodGet, g.local()+"/manager/x", "Authorization: Bearer mine"), http.StatusOK)
		got := lastHeader(w.app)
		sat, found := strings.CutPrefix(got.Get("Authorization"), "Bearer ")
		if !found || len(got.Values("Authorization")) != 1 || strings.Contains(own, sat) || got.Get("X-Pat-Jwt") != "" {
			t.Fatalf("the app got %v", got)
		}
	}
	wantStatus(t, b.asks(http.MethodGet, g.local()+"/api/x"), http.StatusOK)
	if got := lastHeader(w.app); got.Get("X-Jwt") == "" || got.Get("Authorization") != "" || got.Get("X-Pat-Jwt") != "" {
		t.Fatalf("the app got %v", got)
	}
	if calls := w.sim.Counters().ServiceTokens; calls != 1 {
		t.Errorf("%d exchanges, want 1", calls)
	}
	wantStatus(t, b.asks(http.MethodGet, g.local()+"/else"), http.StatusOK)
	if got := lastHeader(w.app); got.Get("X-Pat-Jwt") != own || got.Get("Authorization") != "" {
		t.Fatalf("a route without a service got %v", got)
	}
}

func TestWithoutAServiceTokenTheAppIsNotAsked(t *testing.T) {
	w := newWorld(t)
	g := w.serve(serviceSite)
	b := g.browser()
	b.signsIn(g.local() + "/")
	before := len(w.app.requests())
	w.sim.SetKnobs(func(k *simulator.Knobs) {
		k.Faults = []simulator.Fault{{Kind: simulator.FaultReply, Endpoint: simulator.EndpointServiceToken, Status: http.StatusServiceUnavailable}}
	})
	got := b.asks(http.MethodGet, g.local()+"/manager/x")
	wantStatus(t, got, http.StatusServiceUnavailable)
	if got.header.Get("Retry-After") == "" || len(w.app.requests()) != before {
		t.Errorf("Retry-After %q; the app was asked %d times", got.header.Get("Retry-After"), len(w.app.requests())-before)
	}
}

func lastHeader(a *app) http.Header {
	requests := a.requests()
	return requests[len(requests)-1].Header
}

package caddymodule

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestTheExampleWorks serves Caddyfile.example as it is, and then with a
// simulator for OSC and an app that is there.
func TestTheExampleWorks(t *testing.T) {
	raw, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	t.Run("as it is", func(t *testing.T) { provision(t, text) })
	t.Run("on https", func(t *testing.T) {
		t.Setenv("APP_ADDRESS", "app.example.com")
		t.Setenv("APP_URL", "https://app.example.com")
		provision(t, text)
	})
	t.Run("with an app", func(t *testing.T) {
		w := newWorld(t)
		offline := strings.NewReplacer("environment prod", "issuer {$OSC}", "localhost:3000", "{$APP}", "acme beta", "acme").Replace(text)
		t.Setenv("APP_URL", "http://localhost:8080")
		g := w.serve(formatted(offline))
		b := g.browser()
		const here = "http://localhost:8080" // which the browser finds at the test's port
		wantStatus(t, b.asks("GET", here+"/assets/logo.svg"), http.StatusOK)
		wantStatus(t, b.asks("GET", here+"/"), http.StatusOK)
		wantStatus(t, b.asks("GET", here+"/api/x"), http.StatusUnauthorized)
		for _, r := range w.app.requests() {
			wantNoToken(t, r)
		}
		wantStatus(t, b.goes(here+"/studio/x"), http.StatusOK)
		wantToken(t, w.app.one(t), "Authorization", "Bearer ")
		wantStatus(t, b.asks("GET", here+"/api/x"), http.StatusOK)
		wantToken(t, w.app.one(t), "X-Pat-Jwt", "Bearer ")
	})
}

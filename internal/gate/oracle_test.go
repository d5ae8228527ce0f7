package gate_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/gate/oracle"
)

// protectedSpace is what the fuzzed gate protects: without a session nothing
// there may be reached. One path has capitals, and its matcher minds them.
func protectedSpace(path string) bool {
	for _, prefix := range []string{"/app", "/Admin"} {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return true
		}
	}
	return false
}

func protectedRoutes() *gate.Table {
	table := gate.NewTable(&gate.Route{Mode: gate.Public}, false)
	table.Add(func(r *http.Request) (bool, error) { return protectedSpace(r.URL.Path), nil }, &gate.Route{Mode: gate.API, Token: patHeader})
	return table
}

func FuzzTarget(f *testing.F) {
	for _, tt := range oddTargets {
		f.Add(tt.target)
	}
	for _, target := range forwarded {
		f.Add(target)
	}
	for _, seed := range []string{
		"/;/Admin/x", "//Admin.;v=1/x", "/%5cAdmin/x", "/Admin%20;a/x", "/%41dmin;/x", "/%2541dmin", "/x/%252e%252e/app", `/public\app`,
		"/%3b/app/x", "/%253b/Admin/x", "/app%2f", "/.;/app", "/x;/../app", "/app%3fx", "http://evil.example/app/x", "/%EF%BC%8E%EF%BC%8E/app",
	} {
		f.Add(seed)
	}
	r := newRig(f, func(_ *rig, cfg *gate.Config) { cfg.Routes, cfg.Log = protectedRoutes(), nil })
	f.Fuzz(func(t *testing.T, target string) {
		r.t = t
		req, err := parse("GET", target)
		if err != nil || len(target) > 256 {
			return // net/http answers it, or the oracle would take too long
		}
		sent := req.URL.EscapedPath()
		if a := r.serve(req); !a.passed {
			return
		}
		if got := r.app.last().escapedPath; got != sent {
			t.Errorf("%q was forwarded as %q", sent, got)
		}
		for _, read := range oracle.Readings(sent) {
			if protectedSpace(read) {
				t.Fatalf("%q passed as public, though an upstream may read it as %q", target, read)
			}
		}
	})
}

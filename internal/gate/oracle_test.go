package gate_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/gate"
)

// The oracle says in which ways an upstream may read a path. It shares nothing
// with the gate: whatever it finds in protected space must not pass as public.

// habits are what upstreams do to a path after decoding it, in the order in
// which they commonly do it.
var habits = []func(string) string{
	func(path string) string { path, _, _ = strings.Cut(path, "\x00"); return path },
	func(path string) string { return strings.ReplaceAll(path, `\`, "/") },
	func(path string) string {
		return each(path, func(s string) string { s, _, _ = strings.Cut(s, ";"); return s })
	},
	collapse,
	withoutDots,
	strings.ToLower,
	func(path string) string {
		return each(path, func(s string) string { return strings.TrimRight(s, ". ") })
	},
	collapse, // what the habits before left empty
}

func each(path string, change func(string) string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = change(parts[i])
	}
	return strings.Join(parts, "/")
}

func collapse(path string) string {
	var out strings.Builder
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			out.WriteByte(path[i])
		}
	}
	return out.String()
}

func withoutDots(path string) string {
	var kept []string
	for _, part := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		switch {
		case part == ".":
		case part == ".." && len(kept) > 0:
			kept = kept[:len(kept)-1]
		case part != "..":
			kept = append(kept, part)
		}
	}
	return "/" + strings.Join(kept, "/")
}

// unescape decodes once and leaves a stray percent sign alone.
func unescape(path string) string {
	var out strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			if decoded, err := url.PathUnescape(path[i : i+3]); err == nil {
				out.WriteString(decoded)
				i += 2
				continue
			}
		}
		out.WriteByte(path[i])
	}
	return out.String()
}

// interpretations are all readings of a path: decoded up to twice, under every
// combination of habits.
func interpretations(path string) map[string]bool {
	all := map[string]bool{}
	for range 3 {
		for chosen := range 1 << len(habits) {
			read := path
			for i, habit := range habits {
				if chosen&(1<<i) != 0 {
					read = habit(read)
				}
			}
			all[read] = true
		}
		path = unescape(path)
	}
	return all
}

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
		for read := range interpretations(sent) {
			if protectedSpace(read) {
				t.Fatalf("%q passed as public, though an upstream may read it as %q", target, read)
			}
		}
	})
}

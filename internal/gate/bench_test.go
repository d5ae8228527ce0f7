package gate_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/stores"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// unobserved costs nothing either.
type unobserved struct{}

func (unobserved) Entered(*http.Request, *tokens.Session) {}
func (unobserved) Refused(*http.Request, pages.Reason)    {}
func (unobserved) Request(string, string)                 {}
func (unobserved) SignIn(string, *tokens.Session)         {}
func (unobserved) SignedOut(tokens.Name)                  {}

// nothing is an application that costs nothing.
var nothing = handler(func(http.ResponseWriter, *http.Request) error { return nil })

// benchRig is a gate with a real vault over a memory store, and the cookies of
// some of its sessions.
func benchRig(b testing.TB, sessions int, changes ...func(*rig, *gate.Config)) (*gate.Gate, []string) {
	b.Helper()
	store := stores.NewMemory(0, nil)
	b.Cleanup(func() { _ = store.Close() })
	r := newRig(b, func(r *rig, cfg *gate.Config) {
		vault := tokens.NewVault(tokens.VaultConfig{Store: store, Ring: r.ring})
		vault.Adopt(tokens.Policy{Limits: tokens.Limits{Idle: 12 * time.Hour, Lifetime: 7 * 24 * time.Hour}})
		r.safe.vault, cfg.Now, cfg.Log, cfg.InPlace = vault, time.Now, nil, false
		cfg.Observer = unobserved{}
		for _, change := range changes {
			change(r, cfg)
		}
	})
	jar := cookies.New(r.ring, jarConfig)
	var lines []string
	for i := range sessions {
		ticket, _, err := r.safe.vault.Create(context.Background(), realm, tokens.Client{ID: "the-client"}, grant("ada", "acme"))
		if err != nil {
			b.Fatal(err)
		}
		if i%max(1, sessions/1000) != 0 {
			continue
		}
		h := http.Header{}
		if err := jar.SetSession(h, site, ticket, time.Hour); err != nil {
			b.Fatal(err)
		}
		cookie, err := http.ParseSetCookie(h.Get("Set-Cookie"))
		if err != nil {
			b.Fatal(err)
		}
		lines = append(lines, "theme=dark; "+cookie.Name+"="+cookie.Value)
	}
	return r.gate, lines
}

// browserHeader is what a browser sends with a fetch of its own page.
func browserHeader() http.Header {
	return http.Header{
		"Accept": {"*/*"}, "Accept-Encoding": {"gzip, deflate, br"}, "Accept-Language": {"en"}, "Referer": {origin + "/app"},
		"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Site": {"same-origin"}, "User-Agent": {"Mozilla/5.0"},
	}
}

func BenchmarkSignedIn(b *testing.B) {
	for name, routes := range map[string]gate.Routes{"one route": oneRoute(), "stricter routes": standardRoutes()} {
		b.Run(name, func(b *testing.B) {
			g, lines := benchRig(b, 100_000, func(_ *rig, cfg *gate.Config) { cfg.Routes = routes })
			base, w := request(b, "GET", "/app/page", bare), httptest.NewRecorder()
			header, cookie := browserHeader(), make([]string, 1)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				req := *base
				cookie[0] = lines[i%len(lines)]
				req.Header, header["Cookie"] = header, cookie
				if err := g.ServeHTTP(w, &req, nothing); err != nil || w.Code != http.StatusOK {
					b.Fatal(err, w.Code)
				}
			}
		})
	}
}

func BenchmarkPublic(b *testing.B) {
	g, _ := benchRig(b, 1)
	base, w := request(b, "GET", "/assets/app.js", bare), httptest.NewRecorder()
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		req := *base
		req.Header = browserHeader()
		if err := g.ServeHTTP(w, &req, nothing); err != nil || w.Code != http.StatusOK {
			b.Fatal(err, w.Code)
		}
	}
}

// BenchmarkRequestAlone is what the requests of the other benchmarks cost.
func BenchmarkRequestAlone(b *testing.B) {
	base := request(b, "GET", "/app/page", bare)
	b.ReportAllocs()
	for b.Loop() {
		req := *base
		req.Header = browserHeader()
		req.Header["Cookie"] = []string{"a=b"}
		if err := nothing.ServeHTTP(nil, &req); err != nil {
			b.Fatal(err)
		}
	}
}

package caddymodule

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTokenHeaders(t *testing.T) {
	for name, c := range map[string]struct{ option, field, prefix string }{
		"by default":                         {"", "X-Pat-Jwt", "Bearer "},
		"x-pat-jwt":                          {"token_header x-pat-jwt", "X-Pat-Jwt", "Bearer "},
		"authorization":                      {"token_header authorization", "Authorization", "Bearer "},
		"off":                                {"token_header off", "", ""},
		"a field":                            {"token_header X-Token", "X-Token", "Bearer "},
		"a field, raw":                       {"token_header X-Token raw", "X-Token", ""},
		"a policy's own":                     {"token_header off\n\t\trequired /app/* {\n\t\t\ttoken_header X-Other raw\n\t\t}", "X-Other", ""},
		"a policy's own, off":                {"token_header X-Token\n\t\trequired /app/* {\n\t\t\ttoken_header off\n\t\t}", "", ""},
		"the site's where a policy has none": {"token_header X-Token\n\t\trequired /app/* {\n\t\t\ttenants acme\n\t\t}", "X-Token", "Bearer "},
	} {
		for _, directive := range []string{"osc_proxy {$APP}", "reverse_proxy {$APP}\n\tosc_auth"} {
			t.Run(name+" with "+directive, func(t *testing.T) {
				w := newWorld(t)
				g := w.serve("{\n\tosc_auth {\n\t\tissuer {$OSC}\n\t}\n}\n\nhttp://localhost {\n\t" + directive + " {\n\t\t" + strings.TrimSpace(c.option+"\n\t\tidentity_headers off") + "\n\t}\n}")
				b := g.browser()
				b.signsIn(g.local() + "/app/x")
				forged := []string{"X-Pat-Jwt: forged", "X-Jwt: forged", "Authorization: Bearer forged", "X-Token: forged", "X-Other: kept"}
				if strings.Contains(c.option, "X-Other") {
					forged[4] = "X-Other: forged"
				}
				wantStatus(t, b.asks("GET", g.local()+"/app/x", forged...), http.StatusOK)
				r := w.app.one(t)
				for name, values := range r.Header {
					if strings.Contains(strings.Join(values, " "), "forged") && (name != "X-Token" || strings.Contains(c.option, "X-Token")) {
						t.Errorf("the client's %s arrived: %v", name, values)
					}
				}
				if c.field == "" {
					wantNoToken(t, r)
					return
				}
				wantToken(t, r, c.field, c.prefix)
				r.Header.Del(c.field)
				wantNoToken(t, r)
			})
		}
	}
}

func TestAConnectionHeaderDoesNotTakeTheTokenAway(t *testing.T) {
	for name, text := range sites {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.serve(text)
			b := g.browser()
			b.signsIn(g.local() + "/")
			for _, value := range []string{"x-pat-jwt", "X_PAT_JWT, x-osc-user", "close, X-Pat-Jwt"} {
				wantStatus(t, b.asks("GET", g.local()+"/", "Connection: "+value), http.StatusOK)
				r := w.app.one(t)
				wantToken(t, r, "X-Pat-Jwt", "Bearer ")
				if r.Header.Get("X-Osc-User") != "alice" {
					t.Errorf("Connection: %s took X-Osc-User away", value)
				}
			}
		})
	}
}

func TestErrorRoutesNeverSeeTheToken(t *testing.T) {
	for name, text := range sites {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			errorApp := newApp(t)
			t.Setenv("ERROR_APP", errorApp.address())
			g := w.serve(strings.TrimSuffix(text, "}") + "\thandle_errors {\n\t\treverse_proxy {$ERROR_APP}\n\t}\n}")
			b := g.browser()
			b.signsIn(g.local() + "/")
			w.app.server.Close()
			wantStatus(t, b.asks("GET", g.local()+"/"), http.StatusOK)
			wantNoToken(t, errorApp.one(t))
		})
	}
}

func TestAForwardAuthBehindTheGateIsAskedWithoutToken(t *testing.T) {
	w := newWorld(t)
	asked := newApp(t)
	t.Setenv("CHECK", asked.address())
	g := w.serve(`{
	osc_auth {
		issuer {$OSC}
	}
}

http://localhost {
	osc_auth
	forward_auth {$CHECK} {
		uri /check
	}
	reverse_proxy {$APP}
}`)
	b := g.browser()
	b.signsIn(g.local() + "/")
	all := asked.requests()
	if len(all) == 0 || all[0].URL.Path != "/check" {
		t.Fatalf("forward_auth asked %d times", len(all))
	}
	for _, r := range all {
		wantNoToken(t, r)
	}
}

func TestAnEncodedAnswerIsWhole(t *testing.T) {
	w := newWorld(t)
	g := w.serve(`{
	osc_auth {
		issuer {$OSC}
	}
}

http://localhost {
	encode gzip
	osc_proxy {$APP}
}`)
	text := strings.Repeat("the app answers at length. ", 200)
	w.app.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, text)
	})
	b := g.browser()
	b.signsIn(g.local() + "/")
	got := b.asks("GET", g.local()+"/", "Accept-Encoding: gzip")
	if got.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("not encoded: %v", got.header)
	}
	unzipped, err := gzip.NewReader(strings.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(unzipped); err != nil || string(body) != text {
		t.Errorf("%d bytes: %v", len(body), err)
	}
	wantToken(t, w.app.one(t), "X-Pat-Jwt", "Bearer ")
}

func TestTheTransportWithoutAGateSendsNoToken(t *testing.T) {
	w := newWorld(t)
	g := w.serve(`{
	osc_auth {
		issuer {$OSC}
	}
}

http://localhost {
	handle /gated/* {
		osc_proxy {$APP}
	}
	handle {
		reverse_proxy {$APP} {
			transport osc
		}
	}
}`)
	b := g.browser()
	wantStatus(t, b.asks("GET", g.local()+"/", "X-Pat-Jwt: forged", "X-Osc-User: root"), http.StatusOK)
	wantNoToken(t, w.app.one(t))
}

func TestAnHTTPSUpstreamGetsTheToken(t *testing.T) {
	w := newWorld(t)
	upstream := httptest.NewTLSServer(w.app)
	t.Cleanup(upstream.Close)
	t.Setenv("APP", upstream.URL)
	g := w.serve(`{
	osc_auth {
		issuer {$OSC}
	}
}

http://localhost {
	osc_proxy {$APP} {
		transport http {
			tls_insecure_skip_verify
		}
	}
}`)
	wantStatus(t, g.browser().goes(g.local()+"/"), http.StatusOK)
	r := w.app.one(t)
	if r.TLS == nil {
		t.Error("not over TLS")
	}
	wantToken(t, r, "X-Pat-Jwt", "Bearer ")
}

// Two gates in a row, each for a part of the site.
func TestTwoGatesDoNotTakeEachOthersTokenAway(t *testing.T) {
	for name, part := range map[string]string{
		"osc_proxy": `
	osc_proxy /a/* {$APP}
	osc_proxy /b/* {$APP} {
		token_header X-Token
	}`,
		"osc_auth": `
	osc_auth /a/*
	osc_auth /b/* {
		token_header X-Token
	}
	reverse_proxy {$APP}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.serve("{\n\tosc_auth {\n\t\tissuer {$OSC}\n\t}\n}\n\nhttp://localhost {" + part + "\n}")
			b := g.browser()
			b.signsIn(g.local() + "/a/")
			wantStatus(t, b.asks("GET", g.local()+"/a/"), http.StatusOK)
			wantToken(t, w.app.one(t), "X-Pat-Jwt", "Bearer ")
			wantStatus(t, b.asks("GET", g.local()+"/b/"), http.StatusOK)
			wantToken(t, w.app.one(t), "X-Token", "Bearer ")
		})
	}
}

func TestForgedTrailersDoNotArrive(t *testing.T) {
	for name, text := range sites {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.serve(text)
			b := g.browser()
			b.signsIn(g.local() + "/")
			r := b.request(http.MethodPost, g.local()+"/", "Origin: "+g.local(), "Sec-Fetch-Site:", "Sec-Fetch-Site: same-origin")
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("a body")), -1
			r.Trailer = http.Header{"X-Pat-Jwt": {"Bearer forged"}, "X-Osc-User": {"root"}, "X-Checksum": {"kept"}}
			wantStatus(t, b.do(b.client, r), http.StatusOK)
			got := w.app.one(t)
			wantToken(t, got, "X-Pat-Jwt", "Bearer ")
			if len(got.Trailer) != 1 || got.Trailer.Get("X-Checksum") != "kept" {
				t.Errorf("trailers: %v", got.Trailer)
			}
		})
	}
}

func TestAnAnswerGivesNothingAway(t *testing.T) {
	for name, text := range sites {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.serve(text)
			b := g.browser()
			b.signsIn(g.local() + "/")
			w.app.answers(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Pat-Jwt", r.Header.Get("X-Pat-Jwt"))
				w.Header().Set("X-Debug", "got "+r.Header.Get("X-Pat-Jwt"))
				w.Header().Set("X-Kept", "yes")
				w.Header().Add("Set-Cookie", "osc_session=stolen; Path=/")
				w.Header().Add("Set-Cookie", "mine=1; Path=/")
				w.Header().Set("Cache-Control", "public, max-age=60")
				io.WriteString(w, "ok")
			})
			got := b.asks("GET", g.local()+"/")
			wantStatus(t, got, http.StatusOK)
			if got.header.Get("X-Pat-Jwt") != "" || got.header.Get("X-Debug") != "" || got.header.Get("X-Kept") != "yes" {
				t.Errorf("the answer's head: %v", got.header)
			}
			if cookies := got.header.Values("Set-Cookie"); len(cookies) != 1 || !strings.HasPrefix(cookies[0], "mine=1") {
				t.Errorf("cookies: %v", cookies)
			}
			if cache := got.header.Get("Cache-Control"); !strings.Contains(cache, "private") || strings.Contains(cache, "public") {
				t.Errorf("Cache-Control: %s", cache)
			}
			if !strings.Contains(strings.Join(got.header.Values("Vary"), ","), "Cookie") {
				t.Errorf("Vary: %v", got.header.Values("Vary"))
			}
			wantStatus(t, b.asks("GET", g.local()+"/"), http.StatusOK)
		})
	}
}

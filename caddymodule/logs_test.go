package caddymodule

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlaceholdersTellWhoAndWhyButNoToken(t *testing.T) {
	w := newWorld(t)
	g := w.serve(`{
	osc_auth {
		issuer {$OSC}
	}
}

http://localhost {
	header {
		>X-Who {http.auth.user.id}/{http.auth.user.tenant}
		>X-Reason {http.auth.osc.reason}
	}
	osc_auth {
		api /api/*
		optional /
		required /beta {
			tenants beta
		}
	}
	respond "{http.auth.user.id}|{http.auth.user.tenant}|{http.auth.osc.reason}"
}`)
	b := g.browser()
	if got := b.asks("GET", g.local()+"/"); got.body != "||" {
		t.Errorf("signed out: %s", got.body)
	}
	for path, want := range map[string]string{"/api/x": "no_session", "/x": "no_session", "/x/../y": "bad_request"} {
		if got := b.asks("GET", g.local()+path); got.header.Get("X-Reason") != want || got.header.Get("X-Who") != "/" {
			t.Errorf("%s: %v, want the reason %s", path, got.header, want)
		}
	}
	got := b.goes(g.local() + "/x")
	if got.body != "alice|acme|" || got.header.Get("X-Who") != "alice/acme" || got.header.Get("X-Reason") != "" {
		t.Errorf("signed in: %s %v", got.body, got.header)
	}
	if got := b.asks("GET", g.local()+"/beta"); got.status != http.StatusForbidden || got.header.Get("X-Reason") != "tenant_forbidden" {
		t.Errorf("another tenant: %d %v", got.status, got.header)
	}
}

// Another authentication of the site may have named somebody before.
func TestPlaceholdersAreOfTheSessionWhoeverElseIsNamed(t *testing.T) {
	w := newWorld(t)
	g := w.serve(`{
	osc_auth {
		issuer {$OSC}
	}
}

http://localhost {
	@ops header Authorization *
	route {
		basic_auth @ops {
			bob $2a$04$XM/tZtcEIpQM/uYOQjNfke4l9oHyIYm.nbnCTt.im/3BR8K4b0Koi
		}
		osc_auth
		respond "{http.auth.user.id}|{http.auth.user.tenant}"
	}
}`)
	b := g.browser()
	b.signsIn(g.local() + "/")
	if got := b.asks("GET", g.local()+"/", "Authorization: Basic Ym9iOmhp"); got.body != "alice|acme" { // bob:hi
		t.Errorf("%d %s", got.status, got.body)
	}
}

// debugLog is a Caddyfile that logs everything it can, with credentials.
const debugLog = `{
	debug
	log {
		output file {$LOG} {
			mode 0600
		}
		format json
		level DEBUG
	}
	servers {
		log_credentials
		trace
	}
	osc_auth {
		issuer {$OSC}
	}
}

http://localhost {
	log {
		output file {$LOG}.access
		format json
	}
	log_append reason {http.auth.osc.reason}
	osc_proxy {$APP}
}`

func TestDebugLogsHoldNoToken(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	t.Setenv("LOG", filepath.Join(dir, "log"))
	g := w.serve(debugLog)
	b := g.browser()
	b.goes(g.local() + "/")
	token := strings.TrimPrefix(w.app.one(t).Header.Get("X-Pat-Jwt"), "Bearer ")
	if userOf(token) != "alice" {
		t.Fatal("no token to look for")
	}
	w.app.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, "this is not all")
	})
	b.asks("GET", g.local()+"/truncated")
	w.app.answers(func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	b.asks("GET", g.local()+"/aborted")
	w.app.server.Close()
	wantStatus(t, b.asks("GET", g.local()+"/gone"), http.StatusServiceUnavailable)
	g.browser().asks("GET", g.local()+"/", "Accept:", "Sec-Fetch-Mode:")
	const brought = "brought-along-by-a-client"
	b.asks("GET", g.local()+"/gone", "X-Pat-Jwt: Bearer "+brought)
	g.browser().asks("GET", g.local()+"/api", "X-Pat-Jwt: Bearer "+brought, "X-Jwt: "+brought, "X-Osc-Job: "+brought)

	logged := ""
	for _, name := range []string{"log", "log.access"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		logged += string(raw)
	}
	for _, want := range []string{`"user_id":"alice"`, `"reason":"no_session"`, "signed in", `"uri":"/auth/callback?REDACTED"`, "upstream roundtrip", "/truncated", "/gone", "aborting with incomplete response"} {
		if !strings.Contains(logged, want) {
			t.Errorf("the logs say nothing of %s", want)
		}
	}
	signature := token[strings.LastIndexByte(token, '.')+1:]
	for line := range strings.SplitSeq(logged, "\n") {
		if strings.Contains(line, signature) || strings.Contains(line, "osc_rt_") || strings.Contains(line, "code_verifier") || strings.Contains(line, brought) {
			t.Errorf("a token in the log: %s", line)
		}
		if strings.Contains(line, `"uri":"/auth/callback?code`) { // Go's client, unlike browsers, names it as Referer too
			t.Errorf("a callback in the log, with its authorization code: %s", line)
		}
	}
}

func TestASitesLogSaysOnceThatTheTokenIsOnTheRequest(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		site string
		want int
	}{
		"osc_auth":                  {"osc_auth\n\treverse_proxy {$APP}", 1},
		"osc_auth inject transport": {"osc_auth {\n\t\tinject transport\n\t}\n\treverse_proxy {$APP} {\n\t\ttransport osc\n\t}", 0},
		"osc_proxy":                 {"osc_proxy {$APP}", 0},
	} {
		t.Run(name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			t.Setenv("LOG", log)
			w.TB = t
			w.serve("{\n\tlog {\n\t\toutput file {$LOG}\n\t}\n\tosc_auth {\n\t\tissuer {$OSC}\n\t}\n}\n\nhttp://localhost {\n\t" + c.site + "\n}")
			raw, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(string(raw), "inject transport"); got != c.want {
				t.Errorf("said %d times, want %d: %s", got, c.want, raw)
			}
		})
	}
}

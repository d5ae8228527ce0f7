package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

func TestAttack2Logs(t *testing.T) {
	t.Parallel()
	a := newAttack2(t, setup{global: "\t\tkey {env.OSC_GATEWAY_KEY}\n", env: []string{"OSC_GATEWAY_KEY=" + gatewayKey}})
	// LG-001: what no line may hold is looked for at the end of every world; the
	// key's two spellings are here.
	a.canaries.note(planted, gatewayKey)
	a.canaries.note(planted, attack2HexKey)
	a.canaries.note(planted, marker)
	session := a.session(t, "alice")
	t.Run("LG-001 a sign-in, a session and a sign-out", func(t *testing.T) {
		v := a.browser(t)
		v.signIn("/studio")
		a.works(t, v, "alice")
		v.signOut()
		a.logged(t, "/auth/signed-out")
	})
	t.Run("LG-002 lines and escapes in what is logged", func(t *testing.T) {
		a.sendRaw(t, "/logged-2?x=%0a%7B%22level%22%3A%22info%22%7D&y=%1b[2J", session,
			"User-Agent: \tsome\t{\"level\":\"fatal\"} \x80\xff\r\nReferer: http://x/%0d%0a{\"level\":\"fatal\"}\r\nX-Request-Id: a\tb\r\n")
		a.sendRaw(t, "/logged-2", session, "User-Agent: \"}\\n{\"level\":\"fatal\"}\r\nX-Request-Id: \\u000a\\u001b[31m\r\n")
		a.logged(t, "/logged-2")
		for line := range bytes.SplitSeq(bytes.TrimSpace(a.gateway.output()), []byte("\n")) {
			var said map[string]any
			if err := json.Unmarshal(line, &said); err != nil || said["level"] == "fatal" {
				t.Errorf("%v: %q", err, line)
			}
			if bytes.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("control characters: %q", line)
			}
		}
	})
}

// attack2Filter is the access log docs/behaviour.md has: it leaves out what clients
// write for the gateway to delete.
const attack2Filter = `	log {
		format filter {
			wrap json
			fields {
				request>headers>X-Pat-Jwt delete
				request>headers>X-Jwt delete
				resp_headers>Location delete
			}
		}
	}
`

func TestAttack2ForeignTokensInLogs(t *testing.T) {
	t.Parallel()
	for name, log := range map[string]string{"LG-003 as it comes": "", "LG-003 with an access log": attack2Filter} {
		t.Run(name, func(t *testing.T) {
			a := newAttack2(t, setup{})
			a.canaries.note(planted, marker)
			session := a.session(t, "alice")
			a.configure("", "")
			a.editConfig(t, func(text string) string {
				return strings.Replace(strings.Replace(text, "\tdebug\n", "", 1), "\tlog\n", log, 1)
			})
			if output, status := a.reload(); status != 0 {
				t.Fatal(output)
			}
			a.sendForeignTokens(t, session)
		})
	}
}

// sendForeignTokens sends tokens of a client's own to every kind of page.
// Authorization is the app's on public pages.
func (a *attack2) sendForeignTokens(t *testing.T, session string) {
	t.Helper()
	for _, path := range []string{"/studio", "/api/rooms", "/assets/a.js", "/auth/session", "/auth/callback", "/auth/signin", "/nowhere/../x"} {
		for _, name := range []string{"X-Pat-Jwt", "x-pat-jwt", "X-JWT", "Authorization"} {
			if name == "Authorization" && strings.HasPrefix(path, "/assets/") {
				continue
			}
			for _, held := range []string{session, ""} {
				a.sendRaw(t, path, held, fmt.Sprintf("%s: Bearer %s\r\n", name, marker))
			}
		}
		a.sendRaw(t, path, session, "Cookie: eyevinn-intercom-manager.sat="+marker+"; osc_session="+marker+"\r\n")
	}
}

// sendRaw sends a page request with header lines as they are.
func (a *attack2) sendRaw(t *testing.T, target, session, lines string) {
	t.Helper()
	exchange(t, a.gateway.tap.listener.Addr().String(), fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s=%s\r\n%s\r\n",
		target, strings.TrimPrefix(a.gateway.URL, "http://"), a.name(), session, lines))
}

// logged waits until a request is in the log, and with it all before.
func (a *attack2) logged(t *testing.T, path string) {
	t.Helper()
	eventually(t, path+" is in the log", func() bool {
		output := a.gateway.output()
		return bytes.Contains(output, []byte(path)) && bytes.HasSuffix(output, []byte("\n"))
	})
}

func TestAttack2Issuers(t *testing.T) {
	t.Parallel()
	a := newAttack2(t, setup{})
	a.osc.SetKnobs(func(k *simulator.Knobs) { k.Discovery.AdvertiseIss = true })
	for _, c := range []struct {
		name, iss string
		fine      bool
	}{
		{"CB-016 no issuer, which was promised", "", false},
		{"CB-015 another issuer", "&iss=https%3A%2F%2Felsewhere.example", false},
		{"CB-015 the issuer with a slash", "&iss=ISSUER%2F", false},
		{"CB-015 two issuers", "&iss=ISSUER&iss=https%3A%2F%2Felsewhere.example", false},
		{"CB-015 an empty issuer", "&iss=", false},
		{"CB-016 the issuer", "&iss=ISSUER", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := a.browser(t)
			callback := v.toCallback(v.open("/going")) + strings.ReplaceAll(c.iss, "ISSUER", a.osc.URL)
			before := a.calls()
			got := v.open(callback)
			a.own(t, got)
			if c.fine {
				if got.Header.Get("Location") != "/going" || a.calls() != before+1 {
					t.Errorf("%v", got)
				}
				a.works(t, v, "alice")
				return
			}
			if got.Status != http.StatusBadRequest || a.calls() != before {
				t.Errorf("%v", got)
			}
			a.signedOut(t, v)
		})
	}
}

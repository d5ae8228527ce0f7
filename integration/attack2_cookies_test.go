package integration

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// attack2Cookie is a Cookie header that a thief, a neighbour or a broken client
// may send.
type attack2Cookie struct {
	id, what string
	lines    []string
	either   bool // signed in as alice is as good as signed out
}

// attack2Sessions are two people's sessions under a cookie's name.
type attack2Sessions struct{ name, alice, bob string }

func (s attack2Sessions) table() []attack2Cookie {
	n, alice := s.name+"=", s.alice
	pair := func(first, second string) string { return n + first + "; " + n + second }
	return []attack2Cookie{
		{"CK-003", "empty", []string{n}, false},
		{"CK-003", "a name alone", []string{s.name}, false},
		{"CK-004", "not base64", []string{n + "!!!not-base64!!!"}, false},
		{"CK-005", "12 kB", []string{n + strings.Repeat("A", 12_000)}, false},
		{"CK-006", "behind 4000 others", []string{strings.Repeat("a=;", 4000) + " " + n + alice}, true},
		{"CK-007", "two people's", []string{pair(s.bob, alice)}, false},
		{"CK-007", "two people's, the other way round", []string{pair(alice, s.bob)}, false},
		{"CK-008", "two people's in two lines", []string{n + s.bob, n + alice}, false},
		{"CK-008", "two people's in two lines, the other way round", []string{n + alice, n + s.bob}, false},
		{"CK-017", "in small letters", []string{strings.ToLower("__Host-osc_session=") + alice}, false},
		{"CK-017", "in capitals", []string{strings.ToUpper(s.name) + "=" + alice}, false},
		{"CK-017", "an escaped name", []string{"%5F%5FHost-osc_session=" + alice + "; osc%5fsession=" + alice}, false},
		{"CK-017", "other prefixes", []string{"__Secure-osc_session=" + alice + "; __Http-osc_session=" + alice + "; __Host-Http-osc_session=" + alice}, false},
		{"CK-017", "the name of the other scheme", []string{s.otherName() + "=" + alice}, false},
		{"CK-021", "in quotes", []string{n + `"` + alice + `"`}, true},
		{"CK-021", "spaces around", []string{"  " + n + alice + "  "}, true},
		{"CK-021", "spaces inside", []string{s.name + " = " + alice}, true},
		{"CK-021", "attributes of RFC 2109", []string{`$Version=1; ` + n + alice + `; $Path="/"`}, true},
		{"CK-022", "line breaks, escaped", []string{n + alice[:20] + "%0d%0a" + alice[20:]}, false},
		{"CK-022", "a space", []string{n + alice[:20] + " " + alice[20:]}, false},
		{"CK-023", "in two parts", []string{s.name + "_0=" + alice[:40] + "; " + s.name + "_1=" + alice[40:]}, false},
		{"CK-023", "in two parts, dotted", []string{s.name + ".0=" + alice[:40] + "; " + s.name + ".1=" + alice[40:]}, false},
		{"CK-027", "one of them garbage", []string{pair(alice, "garbage")}, false},
		{"CK-027", "one of them garbage, the other way round", []string{pair("garbage", alice)}, false},
	}
}

// otherName is what the session cookie is called under the other scheme.
func (s attack2Sessions) otherName() string {
	if bare, prefixed := strings.CutPrefix(s.name, "__Host-"); prefixed {
		return bare
	}
	return "__Host-" + s.name
}

const (
	attack2Secure = `	osc_proxy {upstream} {
		public_url {origin}
		public     /assets/*
		optional   /maybe
		api        /api/*
	}
`
	// attack2H2C closes the block of osc_auth and lets HTTP/2 in, in the clear.
	attack2H2C = "\t}\n\tservers {\n\t\tprotocols h1 h2c"
)

func TestAttack2Cookies(t *testing.T) {
	t.Parallel()
	a := newAttack2(t, setup{global: attack2H2C})
	a.tryCookies(t)
}

func TestAttack2CookiesBehindTLS(t *testing.T) {
	t.Parallel()
	a := newAttack2Behind(t, setup{site: attack2Secure, global: attack2H2C})
	a.tryCookies(t)
	t.Run("CK-018 every cookie the gateway sets", a.everySetCookie)
}

func (a *attack2) tryCookies(t *testing.T) {
	s := attack2Sessions{name: a.name(), alice: a.session(t, "alice"), bob: a.session(t, "bob")}
	for _, c := range s.table() {
		t.Run(c.id+" "+c.what, func(t *testing.T) {
			v := a.with(t, c.lines...)
			if got := v.open("/studio"); c.either && got.Status == http.StatusOK {
				a.works(t, v, "alice")
				return
			}
			a.signedOut(t, v)
		})
	}
	for name, attack := range map[string]func(*testing.T, attack2Sessions){
		"CK-001 a bit turned, anywhere":    a.turnedBits,
		"CK-002 cut, anywhere":             a.cutAnywhere,
		"CK-007 both are taken away":       a.bothTakenAway,
		"CK-008 two people's over HTTP/2":  a.crumbs,
		"CK-019 what the app reads":        a.appsCookies,
		"CK-020 what the app may set":      a.appsSetCookies,
		"CK-029 what looks like it":        a.appsOddCookies,
		"CK-022 another spelling, and out": a.otherSpellings,
		"CK-024 forgeries":                 a.forgeries,
		"CK-001 the session itself":        func(t *testing.T, s attack2Sessions) { a.works(t, a.with(t, s.name+"="+s.alice), "alice") },
	} {
		t.Run(name, func(t *testing.T) { attack(t, s) })
	}
}

// attack2Same tells whether two spellings of base64 mean the same bytes.
func attack2Same(one, other string) bool {
	a, errA := base64.URLEncoding.DecodeString(one)
	b, errB := base64.URLEncoding.DecodeString(other)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

func (a *attack2) turnedBits(t *testing.T, s attack2Sessions) {
	tried := 0
	for i := range s.alice {
		turned := []byte(s.alice)
		turned[i] ^= 1 << (i % 3) // letters stay what a cookie may hold, mostly
		if attack2Same(s.alice, string(turned)) {
			continue
		}
		tried++
		a.signedOut(t, a.with(t, s.name+"="+string(turned)))
	}
	if tried < len(s.alice)-4 {
		t.Errorf("%d of %d bytes were tried", tried, len(s.alice))
	}
}

func (a *attack2) cutAnywhere(t *testing.T, s attack2Sessions) {
	for i := range s.alice {
		a.signedOut(t, a.with(t, s.name+"="+s.alice[:i]))
	}
}

func (a *attack2) bothTakenAway(t *testing.T, s attack2Sessions) {
	got := a.with(t, s.name+"="+s.alice+"; "+s.name+"="+s.bob).open("/studio")
	for _, line := range got.Header["Set-Cookie"] {
		if set, err := http.ParseSetCookie(line); err == nil && set.Name == s.name && set.MaxAge < 0 {
			return
		}
	}
	t.Errorf("%v with %q", got, got.Header["Set-Cookie"])
}

func (a *attack2) crumbs(t *testing.T, s attack2Sessions) {
	h2 := func(line string) *visitor {
		v := a.browser(t)
		v.base = strings.Replace(v.base, "https", "http", 1) // in the clear it is, to Go's client
		transport := v.client.Transport.(*http.Transport)
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
		v.client.Jar = nil
		v.client.Transport = attack2Lines{transport, []string{line}} // Go sends a field for each
		return v
	}
	a.works(t, h2(s.name+"="+s.alice+"; other=1"), "alice")
	for _, line := range []string{s.name + "=" + s.bob + "; " + s.name + "=" + s.alice, s.name + "=" + s.alice + "; x=1; " + s.name + "=" + s.bob} {
		a.signedOutOver(t, h2(line))
	}
}

// signedOutOver is signedOut for a visitor who speaks another protocol.
func (a *attack2) signedOutOver(t *testing.T, v *visitor) {
	t.Helper()
	calls := a.app.calls()
	if got := v.fetch(http.MethodGet, "/api/rooms"); got.Status != http.StatusUnauthorized || a.app.calls() != calls {
		t.Errorf("%v", got)
	}
}

func (a *attack2) appsCookies(t *testing.T, s attack2Sessions) {
	for line, want := range map[string]string{
		"app=1; " + s.name + "=" + s.alice + "; app2=2; osc_session_flow_x=1": "app=1; app2=2",
		s.name + "=" + s.alice: "",
		s.name + "=" + s.alice + "; osc_session_rounds=1; __Host-osc_session_flow_0=2": "",
	} {
		v := a.with(t, line)
		a.works(t, v, "alice")
		if got := strings.Join(a.app.last(t).Header["Cookie"], "|"); got != want {
			t.Errorf("%q reaches the app as %q", line, got)
		}
	}
}

func (a *attack2) appsSetCookies(t *testing.T, s attack2Sessions) {
	a.appSets(t, s, s.name+"=attacker; Secure; Path=/", s.name+"=; Max-Age=0; Secure; Path=/", "osc_session_flow_deadbeef=x")
}

// appsOddCookies are those that browsers take for the gateway's all the same.
func (a *attack2) appsOddCookies(t *testing.T, s attack2Sessions) {
	a.appSets(t, s, "__HOST-osc_session=x; Secure; Path=/", "__host-OSC_SESSION=x", " "+s.name+"=x", "\t"+s.name+" =x", "="+s.name+"=x", s.name)
}

// appSets has the app set cookies, none of which may reach a browser.
func (a *attack2) appSets(t *testing.T, s attack2Sessions, lines ...string) {
	t.Helper()
	a.app.handle("/sets", func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = append([]string{"app=1; Path=/"}, lines...)
	})
	v := a.with(t, s.name+"="+s.alice)
	if got := v.open("/sets").Header["Set-Cookie"]; len(got) != 1 || got[0] != "app=1; Path=/" {
		t.Errorf("passed on: %q", got)
	}
	a.works(t, v, "alice")
}

func (a *attack2) otherSpellings(t *testing.T, s attack2Sessions) {
	own := a.session(t, "alice")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	end := len(strings.TrimRight(own, "="))
	var spellings []*visitor
	for i := range alphabet {
		other := own[:end-1] + alphabet[i:i+1] + own[end:]
		if other != own && attack2Same(own, other) {
			spellings = append(spellings, a.with(t, s.name+"="+other))
		}
	}
	for _, other := range []string{strings.TrimRight(own, "="), own + "=", own + "=="} {
		if other != own {
			spellings = append(spellings, a.with(t, s.name+"="+other))
		}
	}
	for _, v := range spellings {
		if got := v.open("/studio"); got.Status != http.StatusOK && got.Status != http.StatusFound {
			t.Errorf("%v", got)
		}
	}
	leaving := a.with(t, s.name+"="+own)
	headers := form.Clone()
	headers.Set("Origin", a.origin)
	if got := leaving.send(http.MethodPost, "/auth/signout", headers, ""); got.Status != http.StatusSeeOther {
		t.Fatal(got)
	}
	for _, v := range append(spellings, leaving) {
		a.signedOut(t, v)
	}
}

// forgeries are well-formed and signed by nobody. That none of them reaches the
// store is counted in attack2_store_test.go.
func (a *attack2) forgeries(t *testing.T, s attack2Sessions) {
	for range 50 {
		a.signedOut(t, a.with(t, s.name+"="+attack2Forged(len(s.alice))))
	}
	a.works(t, a.with(t, s.name+"="+s.alice), "alice")
}

// attack2Forged is a value of a session cookie's shape.
func attack2Forged(length int) string {
	raw := make([]byte, length*3/4)
	for i := range raw {
		raw[i] = byte(rand.Uint32())
	}
	return base64.URLEncoding.EncodeToString(raw)
}

var attack2SetCookie = regexp.MustCompile(`(?i)\r\nSet-Cookie: *([^\r\n]*osc_session[^\r\n]*)`)

// everySetCookie judges every line the gateway has sent so far.
func (a *attack2) everySetCookie(t *testing.T) {
	p := a.gateway.tap
	p.mu.Lock()
	defer p.mu.Unlock()
	kinds := map[string]int{}
	for _, sent := range p.sent {
		for _, found := range attack2SetCookie.FindAllSubmatch(sent.Bytes(), -1) {
			line := string(found[1])
			set, err := http.ParseSetCookie(line)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(set.Name, "__Host-osc_session") || !set.Secure || !set.HttpOnly || set.Path != "/" || set.Domain != "" ||
				set.SameSite != http.SameSiteLaxMode && set.SameSite != http.SameSiteStrictMode || len(line) > 4096 ||
				set.MaxAge == 0 || (set.Value == "") != (set.MaxAge < 0) {
				t.Errorf("set with %q", line)
			}
			kind := "set "
			if set.MaxAge < 0 {
				kind = "cleared "
			}
			kinds[kind+strings.TrimRight(set.Name, "0123456789abcdef")]++
		}
	}
	if len(kinds) < 5 { // session, rounds and flows; set, and most of them cleared
		t.Errorf("only %v", kinds)
	}
	t.Logf("%v", kinds)
}

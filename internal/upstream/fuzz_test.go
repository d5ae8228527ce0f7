package upstream

import (
	"bufio"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// forbidden says, by other means than the code under test, what an upstream
// must not see.
func forbidden(name string) bool {
	name = oracleFold(name)
	return name == "x-pat-jwt" || name == "x-jwt" || name == "x-mine" || name == "authorization" ||
		strings.HasPrefix(name, "x-osc-")
}

// touched are fields that Strip may change in other ways than by deleting.
func touched(name string) bool {
	return slices.Contains([]string{"connection", "cookie", "upgrade", "http2-settings"}, oracleFold(name))
}

func FuzzStrip(f *testing.F) {
	for _, seed := range []string{
		"Accept: */*\r\nX-Pat-Jwt: e\r\n",
		"x_pat.JWT: e\r\nX-Osc-User: e\r\nX.OSC_Tenant: e\r\nx-mine: e\r\n",
		"Connection: close, X-Pat-Jwt\r\nConnection: \tx_jwt,,keep-alive\r\n",
		"Connection: authorization,x.osc.user\r\nAUTHORIZATION: e\r\n",
		"Cookie: a=1; " + session + "=e; x.sat=e; b=2\r\nCookie: " + session + "=e\r\n",
		"Upgrade: h2c\r\nHTTP2-Settings: AAA\r\nConnection: Upgrade, HTTP2-Settings\r\n",
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: abc\r\n",
		"TE: trailers\r\nKeep-Alive: x-jwt\r\nX-Osc: 1\r\nX-Jwt-: 1\r\n",
	} {
		f.Add(seed)
	}
	h := siteHygiene("X_Mine")
	f.Fuzz(func(t *testing.T, head string) {
		raw := "GET / HTTP/1.1\r\nHost: a\r\n" + head + "\r\n"
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return
		}
		before := r.Header.Clone()
		declared := maps.Clone(r.Trailer)
		h.Strip(r, true, Claims{})
		for name, values := range r.Header {
			if forbidden(name) {
				t.Errorf("%q survived", name)
			}
			if !touched(name) && !reflect.DeepEqual(values, before[name]) {
				t.Errorf("%q changed from %q to %q", name, before[name], values)
			}
		}
		for element := range strings.SplitSeq(strings.Join(r.Header["Connection"], ","), ",") {
			if forbidden(strings.Trim(element, " \t")) {
				t.Errorf("Connection still names %q", element)
			}
		}
		for name := range before {
			if _, ok := r.Header[name]; !ok && !forbidden(name) && !touched(name) && plainName(name) {
				t.Errorf("%q was deleted", name)
			}
		}
		for name := range declared {
			if _, ok := r.Trailer[name]; ok && (forbidden(name) || oracleFold(name) == "cookie") {
				t.Errorf("trailer %q survived", name)
			}
		}
		for _, cookie := range r.Cookies() {
			if ownsSession(cookie.Name) || strings.HasSuffix(strings.ToLower(cookie.Name), ".sat") {
				t.Errorf("cookie %q survived", cookie.Name)
			}
		}
		again := r.Header.Clone()
		if h.Strip(r, true, Claims{}); !reflect.DeepEqual(r.Header, again) {
			t.Errorf("a second pass changed %q to %q", again, r.Header)
		}
	})
}

// plainName reports whether a field name has letters, digits and "-_." only.
// The code folds all other punctuation too.
func plainName(name string) bool {
	return strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

func FuzzCookies(f *testing.F) {
	for _, seed := range []string{
		"app=1; " + session + "=x; app2=2", session + "=x", "a=1;" + session + ";b=2;",
		"__HOST-osc_session=x; a=1", "x.sat=1; y.SAT =2;z.sa=3", "; ;;=" + session + "=1; a", "a=\"x; " + session + "=1\"",
		"a=1;\u00a0x.sat=2", " a = b ; c",
	} {
		f.Add(seed)
	}
	h := siteHygiene()
	ours := func(pair string) bool {
		name := cookieName(pair)
		return h.owns(name) || isServiceCookie(name)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var want []string
		changed := false
		for pair := range strings.SplitSeq(line, ";") {
			if ours(pair) {
				changed = true
			} else if pair = strings.Trim(pair, " \t"); pair != "" {
				want = append(want, pair)
			}
		}
		cut := h.cutCookies(line)
		if !changed && cut != line {
			t.Fatalf("%q became %q and held nothing of ours", line, cut)
		}
		var got []string
		for pair := range strings.SplitSeq(cut, ";") {
			if pair = strings.Trim(pair, " \t"); pair != "" {
				got = append(got, pair)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q became %q: pairs %q, want %q", line, cut, got, want)
		}
		header := http.Header{"Cookie": {cut}}
		for _, cookie := range (&http.Request{Header: header}).Cookies() {
			if ownsSession(cookie.Name) {
				t.Errorf("%q still has %q", cut, cookie.Name)
			}
		}
	})
}

package integration

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// attackReturn is a place that somebody wants a sign-in to end at.
type attackReturn struct{ name, to, ends string }

// Most end at the front page instead: they are no path of the site, or some
// reader could take them for none.
var attackReturns = []attackReturn{
	{"RT-001 another host, without a scheme", "//elsewhere.example", "/"},
	{"RT-002 with three slashes", "///elsewhere.example", "/"},
	{"RT-003 with four, and dots", "////elsewhere.example/%2f..", "/"},
	{"RT-004 a slash and a backslash", `/\elsewhere.example`, "/"},
	{"RT-005 two backslashes", `\\elsewhere.example`, "/"},
	{"RT-006 a tab between slashes", "/\t/elsewhere.example", "/"},
	{"RT-007 a line feed between slashes", "/\n/elsewhere.example", "/"},
	{"RT-008 a tab in front", "\t//elsewhere.example", "/"},
	{"RT-009 a space in front", " //elsewhere.example", "/"},
	{"RT-010 a whole URL", "https://elsewhere.example/", "/"},
	{"RT-011 a URL with a slash too many", "https:///elsewhere.example", "/"},
	{"RT-012 the site as a user's name", "https://{host}@elsewhere.example/", "/"},
	{"RT-013 a backslash before the site", `https://elsewhere.example\@{host}/`, "/"},
	{"RT-014 the site as a user's name, without a scheme", "//{host}@elsewhere.example/", "/"},
	{"RT-015 a host that begins like the site", "http://localhost.elsewhere.example/", "/"},
	{"RT-016 a host that ends like the site", "http://elsewhere{host}/", "/"},
	{"RT-017 the site itself, in full", "http://{host}/", "/"},
	{"RT-018 another port of the host", "http://localhost:8443/", "/"},
	{"RT-019 a script", "javascript:alert(1)", "/"},
	{"RT-020 a script with a tab inside", "java\tscript:alert(1)", "/"},
	{"RT-021 data", "data:text/html,<script>alert(1)</script>", "/"},
	{"RT-022 encoded slashes", "/%2f%2felsewhere.example", "/"},
	{"RT-023 an encoded backslash", "/%5celsewhere.example", "/"},
	{"RT-024 slashes encoded twice", "/%252f%252felsewhere.example", "/"},
	{"RT-025 a dot before two slashes", "/.//elsewhere.example", "/"},
	{"RT-026 a line's end", "/ok\r\nSet-Cookie: __Host-x=1", "/"},
	{"RT-027 an encoded line's end", "/ok%0d%0aSet-Cookie:%20x=1", "/"},
	{"RT-028 characters with a line's end in their bytes", "/%E5%98%8A%E5%98%8DSet-Cookie:x", "/%E5%98%8A%E5%98%8DSet-Cookie:x"},
	{"RT-029 a full stop that is none yet", "//elsewhere。example", "/"},
	{"RT-030 full-width slashes", "／／elsewhere.example", "/"},
	{"RT-031 nothing", "", "/"},
	{"RT-032 a host's name", "elsewhere.example", "/"},
	{"RT-033 the sign-in", "/auth/signin?return_to=%2F%2Felsewhere.example", "/"},
	{"RT-034 the sign-out", "/auth/signout", "/"},
	{"RT-035 far too long a path", "/" + strings.Repeat("a", 4_000), "/"},
	{"RT-039 a deep link", "/app/view?id=1&next=%2F%2Fok#frag", "/app/view?id=1&next=%2F%2Fok#frag"},
	{"RT-040 an encoded path", "/r%C3%A9sum%C3%A9/a%20b", "/r%C3%A9sum%C3%A9/a%20b"},
	{"RT-043 a scheme without slashes", "http:elsewhere.example", "/"},
	{"RT-045 a character like two slashes", "/〱elsewhere.example", "/"},
}

func TestAttacksOnTheReturnPathEndOnTheSite(t *testing.T) {
	t.Parallel()
	a := newAttackRig(t, attackSetup{})
	for _, row := range attackReturns {
		t.Run(row.name, func(t *testing.T) {
			query := url.Values{"return_to": {a.expand(row.to)}}.Encode()
			a.checkReturn(t, navigation, "/auth/signin?"+query, row.ends)
		})
	}
	for _, row := range attackCaptured {
		t.Run(row.name, func(t *testing.T) {
			headers := navigation.Clone()
			for name, value := range row.headers {
				headers.Set(name, value)
			}
			a.checkReturn(t, headers, row.opened, row.ends)
		})
	}
	t.Run("RT-035 longer than any header", func(t *testing.T) {
		got := a.direct(t, attackRequest("GET", "/auth/signin?return_to=/"+strings.Repeat("a", 64<<10), attackPerson)+attackEnd)
		if got.Status/100 != 4 || got.Header["Location"] != nil || got.Header["Set-Cookie"] != nil {
			t.Errorf("%v %v", got, got.Header)
		}
	})
	a.alive(t)
}

// attackCaptured are pages that are opened signed out, so that their own
// address is where the sign-in is to end, and oddly asked sign-ins.
var attackCaptured = []struct {
	name, opened string
	headers      map[string]string
	ends         string
}{
	{"RT-036 twice, the good one first", "/auth/signin?return_to=%2Fok&return_to=%2F%2Felsewhere.example", nil, "/"},
	{"RT-036 twice, the good one last", "/auth/signin?return_to=%2F%2Felsewhere.example&return_to=%2Fok", nil, "/"},
	{"RT-036 twice, the good one both times", "/auth/signin?return_to=%2Fok&return_to=%2Fok", nil, "/"},
	{"RT-036 twice, by a semicolon", "/auth/signin?return_to=%2Fok;return_to=%2F%2Felsewhere.example", nil, "/"},
	{"RT-037 a page that is another host's to browsers", "//elsewhere.example/x", nil, "/"},
	{"RT-037 with three slashes", "///elsewhere.example/x", nil, "/"},
	{"RT-038 headers that name another host", "/studio?room=1", map[string]string{
		"X-Forwarded-Host": "elsewhere.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "//elsewhere.example",
		"X-Auth-Request-Redirect": "https://elsewhere.example/", "X-Forwarded-Uri": "//elsewhere.example", "X-Forwarded-Port": "1",
		"Forwarded": "host=elsewhere.example;proto=https", "Referer": "https://elsewhere.example/",
	}, "/studio?room=1"},
}

// checkReturn signs in from there on, and checks where that ends.
func (a *attackRig) checkReturn(t *testing.T, headers http.Header, from, ends string) {
	t.Helper()
	v := newVisitor(t, a.gateway.URL)
	start := v.send(http.MethodGet, v.base+from, headers, "")
	if start.Status != http.StatusFound {
		t.Fatal(start)
	}
	a.answered(t, start)
	done := v.open(v.toCallback(start))
	a.answered(t, done)
	if location := done.Header["Location"]; done.Status != http.StatusFound || len(location) != 1 || location[0] != ends {
		t.Errorf("ends at %q: %v", location, done)
	}
	if v.session() == "" {
		t.Error("not signed in")
	}
	const most = 4 << 10 // bytes of a cookie that every browser keeps
	for _, line := range append(start.Header["Set-Cookie"], done.Header["Set-Cookie"]...) {
		if !strings.HasPrefix(line, "osc_session") || len(line) > most {
			t.Errorf("set: %.200s", line)
		}
	}
}

// direct is send without the tap, which is not made for requests that are
// answered before they have been read.
func (a *attackRig) direct(t *testing.T, request string) answer {
	t.Helper()
	conn, err := net.Dial("tcp", a.gateway.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn, a.expand(request))
		written <- err
	}()
	method, _, _ := strings.Cut(request, " ")
	got := a.read(t, bufio.NewReader(conn), method)
	conn.Close()
	<-written // an error is the server's right
	return got
}

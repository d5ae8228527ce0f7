package integration

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Apps that are broken, careless or hostile.

func attackCutAnswers(t *testing.T, a *attackRig) {
	for path, bytes := range map[string]string{
		"/cut": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabcde", "/cut/chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
		"/cut/garbage": "garbage\r\n\r\n", "/cut/nothing": "",
	} {
		a.app.handle(path, attackRaw(bytes))
		conn := a.dial(t)
		io.WriteString(conn, a.expand(attackSignedIn("GET", path, "")))
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		conn.Close()
	}
	eventually(t, "the cut is in the log", func() bool { return a.printed("aborting with incomplete response") })
}

func attackRedirects(t *testing.T, a *attackRig) {
	followed := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("it was followed, with %v", r.Header)
	}))
	defer followed.Close()
	for _, status := range []int{http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		a.app.handle("/elsewhere", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", followed.URL)
			w.WriteHeader(status)
		})
		got := a.send(t, attackSignedIn("GET", "/elsewhere", attackPerson))
		if got.Status != status || got.Header.Get("Location") != followed.URL {
			t.Error(got)
		}
	}
}

func attackCaches(t *testing.T, a *attackRig) {
	for _, lines := range []string{
		"Cache-Control: public, max-age=600", "Cache-Control: PUBLIC\r\nCache-Control: max-age=1", `Cache-Control: private="x-a", max-age=600`,
		"Cache-Control: s-maxage=600\r\nSurrogate-Control: max-age=60\r\nCDN-Cache-Control: max-age=600", `Cache-Control: x="private", max-age=600`, "X: y",
	} {
		a.app.handle("/cached", attackRaw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"+lines+"\r\n\r\n"))
		got := a.send(t, attackSignedIn("GET", "/cached", ""))
		control := ", " + strings.Join(got.Header["Cache-Control"], ", ") + ","
		if !strings.Contains(control, ", private,") || strings.Contains(strings.ToLower(control), "public") || strings.Contains(control, "s-maxage") ||
			got.Header["Surrogate-Control"] != nil || got.Header["Cdn-Cache-Control"] != nil {
			t.Errorf("%s: %v", lines, got.Header)
		}
		if !strings.Contains(strings.Join(got.Header["Vary"], ","), "Cookie") {
			t.Errorf("%s: Vary is %q", lines, got.Header["Vary"])
		}
	}
}

func attackEchoes(t *testing.T, a *attackRig) {
	for _, answer := range []string{
		"X-Pat-Jwt: Bearer {token}\r\nAuthorization: Bearer {token}\r\nX-Echo: a {token} b\r\nX-Own: kept\r\nContent-Length: 0\r\n\r\n",
		"Transfer-Encoding: chunked\r\nX-Own: kept\r\nTrailer: X-Pat-Jwt, X-Echo\r\n\r\n1\r\na\r\n0\r\nX-Pat-Jwt: Bearer {token}\r\nX-Echo: {token}\r\n\r\n",
		"Transfer-Encoding: chunked\r\nX-Own: kept\r\n\r\n1\r\na\r\n0\r\nX-Unannounced: Bearer {token}\r\n\r\n",
	} {
		a.app.handle("/echo", attackRaw("HTTP/1.1 200 OK\r\n"+a.expand(answer)))
		conn := a.dial(t)
		io.WriteString(conn, a.expand(attackSignedIn("GET", "/echo", "TE: trailers\r\n")))
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.Contains(got, []byte("X-Own: kept")) || bytes.Contains(got, []byte(a.token)) {
			t.Errorf("%v:\n%s", err, got)
		}
	}
}

func attackSwitch(t *testing.T, a *attackRig) {
	a.app.handle("/switch", attackRaw("HTTP/1.1 101 Switching Protocols\r\nAlt-Svc: h3=\":1\"\r\nConnection: X-Custom\r\nX-Custom: a\r\n\r\nGET / HTTP/1.1\r\n\r\n"))
	got := a.send(t, attackSignedIn("GET", "/switch", ""))
	if got.Status != http.StatusBadGateway || got.Header["X-Custom"] != nil || got.Header["Alt-Svc"] != nil {
		t.Errorf("%v %v", got, got.Header)
	}
}

func attackTransparency(t *testing.T, a *attackRig) {
	a.app.handle("/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"e"`)
		http.ServeContent(w, r, "file.txt", time.Time{}, strings.NewReader("abcdef"))
	})
	for _, c := range []struct {
		method, lines, body, length string
		status                      int
	}{
		{"GET", "", "abcdef", "6", http.StatusOK},
		{"GET", "Range: bytes=1-2\r\n", "bc", "2", http.StatusPartialContent},
		{"GET", "If-None-Match: \"e\"\r\n", "", "", http.StatusNotModified},
		{"HEAD", "", "", "6", http.StatusOK},
	} {
		requests := a.received(t, func() {
			got := a.send(t, attackSignedIn(c.method, "/file", c.lines))
			if got.Status != c.status || got.Body != c.body || got.Header.Get("Content-Length") != c.length || got.Header.Get("Etag") != `"e"` {
				t.Errorf("%s %s: %v %v", c.method, c.lines, got, got.Header)
			}
		})
		if len(requests) != 1 || requests[0].Method != c.method {
			t.Errorf("%s %s: the app got %v", c.method, c.lines, requests)
		}
	}
}

func attackInterims(t *testing.T, a *attackRig) {
	a.app.handle("/hints", attackRaw(a.expand("HTTP/1.1 103 Early Hints\r\nX-Pat-Jwt: Bearer {token}\r\nLink: </a.css>; rel=preload\r\nX-Echo: {token}\r\n"+
		"Set-Cookie: osc_session=forged; Path=/\r\n\r\nHTTP/1.1 100 Continue\r\nX-Pat-Jwt: Bearer {token}\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")))
	conn := a.dial(t)
	io.WriteString(conn, a.expand(attackSignedIn("GET", "/hints", "")))
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Contains(got, []byte("Link: </a.css>")) || !bytes.HasSuffix(got, []byte("ok")) {
		t.Errorf("%v:\n%s", err, got)
	}
	if bytes.Contains(got, []byte(a.token)) || bytes.Contains(got, []byte("forged")) {
		t.Errorf("passed on:\n%s", got)
	}
}

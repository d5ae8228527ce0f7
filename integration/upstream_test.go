package integration

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
)

// app is the web app behind the gateway. It keeps every request it gets.
type app struct {
	*httptest.Server
	canaries *canaries

	mu       sync.Mutex
	requests []*received
	raw      bytes.Buffer
	handlers map[string]http.HandlerFunc // by path; the rest gets a page
}

// received is a request as the app got it.
type received struct {
	Method, URI string
	Header      http.Header
	Body        string
}

// token is the value of the one x-pat-jwt a request has, without "Bearer ".
func (r *received) token() (token string, ok bool) {
	values := r.Header["X-Pat-Jwt"]
	if len(values) != 1 {
		return "", false
	}
	return strings.CutPrefix(values[0], "Bearer ")
}

func newApp(t testing.TB, c *canaries) *app {
	a := &app{canaries: c, handlers: map[string]http.HandlerFunc{}}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

// handle gives a path an answer of its own.
func (a *app) handle(path string, h http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.handlers[path] = h
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/favicon.ico" && r.Header.Get("Sec-Fetch-Dest") == "image" { // a browser asks whenever it likes: no request of the test's
		http.NotFound(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	head, _ := httputil.DumpRequest(r, false)
	got := &received{Method: r.Method, URI: r.RequestURI, Header: r.Header.Clone(), Body: string(body)}
	a.mu.Lock()
	a.requests = append(a.requests, got)
	a.raw.Write(head)
	a.raw.Write(body)
	handler := a.handlers[r.URL.Path]
	a.mu.Unlock()
	if handler != nil {
		handler(w, r)
		return
	}
	a.page(w, got)
}

// page is what a person sees: whose page it is, whether the token arrived (it
// is not shown), and what a script can read of the cookies.
func (a *app) page(w http.ResponseWriter, got *received) {
	arrived := "missing"
	if token, ok := got.token(); ok && a.canaries.knows(accessToken, token) {
		arrived = "arrived"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html>
<title>The app</title>
<h1>Private page of <span id="user">%s</span></h1>
<p>The token: <span id="token">%s</span></p>
<p>Cookies: [<span id="cookies"></span>]</p>
<p>This is <span id="uri">%s</span></p>
<form method="post" action="/auth/signout"><button id="signout">Sign out</button></form>
<script>document.getElementById("cookies").textContent = document.cookie</script>
`, html.EscapeString(got.Header.Get("X-Osc-User")), arrived, html.EscapeString(got.URI))
}

// all are the requests so far.
func (a *app) all() []*received {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*received(nil), a.requests...)
}

// calls is how many requests there were.
func (a *app) calls() int { return len(a.all()) }

// last is the latest request.
func (a *app) last(t testing.TB) *received {
	t.Helper()
	all := a.all()
	if len(all) == 0 {
		t.Fatal("the app was not called")
	}
	return all[len(all)-1]
}

// bytes is everything the app was sent.
func (a *app) bytes() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return bytes.Clone(a.raw.Bytes())
}

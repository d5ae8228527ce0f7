package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// guest is one of many visitors: it fails no test by itself, and comes to
// whichever gateway it is told to.
type guest struct {
	c    *chaos
	user string
	jar  http.CookieJar
}

func (c *chaos) guest(user string) *guest {
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return &guest{c: c, user: user, jar: jar}
}

// guests are n visitors with names of their own.
func (c *chaos) guests(n int) []*guest {
	all := make([]*guest, n)
	for i := range all {
		all[i] = c.guest(fmt.Sprintf("guest-%d", i))
	}
	return all
}

// ask sends a request to a gateway, or to the provider.
func (g *guest) ask(door int, method, target string, headers http.Header) (answer, error) {
	if strings.HasPrefix(target, "/") {
		target = g.c.URL + target
	}
	got, err := g.askOnce(door, method, target, headers)
	for again := 0; g.c.reloading.Load() && dropped(err) && again < 10; again++ {
		g.c.dropped.Add(1)
		got, err = g.askOnce(door, method, target, headers)
	}
	return got, err
}

func (g *guest) askOnce(door int, method, target string, headers http.Header) (answer, error) {
	request, err := http.NewRequest(method, target, nil)
	if err != nil {
		return answer{}, err
	}
	maps.Copy(request.Header, headers)
	if strings.HasPrefix(target, g.c.provider.URL) {
		request.Header.Set(asUser, g.user)
	}
	client := &http.Client{Jar: g.jar, Transport: g.c.doors[door], Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{Status: response.StatusCode, Header: response.Header, Body: string(text), URL: request.URL}, err
}

// dropped tells whether a connection was closed without an answer. While Caddy
// replaces its listeners, and net/http ends a server, that happens to requests
// on new connections nobody has read yet; browsers and balancers repeat them.
func dropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED)
}

// open asks for a page, and fetch asks as a script does.
func (g *guest) open(door int, target string) (answer, error) {
	return g.ask(door, http.MethodGet, target, navigation)
}

func (g *guest) fetch(door int) (answer, error) {
	return g.ask(door, http.MethodGet, "/api/me", scripted)
}

// visit wants its own page, and an error is all else.
func (g *guest) visit(door int) error {
	session := g.session()
	got, err := g.fetch(door)
	if err == nil && (got.Status != http.StatusOK || got.Body != g.user) {
		err = fmt.Errorf("%s at gateway %d, with a cookie of %d bytes: %v", g.user, door, len(session), got)
	}
	return err
}

// begin goes to the point of a sign-in where only the callback is missing.
func (g *guest) begin(door int) (callback string, err error) {
	at := answer{Header: http.Header{"Location": {"/studio"}}}
	for range 3 {
		if at, err = g.open(door, at.Header.Get("Location")); err != nil {
			return "", err
		}
		next := at.Header.Get("Location")
		if strings.HasPrefix(next, g.c.URL+"/auth/callback?") {
			return next, nil
		}
		if next == "" {
			break
		}
	}
	return "", fmt.Errorf("%s at gateway %d: no sign-in began: %v", g.user, door, at)
}

// finish comes back from the provider.
func (g *guest) finish(door int, callback string) error {
	got, err := g.open(door, callback)
	if err == nil && (!got.redirects() || got.Header.Get("Location") != "/studio") {
		err = fmt.Errorf("%s at gateway %d: the callback led elsewhere: %v", g.user, door, got)
	}
	return err
}

func (g *guest) signIn(door int) error {
	callback, err := g.begin(door)
	if err != nil {
		return err
	}
	return g.finish(door, callback)
}

func (g *guest) signOut(door int) (answer, error) {
	headers := form.Clone()
	headers.Set("Origin", g.c.URL)
	return g.ask(door, http.MethodPost, "/auth/signout", headers)
}

// twin has the same cookies, and keeps them whatever becomes of the guest's.
func (g *guest) twin() *guest {
	twin := g.c.guest(g.user)
	if u, err := url.Parse(g.c.URL); err == nil {
		twin.jar.SetCookies(u, g.jar.Cookies(u))
	}
	return twin
}

// session is the session cookie's value; "" without one.
func (g *guest) session() string {
	request, err := http.NewRequest(http.MethodGet, g.c.URL, nil)
	if err != nil {
		return ""
	}
	for _, kept := range g.jar.Cookies(request.URL) {
		if kept.Name == "osc_session" {
			return kept.Value
		}
	}
	return ""
}

// request is a request of the guest's as bytes.
func (g *guest) request(path string) []byte {
	var raw bytes.Buffer
	fmt.Fprintf(&raw, "GET %s HTTP/1.1\r\nHost: %s\r\nCookie: osc_session=%s\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Site: same-origin\r\n\r\n",
		path, strings.TrimPrefix(g.c.URL, "http://"), g.session())
	return raw.Bytes()
}

// reasonOf is why a script was refused.
func reasonOf(a answer) string {
	for _, reason := range []string{"no_session", "session_expired", "session_revoked", "refresh_rejected", "provider_unavailable", "store_unavailable"} {
		if strings.Contains(a.Body, `"`+reason+`"`) || strings.Contains(a.Body, "<code>"+reason+"</code>") {
			return reason
		}
	}
	return ""
}

// unavailable tells what is wrong with an answer that is to say "not now": the
// visitor is told when to come back, and keeps the cookie.
func unavailable(got answer, err error, reason string) error {
	switch {
	case err != nil:
		return err
	case got.Status != http.StatusServiceUnavailable, reasonOf(got) != reason:
		return fmt.Errorf("not 503 %s: %v", reason, got)
	case got.Header.Get("Retry-After") == "":
		return errors.New("503 without Retry-After")
	case got.Header["Set-Cookie"] != nil:
		return fmt.Errorf("503 with %q", got.Header["Set-Cookie"])
	}
	return nil
}

// crowd does something n times, some of them at once, and fails the test with
// what went wrong. It returns how long that took.
func crowd(t testing.TB, what string, n, atOnce int, do func(i int) error) time.Duration {
	t.Helper()
	begun := time.Now()
	var mu sync.Mutex
	var failures []error
	var all sync.WaitGroup
	next := make(chan int)
	for range min(n, atOnce) {
		all.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					mu.Lock()
					failures = append(failures, err)
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	if len(failures) > 0 {
		t.Errorf("%s: %d of %d failed, as: %v", what, len(failures), n, errors.Join(failures[:min(3, len(failures))]...))
	}
	return time.Since(begun)
}

// signedIn signs everybody in.
func (c *chaos) signedIn(guests []*guest) {
	c.t.Helper()
	crowd(c.t, "signing in", len(guests), 16, func(i int) error { return guests[i].signIn(i % len(c.doors)) })
	if c.t.Failed() {
		c.t.FailNow()
	}
}

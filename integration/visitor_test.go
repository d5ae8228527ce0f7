package integration

import (
	"context"
	"fmt"
	"html"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// visitor is a browser without a window: it keeps cookies, says what browsers
// say of themselves, and follows a redirect only when told to.
type visitor struct {
	t      testing.TB
	base   string
	user   string
	client *http.Client
}

// answer is what a visitor got.
type answer struct {
	Status int
	Header http.Header
	Body   string
	URL    *url.URL // what was asked for
}

// String is what matters of an answer, for a test that failed.
func (a answer) String() string {
	said := a.Header.Get("Location")
	if reason := reasonOnPage.FindStringSubmatch(a.Body); reason != nil {
		said += " reason " + reason[1]
	} else if len(a.Body) < 400 {
		said += a.Body
	}
	return fmt.Sprintf("%d at %v: %s", a.Status, a.URL, said)
}

// reasonOnPage finds the reason a page of the gateway's shows.
var reasonOnPage = regexp.MustCompile(`Reason <code>([a-z_]+)</code>`)

func newVisitor(t testing.TB, base string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: dialHere, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{t: t, base: base, user: "alice", client: &http.Client{
		Jar: jar, Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// dialHere reaches every host name on this machine, and nothing elsewhere.
func dialHere(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
}

// Headers browsers send with a page that a person opens, with a script's fetch,
// and with a form of the site's own.
var (
	navigation = http.Header{
		"Accept":         {"text/html,application/xhtml+xml,*/*;q=0.8"},
		"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Site": {"none"}, "Sec-Fetch-User": {"?1"},
	}
	scripted = http.Header{
		"Accept": {"*/*"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Site": {"same-origin"},
	}
	form = http.Header{
		"Accept":         {"text/html"},
		"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Site": {"same-origin"},
	}
)

// open asks for a page as a person does; target is a path or a whole URL.
func (v *visitor) open(target string) answer {
	v.t.Helper()
	return v.send(http.MethodGet, target, navigation, "")
}

// fetch asks as a script of the site does.
func (v *visitor) fetch(method, target string) answer {
	v.t.Helper()
	headers := scripted.Clone()
	if method != http.MethodGet {
		headers.Set("Origin", v.base)
	}
	return v.send(method, target, headers, "")
}

// signOut presses the button.
func (v *visitor) signOut() answer {
	v.t.Helper()
	headers := form.Clone()
	headers.Set("Origin", v.base)
	return v.send(http.MethodPost, "/auth/signout", headers, "")
}

// send sends any request.
func (v *visitor) send(method, target string, headers http.Header, body string) answer {
	v.t.Helper()
	got, err := v.try(method, target, headers, body)
	if err != nil {
		v.t.Fatal(err)
	}
	return got
}

// try is send for goroutines other than the test's.
func (v *visitor) try(method, target string, headers http.Header, body string) (answer, error) {
	if strings.HasPrefix(target, "/") {
		target = v.base + target
	}
	request, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	maps.Copy(request.Header, headers)
	response, err := v.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{Status: response.StatusCode, Header: response.Header, Body: string(text), URL: request.URL}, err
}

// cookies are what the visitor keeps for the gateway.
func (v *visitor) cookies() []*http.Cookie {
	u, err := url.Parse(v.base)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.client.Jar.Cookies(u)
}

// session is the session cookie's value; "" without one.
func (v *visitor) session() string {
	for _, kept := range v.cookies() {
		if kept.Name == "osc_session" {
			return kept.Value
		}
	}
	return ""
}

// location is where a redirect leads.
func (a answer) location(t testing.TB) *url.URL {
	t.Helper()
	target, err := a.URL.Parse(a.Header.Get("Location"))
	if err != nil || a.Header.Get("Location") == "" {
		t.Fatalf("%d without a usable Location: %v", a.Status, a.Header)
	}
	return target
}

// redirects tells whether the answer leads elsewhere.
func (a answer) redirects() bool {
	return a.Status == http.StatusFound || a.Status == http.StatusSeeOther
}

// follow goes where a redirect leads.
func (v *visitor) follow(a answer) answer {
	v.t.Helper()
	target := a.location(v.t)
	headers := navigation.Clone()
	if target.Host != a.URL.Host {
		headers.Set("Sec-Fetch-Site", "cross-site")
	}
	return v.send(http.MethodGet, target.String(), headers, "")
}

// signIn opens a page and does what a person does until there is a page that
// asks for nothing more.
func (v *visitor) signIn(target string) answer {
	v.t.Helper()
	return v.finish(v.open(target))
}

// finish does the rest of a sign-in.
func (v *visitor) finish(at answer) answer {
	v.t.Helper()
	for range 20 {
		next, done := v.step(at)
		if done {
			return at
		}
		at = next
	}
	v.t.Fatalf("the sign-in does not end; it is at %v", at.URL)
	return at
}

// toCallback does the rest of a sign-in but for its last step, and returns the
// address the provider sends the browser back to.
func (v *visitor) toCallback(at answer) string {
	v.t.Helper()
	for range 20 {
		if at.redirects() && strings.HasPrefix(at.location(v.t).String(), v.base+"/auth/callback?") {
			return at.location(v.t).String()
		}
		next, done := v.step(at)
		if done {
			break
		}
		at = next
	}
	v.t.Fatalf("the sign-in ended without a callback: %d %v", at.Status, at.URL)
	return ""
}

// step does the next thing there is to do on the way.
func (v *visitor) step(at answer) (next answer, done bool) {
	v.t.Helper()
	switch {
	case at.redirects():
		return v.follow(at), false
	case strings.Contains(at.Body, `id="accounts"`):
		return v.submit(at, `id="accounts"`, url.Values{"account": {v.user}}), false
	case strings.Contains(at.Body, `id="consent"`):
		return v.submit(at, `id="consent"`, url.Values{"decision": {"allow"}}), false
	case strings.Contains(at.Body, `name="prompt" value="login"`):
		return v.submit(at, `value="login"`, url.Values{"login": {v.user}, "password": {"any"}}), false
	case strings.Contains(at.Body, `name="prompt" value="consent"`):
		return v.submit(at, `value="consent"`, nil), false
	default:
		return at, true
	}
}

var (
	formElement = regexp.MustCompile(`(?s)<form.*?</form>`)
	formAction  = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
	hiddenField = regexp.MustCompile(`<input[^>]* type="hidden"[^>]* name="([^"]*)" value="([^"]*)"`)
)

// submit fills in the form that contains mark and sends it.
func (v *visitor) submit(page answer, mark string, fields url.Values) answer {
	v.t.Helper()
	for _, text := range formElement.FindAllString(page.Body, -1) {
		if !strings.Contains(text, mark) {
			continue
		}
		values := url.Values{}
		for _, field := range hiddenField.FindAllStringSubmatch(text, -1) {
			values.Set(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
		}
		maps.Copy(values, fields)
		target := page.URL
		if action := formAction.FindStringSubmatch(text); action != nil {
			var err error
			if target, err = page.URL.Parse(html.UnescapeString(action[1])); err != nil {
				v.t.Fatal(err)
			}
		}
		headers := form.Clone()
		headers.Set("Content-Type", "application/x-www-form-urlencoded")
		return v.send(http.MethodPost, target.String(), headers, values.Encode())
	}
	v.t.Fatalf("no form with %s on the page:\n%s", mark, page.Body)
	return answer{}
}

// withCookie makes the visitor send this Cookie header and keep nothing.
func (v *visitor) withCookie(line string) *visitor {
	v.client.Jar = nil
	v.client.Transport = &cookieSender{next: v.client.Transport, line: line}
	return v
}

// cookieSender sends a Cookie header as it is, however wrong.
type cookieSender struct {
	next http.RoundTripper
	line string
}

func (s *cookieSender) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header["Cookie"] = []string{s.line}
	return s.next.RoundTrip(r)
}

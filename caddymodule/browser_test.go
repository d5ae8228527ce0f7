package caddymodule

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"syscall"
	"testing"
)

// browser is a person's: it has cookies and says what it loads.
type browser struct {
	*gateway
	client *http.Client // follows redirects
	wire   *http.Transport
	header http.Header // of every request
}

// browser makes one for which every host but 127.0.0.1 is the gateway.
func (g *gateway) browser() *browser {
	jar, _ := cookiejar.New(nil)
	wire := &http.Transport{
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
		DisableCompression: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, _, _ := net.SplitHostPort(address); host != "127.0.0.1" {
				address = g.server.Listener.Addr().String()
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	g.Cleanup(wire.CloseIdleConnections)
	return &browser{gateway: g, wire: wire, client: &http.Client{Jar: jar, Transport: wire}, header: http.Header{
		"Accept": {"text/html,*/*;q=0.8"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Site": {"none"},
	}}
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
	url    string // where it was found
}

// goes loads a page and follows where it leads.
func (b *browser) goes(address string) answer {
	b.Helper()
	return b.do(b.client, b.request(http.MethodGet, address))
}

// asks loads a page and follows nothing. Fields are "Name: value" and come
// after, or with "Name:" instead of, those of every request.
func (b *browser) asks(method, address string, fields ...string) answer {
	b.Helper()
	stays := *b.client
	stays.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b.do(&stays, b.request(method, address, fields...))
}

func (b *browser) request(method, address string, fields ...string) *http.Request {
	b.Helper()
	r, err := http.NewRequest(method, address, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header = b.header.Clone()
	for _, field := range fields {
		name, value, found := strings.Cut(field, ":")
		if !found {
			b.Fatalf("%q is no field", field)
		}
		if value = strings.TrimSpace(value); value == "" {
			r.Header.Del(name)
			continue
		}
		r.Header[name] = append(r.Header[name], value)
	}
	return r
}

func (b *browser) do(client *http.Client, r *http.Request) answer {
	b.Helper()
	res, err := client.Do(r.Clone(r.Context())) // the client adds cookies to it
	for tries := 0; isCutOff(err) && r.Body == nil && tries < 3; tries++ {
		res, err = client.Do(r.Clone(r.Context()))
	}
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body) // the app may break off
	return answer{res.StatusCode, res.Header, string(body), res.Request.URL.String()}
}

// isCutOff tells that there was no answer at all. Where Caddy hands an address
// over to a new configuration, the kernel cuts off who has connected to the old
// one's socket and was not yet accepted; browsers try again.
func isCutOff(err error) bool { return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) }

// signsIn loads a page that needs it, ends up there, and forgets what the app
// was asked.
func (b *browser) signsIn(address string) {
	b.Helper()
	if got := b.goes(address); got.status != http.StatusOK || got.url != address {
		b.Fatalf("signing in at %s ended at %s with %d %s", address, got.url, got.status, got.body)
	}
	b.app.requests()
}

// cookies are the names of those the browser would send to an address.
func (b *browser) cookies(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for _, cookie := range b.client.Jar.Cookies(u) {
		names = append(names, cookie.Name)
	}
	return strings.Join(names, " ")
}

func wantStatus(t *testing.T, got answer, status int) {
	t.Helper()
	if got.status != status {
		t.Fatalf("%s gave %d %s, want %d", got.url, got.status, got.body, status)
	}
}

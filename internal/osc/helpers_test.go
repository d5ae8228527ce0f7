package osc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	tokenPath    = "/api/connect/token"
	registerPath = "/api/connect/register"
	redirectURI  = "https://app.example.com/auth/callback"
	goodAnswer   = `{"access_token":"pat-1","token_type":"Bearer","refresh_token":"refresh-1","expires_in":3600}`

	// What must never be seen in an error or a log line.
	clientSecret = "s3cr3t-of-the-client"
	code         = "c0de-of-the-flow"
	verifier     = "v3rifier-of-the-flow"
	refreshToken = "r3fresh-of-the-session"
	marker       = "MARK-of-the-answer"
)

var (
	confidential = tokens.Client{ID: "client-1", Secret: secret.New(clientSecret)}
	public       = tokens.Client{ID: "client-2"}
)

// clock is a time that moves when told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// received is a request as the authorization server saw it.
type received struct {
	method, path, query, body string
	header                    http.Header
}

// authServer answers each path as a test says and keeps what it was sent. A
// path nothing was said of is 404, discovery included.
type authServer struct {
	URL     string
	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	seen    []received
}

func (s *authServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, received{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header.Clone()})
	handle := s.answers[r.URL.Path]
	s.mu.Unlock()
	if handle == nil {
		http.NotFound(w, r)
		return
	}
	handle(w, r)
}

// on says how a path answers from now on.
func (s *authServer) on(path string, handle http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = handle
}

// asked is what a path was sent so far; "" stands for every path.
func (s *authServer) asked(path string) []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []received
	for _, r := range s.seen {
		if path == "" || r.path == path {
			list = append(list, r)
		}
	}
	return list
}

func newAuthServer() *authServer { return &authServer{answers: map[string]http.HandlerFunc{}} }

// startServer starts an authorization server on loopback.
func startServer(t *testing.T) *authServer {
	t.Helper()
	s := newAuthServer()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// rig is a provider, the server it speaks to, its clock and its log.
type rig struct {
	*Provider
	server *authServer
	clock  *clock
	logged *logBuffer
}

// newRig makes a provider for a new server that has no discovery document.
func newRig(t *testing.T) *rig {
	t.Helper()
	server := startServer(t)
	return rigFor(t, server, server.URL)
}

func rigFor(t *testing.T, server *authServer, issuer string) *rig {
	t.Helper()
	r := &rig{server: server, clock: newClock(), logged: &logBuffer{}}
	transport := newTransport()
	t.Cleanup(transport.CloseIdleConnections)
	provider, err := New(Config{Issuer: issuer, Now: r.clock.Now, Log: r.logged.logger(), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	r.Provider = provider
	return r
}

// trade exchanges the flow's code.
func (r *rig) trade(ctx context.Context) (tokens.Set, error) {
	return r.Exchange(ctx, confidential, code, verifier, redirectURI)
}

// renew trades the session's refresh token.
func (r *rig) renew(ctx context.Context) (tokens.Set, error) {
	return r.Refresh(ctx, confidential, secret.New(refreshToken))
}

// answer writes a status, header fields given in pairs, and a body.
func answer(status int, body string, fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(fields); i += 2 {
			w.Header().Add(fields[i], fields[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// document is a discovery document of the server with further members.
func (s *authServer) document(members ...string) http.HandlerFunc {
	return answer(http.StatusOK, "{"+strings.Join(append([]string{fmt.Sprintf(`"issuer":%q`, s.URL)}, members...), ",")+"}")
}

// silent answers nothing until the client leaves.
func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// asError is the provider's error, or the end of the test.
func asError(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want *Error", err, err)
	}
	return e
}

// checkQuiet fails when something secret, or anything of an answer, is in a text.
func checkQuiet(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		for _, hidden := range []string{clientSecret, code, verifier, refreshToken, marker} {
			if strings.Contains(text, hidden) {
				t.Errorf("%q shows %q", text, hidden)
			}
		}
	}
}

// checkAsked fails unless a path was sent so many requests.
func checkAsked(t *testing.T, s *authServer, path string, want int) {
	t.Helper()
	if got := len(s.asked(path)); got != want {
		t.Errorf("%s was asked %d times, want %d", path, got, want)
	}
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// pipes is a network in memory, so that HTTP can run inside a synctest bubble,
// where timeouts take no time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept, Close and Addr make a net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// newBubbleRig is newRig for use inside a bubble; call its end before leaving.
func newBubbleRig(t *testing.T) (r *rig, end func()) {
	t.Helper()
	network := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	r = &rig{server: newAuthServer(), clock: newClock(), logged: &logBuffer{}}
	r.server.URL = "http://localhost"
	server := &http.Server{Handler: r.server}
	go func() { _ = server.Serve(network) }()
	transport := newTransport()
	transport.DialContext = network.dial
	provider, err := New(Config{Issuer: r.server.URL, Now: r.clock.Now, Log: r.logged.logger(), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	r.Provider = provider
	return r, func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	}
}

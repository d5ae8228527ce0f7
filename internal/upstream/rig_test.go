package upstream

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

const (
	token   = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0LXBhdA.c2lnbmF0dXJl"
	bearer  = "Bearer " + token
	scheme  = len("Bearer ")
	session = "__Host-osc_session"
)

// ownsSession is what a gate would say of its cookies.
func ownsSession(name string) bool {
	return name == session || strings.HasPrefix(name, "__Host-osc_flow_")
}

// filterHeader filters as for an injection that names its site, or none.
func filterHeader(header http.Header, inj *Injection) { inj.hygiene(nil).filterHeader(header, inj) }

func siteHygiene(tokenHeaders ...string) *Hygiene {
	return NewHygiene(Rules{TokenHeaders: tokenHeaders, SessionCookies: ownsSession})
}

// rawUpstream answers every connection with the same bytes and keeps the bytes
// of what it was sent.
type rawUpstream struct {
	addr     string
	mu       sync.Mutex
	requests []string
}

func startUpstream(t *testing.T, answer string) *rawUpstream {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	u := &rawUpstream{addr: listener.Addr().String()}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go u.serve(conn, answer)
		}
	}()
	return u
}

func (u *rawUpstream) serve(conn net.Conn, answer string) {
	defer conn.Close()
	var seen bytes.Buffer
	req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &seen)))
	if err != nil {
		return
	}
	io.Copy(io.Discard, req.Body)
	u.mu.Lock()
	u.requests = append(u.requests, seen.String())
	u.mu.Unlock()
	io.WriteString(conn, answer)
}

// only returns the bytes of the request that was made; it must be the only one.
func (u *rawUpstream) only(t *testing.T) string {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.requests) != 1 {
		t.Fatalf("the upstream saw %d requests, want 1: %q", len(u.requests), u.requests)
	}
	return u.requests[0]
}

const plainAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

// gateway is a server that strips, a stock reverse proxy, and our transport.
type gateway struct {
	hygiene       *Hygiene
	authorization bool
	injection     *Injection // nil: a public route
	beforeSend    func(out *http.Request)
}

func (g gateway) handler(upstream string) http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport: &Transport{Base: &http.Transport{}, Hygiene: g.hygiene},
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(&url.URL{Scheme: "http", Host: upstream})
			pr.SetXForwarded()
			pr.Out.Trailer = pr.In.Trailer
			if g.beforeSend != nil {
				g.beforeSend(pr.Out)
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.hygiene.Strip(r, g.authorization, Claims{})
		if g.injection != nil {
			r = r.WithContext(WithInjection(r.Context(), g.injection))
		}
		proxy.ServeHTTP(w, r)
	})
}

// start serves the gateway in front of upstream over HTTP/1.1 and, with TLS,
// over HTTP/2.
func (g gateway) start(t *testing.T, upstream string, http2 bool) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(g.handler(upstream))
	if http2 {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

// exchange sends raw bytes and returns everything that comes back.
func exchange(t *testing.T, server *httptest.Server, raw string) string {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// fields returns the values of all fields of raw, header and trailer section
// alike, whose name folds to name.
func fields(raw, name string) (values []string) {
	for line := range strings.SplitSeq(raw, "\r\n") {
		key, value, ok := strings.Cut(line, ":")
		if ok && oracleFold(key) == oracleFold(name) {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

// oracleFold is the identity of a field name, written another way.
func oracleFold(name string) string {
	return strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(strings.TrimSpace(name)))
}

func http2Client(server *httptest.Server) *http.Client {
	client := server.Client()
	client.Transport.(*http.Transport).TLSClientConfig.MinVersion = tls.VersionTLS12
	return client
}

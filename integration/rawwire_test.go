package integration

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// rawApp is an app that keeps the bytes it is sent, as they are: Go's server
// would tidy them.
type rawApp struct {
	listener net.Listener
	mu       sync.Mutex
	requests []string
	conns    sync.WaitGroup
}

func newRawApp(t testing.TB) *rawApp {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &rawApp{listener: listener}
	a.conns.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			a.conns.Go(func() { a.serve(conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); a.conns.Wait() })
	return a
}

func (a *rawApp) address() string { return a.listener.Addr().String() }

// serve answers one request per connection.
func (a *rawApp) serve(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	var raw bytes.Buffer
	request, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &raw)))
	if err != nil {
		return
	}
	if _, err := io.Copy(io.Discard, request.Body); err != nil {
		return
	}
	a.mu.Lock()
	a.requests = append(a.requests, raw.String())
	a.mu.Unlock()
	io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
}

// take returns the requests since the last time.
func (a *rawApp) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := a.requests
	a.requests = nil
	return taken
}

// exchange sends bytes as they are and returns the status of the answer.
func exchange(t testing.TB, address, request string) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// wireFields are the field lines of a raw request, trailers included, under
// names folded the way CGI, PHP and others fold them: "_" and "." are "-".
func wireFields(raw string) map[string][]string {
	fields := map[string][]string{}
	for line := range strings.SplitSeq(raw, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.Contains(name, " ") {
			continue
		}
		name = strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
		fields[name] = append(fields[name], strings.TrimSpace(value))
	}
	return fields
}

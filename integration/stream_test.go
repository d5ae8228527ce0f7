package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// streams gives an app a WebSocket that echoes at /ws and an endless answer of
// server-sent events at /events.
func (a *app) streams() {
	a.handle("/ws", echo)
	a.handle("/events", events)
}

// echo switches protocols and sends back what it gets. It speaks no frames:
// proxies do not look into them.
func echo(w http.ResponseWriter, _ *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
	io.Copy(conn, buffered)
}

func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := io.WriteString(w, "data: tick\n\n"); err != nil {
			return
		}
		http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-ticker.C:
		}
	}
}

// stream is a client's end of an answer that goes on.
type stream struct {
	t      testing.TB
	conn   net.Conn
	status int
	ended  chan struct{} // closed when the gateway ended it
	got    chan struct{} // something came
}

// openStream opens one at an address, as a page of the site does.
func openStream(t testing.TB, address, base, session, target string) *stream {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	lines := "Accept: text/event-stream\r\n"
	if target == "/ws" {
		lines = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nSec-Fetch-Site: same-origin\r\nCookie: osc_session=%s\r\n%s\r\n",
		target, strings.TrimPrefix(base, "http://"), base, session, lines)
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{t: t, conn: conn, status: response.StatusCode, ended: make(chan struct{}), got: make(chan struct{}, 1)}
	body := io.Reader(response.Body)
	if response.StatusCode == http.StatusSwitchingProtocols {
		body = reader
	}
	go func() {
		defer close(s.ended)
		some := make([]byte, 1024)
		for {
			n, err := body.Read(some)
			if n > 0 {
				select {
				case s.got <- struct{}{}:
				default:
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return s
}

// lives checks that something still comes.
func (s *stream) lives(when string) {
	s.t.Helper()
	select {
	case <-s.got: // what had come before
	default:
	}
	fmt.Fprint(s.conn, "ping")
	select {
	case <-s.got:
	case <-s.ended:
		s.t.Errorf("%s: the stream has ended", when)
	case <-time.After(patience):
		s.t.Errorf("%s: nothing comes", when)
	}
}

// ends waits for its end.
func (s *stream) ends(when string) {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Errorf("%s: the stream goes on", when)
	}
}

// kinds are the paths of streams.
var streamKinds = []string{"/ws", "/events"}

func (w *world) stream(v *visitor, target string) *stream {
	w.t.Helper()
	s := openStream(w.t, w.gateway.tap.listener.Addr().String(), v.base, v.session(), target)
	if s.status != http.StatusOK && s.status != http.StatusSwitchingProtocols {
		w.t.Fatalf("%s: %d", target, s.status)
	}
	return s
}

package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
)

// Of HTTP/2 nobody compares bytes on the wire: what a client makes of them is
// the same, or not.

// secureVisitor is signed in where the gateway listens with TLS.
func (p *parity) secureVisitor(t *testing.T) *visitor {
	t.Helper()
	for _, name := range []string{"localhost", "plain.localhost"} {
		eventually(t, "there is a certificate for "+name, func() bool {
			conn, err := tls.Dial("tcp", p.secure, &tls.Config{ServerName: name, InsecureSkipVerify: true})
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
	_, port, _ := net.SplitHostPort(p.secure)
	v := newVisitor(t, "https://localhost:"+port)
	v.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	v.toCallbackAndIn(t)
	return v
}

// h2stream is a request over HTTP/2 and what comes back.
type h2stream struct {
	t       *testing.T
	ctx     context.Context
	upload  *io.PipeWriter
	hints   chan string
	answer  chan *http.Response
	leave   context.CancelFunc
	told    strings.Builder // what came back, in order
	current *http.Response
}

// open begins a request whose body the test writes.
func (p *parity) open(t *testing.T, v *visitor, host string, trailer http.Header) *h2stream {
	t.Helper()
	transport := &http.Transport{
		DialContext: dialHere, DisableCompression: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	t.Cleanup(transport.CloseIdleConnections)
	ctx, leave := context.WithTimeout(t.Context(), patience)
	s := &h2stream{t: t, ctx: ctx, hints: make(chan string, 8), answer: make(chan *http.Response, 1), leave: leave}
	t.Cleanup(leave)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		s.hints <- fmt.Sprintf("%d %s", code, header.Get("Link"))
		return nil
	}})
	reader, writer := io.Pipe()
	s.upload = writer
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.Replace(v.base, "localhost", host, 1)+"/page", reader)
	if err != nil {
		t.Fatal(err)
	}
	request.Trailer = trailer
	request.Header.Set("Origin", v.base)
	for _, kept := range v.cookies() {
		if strings.HasSuffix(kept.Name, "osc_session") { // there is another while signing in
			request.AddCookie(kept)
		}
	}
	request.AddCookie(&http.Cookie{Name: "own", Value: "yes"})
	go func() {
		answer, err := transport.RoundTrip(request)
		if err != nil {
			answer = &http.Response{Proto: "none", Status: "broken", Body: io.NopCloser(strings.NewReader(""))}
		}
		s.answer <- answer
	}()
	return s
}

func (s *h2stream) send(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.upload, text); err != nil {
		s.t.Fatal(err)
	}
}

// hint waits for an interim answer.
func (s *h2stream) hint() {
	s.t.Helper()
	select {
	case hint := <-s.hints:
		fmt.Fprintln(&s.told, hint)
	case <-s.ctx.Done():
		s.t.Fatal("no interim answer came")
	}
}

// head waits for the answer to begin.
func (s *h2stream) head() {
	s.t.Helper()
	s.current = <-s.answer
	s.t.Cleanup(func() { s.current.Body.Close() })
	fmt.Fprintf(&s.told, "%s %s type %q encoding %q\n", s.current.Proto, s.current.Status,
		s.current.Header["Content-Type"], s.current.Header["Content-Encoding"])
}

// part waits for so much of the body as is expected.
func (s *h2stream) part(want string) {
	s.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(s.current.Body, got); err != nil || string(got) != want {
		s.t.Fatalf("%q %v, want %q", got, err, want)
	}
	fmt.Fprintf(&s.told, "%q\n", got)
}

// rest waits for the end of the answer.
func (s *h2stream) rest() {
	s.t.Helper()
	text, err := io.ReadAll(s.current.Body)
	if errors.Is(err, context.DeadlineExceeded) {
		s.t.Fatal(err)
	}
	fmt.Fprintf(&s.told, "%q, broken %v, trailer %q\n", text, err != nil, s.current.Trailer)
}

// h2streams are conversations of which the client's side is HTTP/2.
var h2streams = map[string]struct {
	trailer http.Header
	talk    func(client *h2stream, meet func() *end)
}{
	"uploads, answers and trailers in pieces": {http.Header{"X-Sum": {"1"}}, func(client *h2stream, meet func() *end) {
		client.send("first")
		app := meet()
		app.until("first")
		client.send("second")
		app.until("second")
		app.send(ok + streaming + "Trailer: X-Sum\r\n\r\n5\r\nthird\r\n")
		client.head()
		client.part("third")
		client.send("fourth")
		app.until("fourth")
		client.upload.Close()
		app.until("X-Sum: 1\r\n\r\n")
		app.send("5\r\nfifth\r\n0\r\nX-Sum: 2\r\n\r\n")
		client.rest()
	}},
	"hints before the answer": {nil, func(client *h2stream, meet func() *end) {
		client.upload.Close()
		app := meet()
		app.until("\r\n\r\n" + last)
		app.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
		client.hint()
		app.send(ok + "Content-Length: 2\r\n\r\nok")
		client.head()
		client.rest()
	}},
	"an answer that breaks off": {nil, func(client *h2stream, meet func() *end) {
		client.upload.Close()
		app := meet()
		app.until("\r\n\r\n" + last)
		app.send(ok + streaming + "\r\n4\r\nwell\r\n")
		client.head()
		client.part("well")
		app.conn.Close()
		client.rest()
	}},
	"an answer before the upload ends": {nil, func(client *h2stream, meet func() *end) {
		client.send("first")
		app := meet()
		app.until("first")
		app.send(strings.Replace(ok, "200 OK", "413 Content Too Large", 1) + "Content-Length: 2\r\n\r\nno")
		client.head()
		client.part("no")
	}},
	"a client that leaves": {nil, func(client *h2stream, meet func() *end) {
		client.upload.Close()
		app := meet()
		app.until("\r\n\r\n" + last)
		app.send(ok + streaming + "\r\n5\r\nfirst\r\n")
		client.head()
		client.part("first")
		client.leave()
		app.rest()
	}},
}

func TestParityOverHTTP2(t *testing.T) {
	t.Parallel()
	p := newParity(t)
	v := p.secureVisitor(t)
	for name, talk := range h2streams {
		t.Run(name, func(t *testing.T) {
			told := map[string]string{}
			asked := map[string]message{}
			for _, host := range []string{"plain.localhost", "localhost"} {
				client := p.open(t, v, host, talk.trailer.Clone())
				app := &end{t: t}
				talk.talk(client, func() *end {
					app = p.meet(t, "the app behind "+host)
					return app
				})
				client.leave()
				app.conn.Close()
				told[host], asked[host] = client.told.String(), p.asked(t, app, host == "localhost")
			}
			if told["localhost"] != told["plain.localhost"] || !strings.HasPrefix(strings.TrimPrefix(told["localhost"], "103 </a.css>; rel=preload\n"), "HTTP/2") {
				t.Errorf("the client got of reverse_proxy\n%s\nand of the gateway\n%s", told["plain.localhost"], told["localhost"])
			}
			p.same(t, "the app", asked["plain.localhost"], asked["localhost"])
		})
	}
}

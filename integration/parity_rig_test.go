package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// parity is the same app twice: behind the gateway, for somebody who is signed
// in, and behind Caddy's own reverse_proxy.
type parity struct {
	*world
	app     net.Listener // conversations play the app
	secure  string       // where both listen with TLS
	visitor *visitor
	guarded front
	plain   front
}

// front is where clients find one of the two.
type front struct {
	name, address, host string
}

// common is what both sites do beside proxying. The time is for upstreams that
// are asked whether they want a body, and answer.
const common = `	encode gzip
	{proxy} {app} {
		transport http {
			expect_continue_timeout 1m
		}
	}
`

func newParity(t *testing.T) *parity {
	t.Helper()
	app, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close() })
	plain, secure := freeAddress(t), freeAddress(t)
	_, plainPort, _ := net.SplitHostPort(plain)
	_, securePort, _ := net.SplitHostPort(secure)
	through := func(proxy string) string {
		return strings.NewReplacer("{proxy}", proxy, "{app}", app.Addr().String()).Replace(common)
	}
	w := newWorld(t, setup{
		site:    through("osc_proxy"),
		options: "\tauto_https disable_redirects\n\tskip_install_trust\n\tservers {\n\t\tprotocols h1 h2\n\t}\n",
		sites: "http://plain.localhost:" + plainPort + " {\n" + through("reverse_proxy") + "}\n" +
			"https://localhost:" + securePort + " {\n\ttls internal\n" + through("osc_proxy") + "}\n" +
			"https://plain.localhost:" + securePort + " {\n\ttls internal\n" + through("reverse_proxy") + "}\n",
	})
	w.quickly()
	p := &parity{world: w, app: app, secure: secure, visitor: w.visitor()}
	p.visitor.toCallbackAndIn(t)
	p.guarded = front{"the gateway", w.gateway.address, strings.TrimPrefix(w.gateway.URL, "http://")}
	p.plain = front{"reverse_proxy", plain, "plain." + p.guarded.host}
	return p
}

// toCallbackAndIn signs in and leaves it at that: nobody plays the app yet.
func (v *visitor) toCallbackAndIn(t *testing.T) {
	t.Helper()
	done := v.send(http.MethodGet, v.toCallback(v.open("/")), navigation, "")
	if !done.redirects() || len(v.cookies()) == 0 {
		t.Fatalf("signing in: %v", done)
	}
}

// end is one end of a connection and what has come there.
type end struct {
	t    *testing.T
	who  string
	conn net.Conn
	fill *strings.Replacer
	sent string
	got  bytes.Buffer
	read int // how much of got was waited for
}

func newEnd(t *testing.T, who string, conn net.Conn, err error) *end {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", who, err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &end{t: t, who: who, conn: conn}
}

func (e *end) send(text string) {
	e.t.Helper()
	if e.fill != nil {
		text = e.fill.Replace(text)
	}
	e.sent += text
	if _, err := io.WriteString(e.conn, text); err != nil {
		e.t.Fatalf("%s sends %q: %v", e.who, text, err)
	}
}

// until waits for a text after what was waited for before.
func (e *end) until(text string) {
	e.t.Helper()
	for {
		if at := bytes.Index(e.got.Bytes()[e.read:], []byte(text)); at >= 0 {
			e.read += at + len(text)
			return
		}
		if err := e.more(); err != nil {
			e.t.Fatalf("%s waits for %q: %v; it has\n%s", e.who, text, err, e.got.String())
		}
	}
}

// rest waits for the end of the connection, however it comes.
func (e *end) rest() {
	e.t.Helper()
	for {
		switch err := e.more(); {
		case err == nil:
		case isTimeout(err):
			e.t.Fatalf("%s waits for the end: %v; it has\n%s", e.who, err, e.got.String())
		default:
			return
		}
	}
}

func isTimeout(err error) bool {
	failed, ok := err.(net.Error)
	return ok && failed.Timeout()
}

func (e *end) more() error {
	var buffer [4096]byte
	n, err := e.conn.Read(buffer[:])
	e.got.Write(buffer[:n])
	if n > 0 {
		return nil
	}
	return err
}

// quiet fails if anything came that nobody waited for.
func (e *end) quiet() {
	e.t.Helper()
	if unread := e.got.Bytes()[e.read:]; len(unread) > 0 {
		e.t.Errorf("%s got %q already", e.who, unread)
	}
}

// meet waits for a connection to the app.
func (p *parity) meet(t *testing.T, who string) *end {
	t.Helper()
	p.app.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	conn, err := p.app.Accept()
	return newEnd(t, who, conn, err)
}

// conversation is what a client and an app say to each other, in this order;
// meet waits for the connection to the app.
type conversation func(client *end, meet func() *end)

// hold has a conversation through a front and tells what came at both ends.
func (p *parity) hold(t *testing.T, at front, talk conversation) (client, app *end) {
	t.Helper()
	conn, err := net.Dial("tcp", at.address)
	client = newEnd(t, "the client of "+at.name, conn, err)
	client.fill = strings.NewReplacer("{host}", at.host, "{session}", p.visitor.session())
	app = &end{t: t}
	talk(client, func() *end {
		app = p.meet(t, "the app behind "+at.name)
		return app
	})
	client.conn.Close()
	if app.conn != nil {
		app.conn.Close()
	}
	return client, app
}

// message is a request or an answer: its heads, those of interim answers first,
// to the letter, and what its framing holds.
type message struct {
	interim []string
	head    []string
	body    string
	trailer http.Header
	broken  bool
}

// lines are a head's, but for the time of day.
func lines(head []byte) []string {
	return slices.DeleteFunc(strings.Split(string(head), "\r\n"), func(line string) bool { return strings.HasPrefix(line, "Date: ") })
}

// answered is what a client got.
func (e *end) answered(t *testing.T) message {
	t.Helper()
	var m message
	raw := e.got.Bytes()
	for {
		head, rest, whole := bytes.Cut(raw, []byte("\r\n\r\n"))
		if !whole {
			t.Fatalf("%s got no whole answer: %q", e.who, e.got.String())
		}
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 1")) || bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
			m.head = lines(head)
			break
		}
		m.interim, raw = append(m.interim, lines(head)...), rest
	}
	if strings.Contains(m.head[0], " 101 ") {
		_, m.body, _ = strings.Cut(string(raw), "\r\n\r\n")
		return m
	}
	method, _, _ := strings.Cut(e.sent, " ")
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s: %v in %q", e.who, err, raw)
	}
	m.read(answer.Body)
	m.trailer = answer.Trailer
	return m
}

// asked is what an app got.
func (e *end) asked(t *testing.T) message {
	t.Helper()
	raw := e.got.Bytes()
	if len(raw) == 0 {
		return message{}
	}
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatalf("%s: %v in %q", e.who, err, raw)
	}
	head, rest, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	m := message{head: lines(head)}
	if request.Header.Get("Upgrade") != "" {
		m.body = string(rest)
		return m
	}
	m.read(request.Body)
	m.trailer = request.Trailer
	return m
}

func (m *message) read(body io.Reader) {
	text, err := io.ReadAll(body)
	m.body, m.broken = string(text), err != nil
}

func (m message) String() string {
	return fmt.Sprintf("%s\n%s\nbody %q, trailer %q, broken %v\n",
		strings.Join(m.interim, "\n"), strings.Join(m.head, "\n"), m.body, m.trailer, m.broken)
}

// take removes the lines of a head that begin like this, and returns them.
func (m *message) take(beginning string) (taken []string) {
	m.head = slices.DeleteFunc(m.head, func(line string) bool {
		is := strings.HasPrefix(line, beginning)
		if is {
			taken = append(taken, line)
		}
		return is
	})
	return taken
}

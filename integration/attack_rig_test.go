package integration

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The tests in attack_*_test.go are the entries of the attack corpus, under its
// ids: what hostile or broken clients, pages and apps send, byte for byte.

// attackRig is a world whose app keeps the bytes it is sent, with alice signed
// in.
type attackRig struct {
	*world
	upstream *rawApp
	origin   string // the site, as browsers see it
	session  string // alice's cookie
	token    string // and her token
}

// attackSetup is a setup with a site's policies, or its whole block; {upstream}
// in it stands for the app that keeps bytes.
type attackSetup struct {
	setup
	policies string
}

func newAttackRig(t testing.TB, s attackSetup) *attackRig {
	t.Helper()
	upstream := newRawApp(t)
	if s.site == "" {
		s.site = "\tosc_proxy {upstream} {\n" + s.policies + "\t}\n"
	}
	s.site = strings.ReplaceAll(s.site, "{upstream}", upstream.listener.Addr().String())
	a := &attackRig{world: newWorld(t, s.setup), upstream: upstream}
	a.origin = a.gateway.URL
	a.quickly()
	return a
}

// attackBlock is another block of global options, to be put at the end of the
// gateway's own: it ends that, and what follows there ends this one.
func attackBlock(name, lines string) string { return "\t}\n\t" + name + " {\n" + lines }

// newAttackProxy is the gateway without a file, in front of the same: it
// answers whatever host is asked for, as a site that visitors reach at origin.
func newAttackProxy(t testing.TB, origin string, env ...string) *attackRig {
	t.Helper()
	c := &canaries{}
	a := &attackRig{world: &world{t: t, canaries: c, osc: newOSC(t, c)}, upstream: newRawApp(t), origin: origin}
	a.osc.up()
	a.quickly()
	a.gateway = newGateway(t, c, env...)
	t.Cleanup(func() { a.osc.Close() })
	a.gateway.launch("proxy", "--from", a.gateway.anyHost(), "--to", a.upstream.listener.Addr().String(),
		"--issuer", a.osc.URL, "--public-url", origin, "--public", "/assets/*")
	eventually(t, "the gateway answers", a.gateway.answers)
	return a
}

// signIn signs alice in, at a page of the site, and learns her token there.
func (a *attackRig) signIn(page string) {
	a.t.Helper()
	v := a.visitor()
	if got := v.signIn(page); got.Status != http.StatusOK {
		a.t.Fatal(got)
	}
	a.session = v.session()
	a.canaries.note(cookie, a.session)
	for _, raw := range a.upstream.take() {
		for _, value := range wireFields(raw)["x-pat-jwt"] {
			a.token = strings.TrimPrefix(value, "Bearer ")
		}
	}
	if a.session == "" || !a.canaries.knows(accessToken, a.token) {
		a.t.Fatal("signed in without a cookie, or the app was told nothing")
	}
}

// expand writes what a row leaves open.
func (a *attackRig) expand(text string) string {
	host := strings.TrimPrefix(a.gateway.URL, "http://")
	return strings.NewReplacer("{host}", host, "{HOST}", strings.ToUpper(host), "{origin}", a.origin,
		"{session}", a.session, "{token}", a.token).Replace(text)
}

// Pieces of raw requests.
const (
	// attackEnd ends a request, and the connection after its answer.
	attackEnd    = "Connection: close\r\n\r\n"
	attackCookie = "Cookie: osc_session={session}\r\n"
	attackOrigin = "Origin: {origin}\r\n"
	// attackPerson is what browsers send with a page that a person opens.
	attackPerson = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Site: none\r\n"
	attackSocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)

// attackHead begins a raw request.
func attackHead(method, target string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: {host}\r\n"
}

// dial connects to the gateway.
func (a *attackRig) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", a.gateway.tap.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// send sends a raw request on a connection of its own and reads the answer.
func (a *attackRig) send(t testing.TB, request string) answer {
	t.Helper()
	conn := a.dial(t)
	defer conn.Close()
	if _, err := io.WriteString(conn, a.expand(request)); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	return a.read(t, bufio.NewReader(conn), method)
}

// read reads the answer to a request.
func (a *attackRig) read(t testing.TB, from *bufio.Reader, method string) answer {
	t.Helper()
	response, err := http.ReadResponse(from, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	here, err := url.Parse(a.origin)
	if err != nil {
		t.Fatal(err)
	}
	got := answer{Status: response.StatusCode, Header: response.Header, URL: here}
	if got.Status == http.StatusSwitchingProtocols {
		return got
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got.Body = string(text)
	return got
}

// printed tells whether the gateway has printed something.
func (a *attackRig) printed(text string) bool {
	return bytes.Contains(a.gateway.output(), []byte(text))
}

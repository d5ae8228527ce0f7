package integration

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// attackProxying are attacks by way of the proxy: of clients on the app, and of
// the app on those who trust it with a token.
var attackProxying = []struct {
	name string
	run  func(t *testing.T, a *attackRig)
}{
	{"PX-001 a WebSocket of the site's own carries the token", attackOwnSocket},
	{"PX-002 a WebSocket from another site", attackForeignSocket},
	{"PX-003 a WebSocket from a neighbour", attackNeighboursSocket},
	{"PX-004 a WebSocket of nobody", attackNobodysSocket},
	{"PX-005 events arrive one by one", attackEvents},
	{"PX-006 an upload that waits to be asked for", attackExpectation},
	{"PX-010 an answer that is cut off", attackCutAnswers},
	{"PX-011 visitors who leave", attackLeavingVisitors},
	{"PX-012 a redirect to another site", attackRedirects},
	{"PX-013 an answer for everybody's cache", attackCaches},
	{"PX-014 an answer that echoes the token", attackEchoes},
	{"PX-017 a switch of protocols that nobody asked for", attackSwitch},
	{"PX-019 what clients and app agree on passes as it is", attackTransparency},
	{"PX-023 interim answers that echo the token", attackInterims},
}

func TestAttacksOnProxying(t *testing.T) {
	t.Parallel()
	a := newAttackAppRig(t, setup{})
	for _, c := range attackProxying {
		t.Run(c.name, func(t *testing.T) {
			printed := len(a.gateway.output())
			c.run(t, a)
			a.alive(t)
			a.canaries.absent(t, "the gateway's output", a.gateway.output()[printed:])
		})
	}
}

// newAttackAppRig has an app that can answer anything in place of the one that
// keeps bytes, with alice signed in.
func newAttackAppRig(t testing.TB, s setup) *attackRig {
	t.Helper()
	a := &attackRig{world: newWorld(t, s)}
	a.origin = a.gateway.URL
	a.quickly()
	v := a.visitor()
	v.signIn("/")
	token, ok := a.app.last(t).token()
	if !ok || !a.canaries.knows(accessToken, token) {
		t.Fatal("signed in, and the app was told nothing")
	}
	a.session, a.token = v.session(), token
	a.canaries.note(cookie, a.session)
	return a
}

// received are the app's requests during f; each must have the token once.
func (a *attackRig) received(t *testing.T, f func()) []*received {
	t.Helper()
	before := a.app.calls()
	f()
	requests := a.app.all()[before:]
	for _, request := range requests {
		if token, ok := request.token(); !ok || token != a.token {
			t.Errorf("the app got X-Pat-Jwt %q", request.Header["X-Pat-Jwt"])
		}
		if cookies := strings.Join(request.Header["Cookie"], "; "); strings.Contains(cookies, "osc_session") {
			t.Errorf("the app got Cookie %q", cookies)
		}
	}
	return requests
}

// attackRaw is an app that answers with bytes and closes the connection.
func attackRaw(answer string) http.HandlerFunc {
	return attackHijack(func(conn *bufio.ReadWriter) { conn.WriteString(answer) })
}

// attackHijack is an app that has a connection to itself, and closes it.
func attackHijack(serve func(conn *bufio.ReadWriter)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, both, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		serve(both)
		both.Flush()
	}
}

// attackSignedIn is a request of alice's.
func attackSignedIn(method, path, lines string) string {
	return attackRequest(method, path, attackCookie+lines) + attackEnd
}

func attackEvents(t *testing.T, a *attackRig) {
	const events = 3
	read := make(chan struct{}, events)
	a.app.handle("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range events {
			io.WriteString(w, "data: x\n\n")
			w.(http.Flusher).Flush()
			select {
			case <-read: // nothing more until this one has arrived
			case <-r.Context().Done():
				return
			}
		}
	})
	conn := a.dial(t)
	defer conn.Close()
	io.WriteString(conn, a.expand(attackSignedIn("GET", "/events", "Accept: text/event-stream\r\n")))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	from := bufio.NewReader(response.Body)
	for range events {
		for _, want := range []string{"data: x\n", "\n"} {
			if line, err := from.ReadString('\n'); line != want {
				t.Fatalf("%q, %v", line, err)
			}
		}
		read <- struct{}{}
	}
}

func attackExpectation(t *testing.T, a *attackRig) {
	for _, path := range []string{"/studio", "/api/rooms"} {
		conn := a.dial(t)
		before := a.app.calls()
		io.WriteString(conn, a.expand(attackRequest("POST", path, "Expect: 100-continue\r\nContent-Length: 1000000000\r\n")+"\r\n"))
		answer, err := io.ReadAll(conn) // all there is, as the connection ends
		if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 401 ")) {
			t.Errorf("%s: %v: %s", path, err, answer)
		}
		if a.app.calls() != before {
			t.Errorf("%s: the app was called", path)
		}
	}
}

func attackLeavingVisitors(t *testing.T, a *attackRig) {
	const visitors = 20
	gone := make(chan struct{}, visitors)
	a.app.handle("/large", func(w http.ResponseWriter, r *http.Request) {
		defer func() { gone <- struct{}{} }()
		part := bytes.Repeat([]byte("x"), 1<<20)
		for r.Context().Err() == nil {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	})
	for range visitors {
		conn := a.dial(t)
		io.WriteString(conn, a.expand(attackSignedIn("GET", "/large", "")))
		io.ReadFull(conn, make([]byte, 2_000))
		conn.Close()
		select {
		case <-gone:
		case <-time.After(patience):
			t.Fatal("the app still writes")
		}
	}
}

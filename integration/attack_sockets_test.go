package integration

import (
	"bufio"
	"io"
	"net/http"
	"testing"
)

const attackSwitched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

func attackOwnSocket(t *testing.T, a *attackRig) {
	a.app.handle("/socket", attackHijack(func(conn *bufio.ReadWriter) {
		conn.WriteString(attackSwitched + "X-Pat-Jwt: Bearer " + a.token + "\r\n\r\n")
		conn.Flush()
		line, _ := conn.ReadString('\n')
		conn.WriteString("heard " + line)
	}))
	requests := a.received(t, func() {
		conn := a.dial(t)
		defer conn.Close()
		from := bufio.NewReader(conn)
		io.WriteString(conn, a.expand(attackRequest("GET", "/socket", attackCookie+attackOrigin+attackSocket)+"\r\n"))
		got := a.read(t, from, http.MethodGet)
		a.tellsNothing(t, "the handshake", got)
		io.WriteString(conn, "hello\n")
		if line, err := from.ReadString('\n'); got.Status != http.StatusSwitchingProtocols || line != "heard hello\n" {
			t.Errorf("%v, then %q, %v", got, line, err)
		}
	})
	if len(requests) != 1 {
		t.Errorf("%d requests", len(requests))
	}
}

// refusesSocket opens a WebSocket that must not be.
func (a *attackRig) refusesSocket(t *testing.T, lines string, status int) {
	t.Helper()
	requests := a.received(t, func() {
		got := a.send(t, attackRequest("GET", "/socket", lines+attackSocket)+"\r\n")
		a.answered(t, got)
		if got.Status != status || got.Header["Location"] != nil {
			t.Errorf("%q: %v", lines, got)
		}
	})
	if len(requests) != 0 {
		t.Errorf("%q: the app was called", lines)
	}
}

func attackForeignSocket(t *testing.T, a *attackRig) {
	a.refusesSocket(t, attackCookie+attackElsewhere, http.StatusForbidden)
	a.refusesSocket(t, attackCookie+"Origin: null\r\n", http.StatusForbidden)
}

func attackNeighboursSocket(t *testing.T, a *attackRig) {
	a.refusesSocket(t, attackCookie+attackNeighbour, http.StatusForbidden)
	a.refusesSocket(t, attackCookie+attackNeighbour+"Sec-Fetch-Site: same-site\r\n", http.StatusForbidden)
}

func attackNobodysSocket(t *testing.T, a *attackRig) {
	a.refusesSocket(t, attackOrigin, http.StatusUnauthorized)
	a.refusesSocket(t, attackOrigin+attackPerson, http.StatusUnauthorized)
}

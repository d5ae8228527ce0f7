package integration

import (
	"bytes"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// startServer runs a server that nobody here wrote until the end of the test,
// and waits until it takes connections.
func startServer(t testing.TB, name, address string, cmd *exec.Cmd) {
	t.Helper()
	var output bytes.Buffer // not looked at before the server has ended
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-exited
		if t.Failed() {
			t.Logf("%s said:\n%s", name, output.Bytes())
		}
	})
	eventually(t, name+" answers", func() bool {
		select {
		case <-exited:
			t.Fatalf("%s ended", name)
		default:
		}
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func TestForeignNginxReadsOnlyWhatTheGatewayWrote(t *testing.T) {
	t.Parallel()
	server := newNginx(t)
	w := newWorld(t, setup{site: forgedSite(server.address)})
	passed := 0
	forgeAll(t, w, func() []string {
		requests := server.behind.take()
		passed += len(requests)
		return requests
	})
	for _, saw := range server.saw(passed) {
		checkNginx(t, w, saw)
	}
}

func checkNginx(t *testing.T, w *world, saw nginxSaw) {
	t.Helper()
	user, tenant := "alice", "acme"
	if public := strings.HasPrefix(saw.URI, "/assets/"); public {
		user, tenant = "", ""
		if saw.Pat != "" {
			t.Errorf("a token on a public route: %+v", saw)
		}
	} else if token, ok := strings.CutPrefix(saw.Pat, "Bearer "); !ok || !w.canaries.knows(accessToken, token) || saw.Authorization != "" {
		t.Errorf("not the token, or another beside it: %+v", saw)
	}
	if saw.User != user || saw.Tenant != tenant {
		t.Errorf("not who it is: %+v", saw)
	}
	if saw.Jwt != "" || saw.Admin != "" || saw.Override != "" || saw.Claims != "" {
		t.Errorf("a forgery: %+v", saw)
	}
	if saw.Session != "" || strings.Contains(strings.ToLower(saw.Cookie), "osc_session") || strings.Contains(strings.ToLower(saw.Cookie), ".sat") {
		t.Errorf("a cookie of the gateway's: %+v", saw)
	}
}

func TestForeignNodeReadsOnlyWhatTheGatewayWrote(t *testing.T) {
	t.Parallel()
	server := newNodeApp(t)
	w := newWorld(t, setup{site: forgedSite(server.address)})
	forgeAll(t, w, func() []string {
		var raw []string
		for _, saw := range server.saw() {
			checkNode(t, w, saw)
			raw = append(raw, saw.String())
		}
		return raw
	})
}

// checkNode looks at what an app of Node.js goes by; what there is beside that
// is looked at on the wire.
func checkNode(t *testing.T, w *world, saw nodeSaw) {
	t.Helper()
	token, _ := saw.Headers["x-pat-jwt"].(string)
	if public := strings.HasPrefix(saw.URL, "/assets/"); public == w.canaries.knows(accessToken, strings.TrimPrefix(token, "Bearer ")) {
		t.Errorf("%s: the token is %q", saw.URL, token)
	}
	if len(saw.RawTrailers) > 0 || len(saw.Trailers) > 0 {
		t.Errorf("%s: trailers %q", saw.URL, saw.RawTrailers)
	}
}

func TestForeignNodeGetsTheTrailersAClientMaySend(t *testing.T) {
	t.Parallel()
	server := newNodeApp(t)
	w := newWorld(t, setup{site: forgedSite(server.address)})
	w.quickly()
	v := w.visitor()
	v.signIn("/")
	server.take()
	status := forge(t, w, v, "/studio", "Trailer: X-Sum, x-pat-jwt\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\nx-pat-jwt: Bearer forged\r\n\r\n")
	saw := server.saw()
	if status != http.StatusOK || len(saw) != 1 || strings.Join(saw[0].RawTrailers, ": ") != "X-Sum: 1" {
		t.Errorf("status %d, Node got %v", status, saw)
	}
}

// What a server drops by itself proves nothing about the gateway.
func TestForeignServersWouldShowAForgery(t *testing.T) {
	t.Parallel()
	nginx, node := newNginx(t), newNodeApp(t)
	for name, lines := range forgeries {
		if !strings.Contains(lines, "forged") {
			continue
		}
		for server, take := range map[string]func() []string{nginx.address: nginx.behind.take, node.address: node.take} {
			status := exchange(t, server, "GET / HTTP/1.1\r\nHost: localhost\r\n"+lines+"\r\n")
			if got := strings.Join(take(), ""); status != http.StatusOK || !strings.Contains(got, "forged") {
				t.Errorf("%s to %s: %d, it got\n%s", name, server, status, got)
			}
		}
	}
	exchange(t, node.address, "POST / HTTP/1.1\r\nHost: localhost\r\n"+bodies[" in trailers"])
	if saw := node.saw(); len(saw) != 1 || len(saw[0].RawTrailers) != 6 {
		t.Errorf("trailers: Node got %v", saw)
	}
}

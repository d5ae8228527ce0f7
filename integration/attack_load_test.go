package integration

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// attackLoads are attacks by quantity, each in a world of its own.
var attackLoads = []struct {
	name string
	run  func(t *testing.T)
}{
	{"PX-007 a large upload passes through, not into memory", attackUpload},
	{"PX-015 a second try sends one token too", attackSecondTry},
	{"PX-018 clients that never finish a header", attackSlowHeaders},
}

func TestAttacksByLoad(t *testing.T) {
	t.Parallel()
	for _, c := range attackLoads {
		t.Run(c.name, c.run)
	}
}

func attackUpload(t *testing.T) {
	const size, most = 256 << 20, 64 << 20
	digests := make(chan string, 1)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return // the page after the sign-in
		}
		digest := sha256.New()
		n, err := io.Copy(digest, r.Body)
		digests <- fmt.Sprint(n, err, r.Header["X-Pat-Jwt"] != nil, hex.EncodeToString(digest.Sum(nil)))
	}))
	t.Cleanup(app.Close)
	w := newWorld(t, setup{site: "\tosc_proxy " + app.Listener.Addr().String() + "\n"})
	w.quickly()
	v := w.visitor()
	v.signIn("/")
	a := &attackRig{world: w, origin: w.gateway.URL, session: v.session()}

	before := a.peak(t)
	digest := sha256.New()
	conn := a.dial(t)
	io.WriteString(conn, a.expand(attackRequest("POST", "/upload", attackCookie+attackOrigin+fmt.Sprintf("Content-Length: %d\r\n", size))+attackEnd))
	if _, err := io.CopyN(io.MultiWriter(conn, digest), rand.NewChaCha8([32]byte{}), size); err != nil {
		t.Fatal(err)
	}
	if got := a.read(t, bufio.NewReader(conn), http.MethodPost); got.Status != http.StatusOK {
		t.Fatal(got)
	}
	if got, want := <-digests, fmt.Sprint(size, nil, true, hex.EncodeToString(digest.Sum(nil))); got != want {
		t.Errorf("the app got %s, not %s", got, want)
	}
	if grown := a.peak(t) - before; grown > most {
		t.Errorf("the gateway grew by %d MiB", grown>>20)
	}
}

// peak is the most memory the gateway has had, in bytes; 0 where the system
// does not tell.
func (a *attackRig) peak(t *testing.T) (bytes int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.gateway.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(rest, &bytes); err != nil {
		t.Error(err)
	}
	return bytes << 10
}

func attackSecondTry(t *testing.T) {
	a := newAttackRig(t, attackSetup{setup: setup{
		site: "\tosc_proxy " + freeAddress(t) + " {upstream} {\n\t\tlb_policy round_robin\n\t\tlb_try_duration 10s\n\t\tlb_try_interval 10ms\n\t}\n",
	}})
	a.signIn("/")
	for range 4 {
		got, requests := a.send(t, attackSignedIn("GET", "/studio", "X-Pat-Jwt: Bearer forged\r\n")), a.upstream.take()
		if got.Status != http.StatusOK || len(requests) != 1 || a.forwarded(t, requests) != 1 {
			t.Errorf("%v, the app got %q", got, requests)
		}
	}
	if !a.printed("connection refused") {
		t.Error("nothing was tried twice")
	}
}

func attackSlowHeaders(t *testing.T) {
	const clients = 200
	a := newAttackRig(t, attackSetup{setup: setup{global: attackBlock("servers", "\t\ttimeouts {\n\t\t\tread_header 2s\n\t\t}\n")}})
	a.signIn("/")
	var slow []net.Conn
	for range clients {
		conn := a.dial(t)
		if _, err := io.WriteString(conn, a.expand(attackHead("GET", "/studio"))+"X-A"); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	a.checkSignedIn(t)
	for _, conn := range slow { // each ends by itself
		if answer, err := io.ReadAll(conn); err != nil || strings.Contains(string(answer), " 200 ") {
			t.Fatalf("%v: %s", err, answer)
		}
	}
	if requests := a.upstream.take(); len(requests) != 0 {
		t.Errorf("the app got %q", requests)
	}
}

package integration

import (
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// wire is a connection to a server that can be cut without anybody being told:
// what is sent stays on the way until it is mended.
type wire struct {
	net.Listener
	target string
	mu     sync.RWMutex // held for writing while cut
	conns  sync.Map
}

func newWire(t testing.TB, target string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: listener, target: target}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { w.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		w.conns.Range(func(conn, _ any) bool {
			conn.(net.Conn).Close()
			return true
		})
		all.Wait()
	})
	return w
}

func (w *wire) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer server.Close()
	w.conns.Store(client, nil)
	defer w.conns.Delete(client)
	w.conns.Store(server, nil)
	defer w.conns.Delete(server)
	var both sync.WaitGroup
	both.Go(func() { w.carry(server, client) })
	w.carry(client, server)
	both.Wait()
}

func (w *wire) carry(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		w.mu.RLock()
		_, failed := to.Write(buffer[:n])
		w.mu.RUnlock()
		if err != nil || failed != nil {
			return
		}
	}
}

func (w *wire) cut()  { w.mu.Lock() }
func (w *wire) mend() { w.mu.Unlock() }

func TestAGatewayCutOffFromTheStoreServesNobodyWhoSignedOut(t *testing.T) {
	t.Parallel()
	redis := newRedis(t)
	c := newChaos(t, chaosSpec{gateways: 2, global: redis.store()})
	w := newWire(t, redis.address)
	c.configure(0, sharedStore("redis://"+w.Addr().String()))
	c.restart()
	leaving, staying := c.guest("leaving"), c.guest("staying")
	c.signedIn([]*guest{leaving, staying})
	for _, g := range []*guest{leaving, staying} {
		crowd(t, "before", 20, 2, func(i int) error { return g.visit(i % 2) }) // copies are warm
	}
	kept := leaving.twin()
	w.cut()
	cut := time.Now()
	if got, err := leaving.signOut(1); err != nil || got.Status != http.StatusSeeOther {
		t.Errorf("%v %v", got, err)
	}
	if err := staying.visit(1); err != nil {
		t.Errorf("at the gateway that is not cut off: %v", err)
	}
	copies, latest := 0, time.Duration(0)
	const bound = time.Second + atOnce // a copy may be served for a second after the server last answered
	for time.Since(cut) < 5*bound {
		asked := time.Now()
		got, err := kept.fetch(0)
		if err == nil && got.Status == http.StatusOK && asked.Sub(cut) < bound {
			copies, latest = copies+1, asked.Sub(cut)
			continue
		}
		if err := unavailable(got, err, "store_unavailable"); err != nil {
			t.Errorf("%v after the cut: %v", asked.Sub(cut), err)
			break
		}
	}
	if copies == 0 {
		t.Error("no copy was served: nothing was tried")
	}
	t.Logf("%d requests were served from memory, the last one %v after the cut", copies, latest.Round(time.Millisecond))
	w.mend()
	eventually(t, "the sign-out holds", func() bool {
		got, err := kept.fetch(0)
		return err == nil && got.Status == http.StatusUnauthorized && reasonOf(got) == "no_session"
	})
	eventually(t, "the others work", func() bool { return staying.visit(0) == nil })
}

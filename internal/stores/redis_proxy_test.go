package stores

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A redisProxy stands between the store and a server and plays the network:
// slow, cutting the line after a request went through, or swallowing everything.
type redisProxy struct {
	listener net.Listener
	target   atomic.Value // string
	delay    atomic.Int64 // nanoseconds for each piece of an answer
	hole     atomic.Bool  // takes all, passes on nothing
	cutAfter atomic.Bool  // passes requests on and cuts before the answer
	dials    atomic.Int64
	mu       sync.Mutex
	conns    map[net.Conn]bool
	changed  chan struct{} // closed when the hole ends
}

func startProxy(t *testing.T, target string) *redisProxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &redisProxy{listener: listener, conns: map[net.Conn]bool{}, changed: make(chan struct{})}
	p.target.Store(target)
	go p.accept()
	t.Cleanup(func() {
		_ = listener.Close()
		p.blackhole(false)
		p.cut()
	})
	return p
}

func (p *redisProxy) url() string { return "redis://" + p.listener.Addr().String() }

func (p *redisProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.dials.Add(1)
		go p.serve(client)
	}
}

func (p *redisProxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target.Load().(string))
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = true, true
	p.mu.Unlock()
	go p.pump(client, server, nil)
	p.pump(server, client, &p.delay)
}

func (p *redisProxy) pump(from, to net.Conn, delay *atomic.Int64) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.sink()
		if delay != nil && p.cutAfter.Load() {
			return
		}
		if delay != nil {
			if d := time.Duration(delay.Load()); d > 0 {
				<-time.After(d)
			}
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// sink waits until the hole ends.
func (p *redisProxy) sink() {
	for p.hole.Load() {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if p.hole.Load() {
			<-changed
		}
	}
}

func (p *redisProxy) blackhole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hole.Swap(on) && !on {
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

// cut ends all connections there are.
func (p *redisProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
	clear(p.conns)
}

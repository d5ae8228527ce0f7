package integration

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// tap is where clients reach the gateway. It passes everything on as it is and
// keeps every byte a client was sent, whatever the client: a browser's included.
type tap struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	sent  []*bytes.Buffer // one per connection
	done  sync.WaitGroup
}

func newTap(t testing.TB, target string) *tap {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	p.done.Go(p.accept)
	return p
}

func (p *tap) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() { p.serve(client) })
	}
}

func (p *tap) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	defer p.keep(client, server)()
	var both sync.WaitGroup
	both.Go(func() {
		io.Copy(server, client)
		server.(*net.TCPConn).CloseWrite()
	})
	io.Copy(io.MultiWriter(client, p.recorder()), server)
	client.Close() // the other direction ends with it
	both.Wait()
}

// keep notes connections, so that close can end them.
func (p *tap) keep(conns ...net.Conn) (forget func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		p.conns[conn] = struct{}{}
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, conn := range conns {
			delete(p.conns, conn)
		}
	}
}

// recorder keeps what one client is sent.
func (p *tap) recorder() io.Writer {
	p.mu.Lock()
	defer p.mu.Unlock()
	buffer := new(bytes.Buffer)
	p.sent = append(p.sent, buffer)
	return writerFunc(func(b []byte) (int, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return buffer.Write(b)
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// close ends everything and returns what clients were sent, per connection.
func (p *tap) close() [][]byte {
	p.listener.Close()
	p.mu.Lock()
	for conn := range p.conns {
		conn.Close()
	}
	p.mu.Unlock()
	p.done.Wait()
	var sent [][]byte
	for _, buffer := range p.sent {
		sent = append(sent, buffer.Bytes())
	}
	return sent
}

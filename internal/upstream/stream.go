package upstream

import (
	"errors"
	"io"
	"sync/atomic"
)

// streamBody is the body of an answer that goes on. It can be broken off while
// somebody reads it.
type streamBody struct {
	io.ReadCloser
	closed func() // when it is over
	over   atomic.Bool
	ended  atomic.Bool
}

// end breaks the body off.
func (b *streamBody) end() {
	b.ended.Store(true)
	_ = b.ReadCloser.Close()
}

// Read ends an answer that was broken off in order: its client, an EventSource
// say, asks again and is told why there is no more.
func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && b.ended.Load() {
		err = io.EOF
	}
	return n, err
}

func (b *streamBody) Close() error {
	if !b.over.Swap(true) {
		b.closed()
	}
	return b.ReadCloser.Close()
}

var errStreamEnded = errors.New("upstream: the session is over, and its stream with it")

// streamConn is the connection after the upstream switched protocols.
type streamConn struct {
	*streamBody
	conn io.ReadWriteCloser
}

// Read fails where the connection was broken off: an end of file would leave
// the other direction open.
func (c *streamConn) Read(p []byte) (int, error) {
	n, err := c.conn.Read(p)
	if err != nil && c.ended.Load() {
		err = errStreamEnded
	}
	return n, err
}

func (c *streamConn) Write(p []byte) (int, error) { return c.conn.Write(p) }

// CloseWrite ends the direction to the upstream alone.
func (c *streamConn) CloseWrite() error {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

package stores

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// redisDialTimeout bounds connecting, handshakes included, and how long a
// connection may stay silent while an answer is due.
const redisDialTimeout = time.Second

// A server that does not take connections is left alone for a while that
// doubles, and one that takes them and drops them gets a few each second: else
// each request the gateway serves would try anew. Whoever asks meanwhile gets
// the last error.
const (
	redisFirstPause  = 50 * time.Millisecond
	redisLastPause   = time.Second
	redisDialsAtOnce = 8
	redisDialsEach   = time.Second / 5
)

// redisDialer opens connections, at a bounded rate for each address.
type redisDialer struct {
	clock func() time.Time // never set back: not the one records expire by
	mu    sync.Mutex
	doors map[string]redisDoor
}

// A redisDoor is what is remembered of an address.
type redisDoor struct {
	free   time.Time // when all connections made so far are forgiven
	closed time.Time // until when nobody connects
	pause  time.Duration
	cause  error
}

func (d *redisDialer) dial(ctx context.Context, address string, config *tls.Config) (net.Conn, error) {
	if err := d.mayDial(address); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, redisDialTimeout)
	defer cancel()
	dialer := &net.Dialer{KeepAlive: 15 * time.Second}
	var conn net.Conn
	var err error
	if config != nil {
		conn, err = (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = dialer.DialContext(ctx, "tcp", address)
	}
	d.dialed(address, err)
	return conn, err
}

func (d *redisDialer) mayDial(address string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, door := d.clock(), d.doors[address]
	if now.Before(door.closed) {
		return fmt.Errorf("waiting before connecting again: %w", door.cause)
	}
	if door.free.Before(now) {
		door.free = now
	}
	if door.free.Sub(now) >= redisDialsAtOnce*redisDialsEach {
		return errors.New("waiting before connecting again: the server drops connections")
	}
	door.free = door.free.Add(redisDialsEach)
	if d.doors == nil {
		d.doors = map[string]redisDoor{}
	}
	d.doors[address] = door
	return nil
}

func (d *redisDialer) dialed(address string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	door := d.doors[address]
	if door.cause = err; err == nil {
		door.pause = 0
	} else {
		door.pause = min(redisLastPause, max(redisFirstPause, 2*door.pause))
		door.closed = d.clock().Add(door.pause)
	}
	d.doors[address] = door
}

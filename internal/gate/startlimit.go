package gate

import (
	"net/netip"
	"sync"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/recent"
)

// maxLimited is about how many clients' starts are remembered. Whoever is
// forgotten may start afresh: too little memory limits nobody more.
const maxLimited = 16384

// StartLimit bounds how many sign-ins one client begins within a minute. Clients
// do not count against each other, and nobody who is signed in is counted.
type StartLimit struct {
	each  time.Duration // that one start stands for
	mu    sync.Mutex
	until *recent.Map[netip.Prefix, time.Time] // the starts of a client, each after each
}

// NewStartLimit allows so many starts a minute, also all at once.
func NewStartLimit(perMinute int) *StartLimit {
	return &StartLimit{each: time.Minute / time.Duration(perMinute), until: recent.New[netip.Prefix, time.Time](maxLimited)}
}

// Take counts a start and returns 0, or how long the client has to wait for the
// next one. A zero address is nobody's and is not counted.
func (l *StartLimit) Take(client netip.Addr, now time.Time) time.Duration {
	if l == nil || !client.IsValid() {
		return 0
	}
	network := networkOf(client)
	l.mu.Lock()
	defer l.mu.Unlock()
	until, known := l.until.Get(network)
	if !known || until.Before(now) || until.Sub(now) > 2*time.Minute { // the clock was set back
		until = now
	}
	if wait := until.Add(l.each).Sub(now) - time.Minute; wait > 0 {
		return wait
	}
	l.until.Put(network, until.Add(l.each))
	return 0
}

// networkOf is what one client has: an address, or of IPv6 the /64 that a
// machine chooses its addresses from.
func networkOf(client netip.Addr) netip.Prefix {
	client = client.Unmap().WithZone("")
	bits := client.BitLen()
	if client.Is6() {
		bits = 64
	}
	network, _ := client.Prefix(bits)
	return network
}

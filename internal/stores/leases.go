package stores

import (
	"context"
	"sync"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// leases serve the stores that one process has to itself.
type leases struct {
	now  func() time.Time
	mu   sync.Mutex
	held map[tokens.Name]lease
}

type lease struct {
	holder string
	until  time.Time
}

// manyLeases is from how many on leases that ran out are looked for: a holder
// that went away never comes back for its lease.
const manyLeases = 1024

// Lease gives or renews a lease.
func (l *leases) Lease(ctx context.Context, name tokens.Name, holder string, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if held, there := l.held[name]; there && held.holder != holder && now.Before(held.until) {
		return tokens.ErrHeld
	}
	if l.held == nil {
		l.held = map[tokens.Name]lease{}
	}
	if size := len(l.held); size >= manyLeases && size&(size-1) == 0 {
		for other, held := range l.held {
			if !now.Before(held.until) {
				delete(l.held, other)
			}
		}
	}
	l.held[name] = lease{holder: holder, until: now.Add(ttl)}
	return nil
}

// Release gives a lease back.
func (l *leases) Release(_ context.Context, name tokens.Name, holder string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[name].holder == holder {
		delete(l.held, name)
	}
	return nil
}

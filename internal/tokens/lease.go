package tokens

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

const (
	// leaseTTL is how long a lease holds without being renewed: as long as the
	// others wait for a replica that died with it.
	leaseTTL = 15 * time.Second
	// A lease somebody else holds is asked for again after leasePoll, then ever
	// later, up to leasePollMost.
	leasePoll     = 20 * time.Millisecond
	leasePollMost = 250 * time.Millisecond
)

const leaseLabel = "osc-gw/1 lease"

// leaseName is the name of the lease on refreshing a session.
func leaseName(name Name) Name {
	return sha256.Sum256(append([]byte(leaseLabel), name[:]...))
}

// errElsewhere says that another replica is at it.
var errElsewhere = errors.New("another replica is refreshing the session")

// leased runs work while holding the lease on a session. While somebody else
// holds it, look says each time whether there is still something to do; where
// there is not, what it found is the result. Work has all its time, however long
// the lease was waited for: a refresh token that is sent and given up on a moment
// later may be lost.
func (v *Vault) leased(ctx context.Context, h handle, look func(context.Context) (*record, bool, error), work func(context.Context) (*record, error)) (*record, error) {
	name := leaseName(h.name())
	for poll := leasePoll; ; poll = min(2*poll, leasePollMost) {
		err := v.store.Lease(ctx, name, v.holder, leaseTTL)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrHeld) {
			return nil, storeError(err)
		}
		r, toDo, err := look(ctx)
		if err != nil || !toDo || r.urgency(v.now()) != refreshDue {
			return r, err // nobody is waiting: whoever holds the lease sees to it
		}
		select {
		case <-ctx.Done():
			return r, &Unavailable{Part: PartProvider, Err: errElsewhere}
		case <-time.After(poll):
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	stop := v.renewing(ctx, name)
	defer stop()
	return work(ctx)
}

// renewing renews a lease until it is stopped, and gives it back then. Losing
// it is no harm: the write at the end compares generations.
func (v *Vault) renewing(ctx context.Context, name Name) (stop func()) {
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(leaseTTL / 3)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				_ = v.store.Lease(ctx, name, v.holder, leaseTTL)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
		if err := v.store.Release(release, name, v.holder); err != nil {
			v.log.Debug("a lease was not given back; it runs out by itself", "error", err)
		}
	}
}

// storeTimeout bounds a store call that is nobody's request.
const storeTimeout = 5 * time.Second

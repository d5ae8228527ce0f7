package stores

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	// trackingLease is for how long a proof that the server is there holds, and
	// so how old the state may be that a copy shows.
	trackingLease = time.Second
	// trackingBeat is how often a new proof is asked for.
	trackingBeat = trackingLease / 4
	// trackingRetry is when a server that does not announce changes is asked
	// again: it may have been updated.
	trackingRetry = time.Minute
)

// tracking is one connection to one master, on which the server announces every
// write to a record, and the copies of that server's records. It ends with its
// connection, and the copies with it.
type tracking struct {
	client *redisClient
	cache  *recordCache
	// calls have a place in the connection's queue; abandoned are those of them
	// nobody waits for.
	calls     atomic.Int64
	abandoned atomic.Int64
	clock     func() time.Time
	begun     time.Time
	proven    atomic.Int64 // nanoseconds since begun until which the proof holds
}

// sound tells whether the server has proved in time that what it announced has
// arrived: answers and announcements come in one order on one connection.
func (t *tracking) sound() bool { return t.clock().Sub(t.begun) < time.Duration(t.proven.Load()) }

// copyOf gives the copy of a record, or the version to read the original under.
func (t *tracking) copyOf(name tokens.Name, now time.Time) (tokens.Record, uint64, bool) {
	record, version, found := t.cache.get(name, now)
	return record, version, found && t.sound()
}

// changed drops what the server announced, all if it named none.
func (t *tracking) changed(names []tokens.Name) {
	if len(names) == 0 {
		t.cache.clear()
	}
	for _, name := range names {
		t.cache.drop(name)
	}
}

// prove asks for one proof. It holds from when it was asked for.
func (t *tracking) prove(ctx context.Context) error {
	asked, abandoned := t.clock().Sub(t.begun), t.abandoned.Load()
	ctx, cancel := context.WithTimeout(ctx, trackingLease)
	defer cancel()
	if err := t.client.beat(ctx); err != nil {
		t.proven.Store(0)
		return err
	}
	t.proven.Store(int64(asked + trackingLease))
	t.abandoned.Add(-abandoned) // what was queued before has been answered before
	t.calls.Add(-abandoned)
	return nil
}

// keep has the server prove itself until it does not, or the context ends.
func (t *tracking) keep(ctx context.Context) error {
	ticker := time.NewTicker(trackingBeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		if err := t.prove(ctx); err != nil {
			return err
		}
	}
}

// follow keeps a tracking connection to a master until the context ends.
func (r *Redis) follow(ctx context.Context, address string, cluster bool) {
	for pause := redisFirstPause; ctx.Err() == nil; pause = min(2*pause, redisLastPause) {
		tracked, err := r.openTracking(ctx, address, cluster)
		if err == nil {
			pause = redisFirstPause
			r.reroute(func(l *redisLink) { l.tracked[address] = tracked })
			err = tracked.keep(ctx)
			r.endTracking(ctx, address, tracked, err)
		}
		switch {
		case errors.Is(err, errNoTracking):
			r.once("redis announces no changes, so every request asks it: it wants RESP3 and CLIENT TRACKING (Redis 6)",
				slog.String("redis", address), slog.String("error", r.censored(err.Error())))
			pause = trackingRetry
		case errors.Is(err, errNotMaster):
			r.renew.Store(!cluster)
			r.look()
		}
		wait(ctx, pause)
	}
}

// openTracking connects, and waits for the first proof.
func (r *Redis) openTracking(ctx context.Context, address string, cluster bool) (*tracking, error) {
	t := &tracking{cache: newRecordCache(r.config.CacheRecords), clock: r.clock, begun: r.clock()}
	var err error
	if t.client, err = r.options.openTracked(address, cluster, t.changed); err != nil {
		return nil, err
	}
	if err = t.prove(ctx); err != nil {
		r.running.Go(t.client.close)
	}
	return t, err
}

// endTracking takes a connection out of use; a moment later nobody uses it.
func (r *Redis) endTracking(ctx context.Context, address string, t *tracking, err error) {
	t.proven.Store(0)
	r.reroute(func(l *redisLink) {
		if l.tracked[address] == t {
			delete(l.tracked, address)
		}
	})
	r.running.Go(t.client.close)
	if ctx.Err() == nil {
		r.log.Warn("lost the connection to redis", "redis", address, "error", r.censored(err.Error()))
		r.look()
	}
}

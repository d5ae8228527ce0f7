package stores

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// redisPatience is how long a call waits for the server before it gives up.
const redisPatience = 1800 * time.Millisecond

// RedisConfig is what a Redis store can be told. The zero value is usable.
type RedisConfig struct {
	Now func() time.Time // the clock records expire by; nil: the real one
	Log *slog.Logger     // nil: the default one
	TLS *tls.Config      // for rediss://; nil: the system's roots
	// CacheTTL is how long a copy of a record may be served at most, even though
	// the server would announce its change. 0: a minute; negative: no copies.
	CacheTTL time.Duration
	// CacheRecords bounds the copies of each server; 0: 65,536, some 90 MB.
	CacheRecords int
}

// Redis keeps records in a Redis or Valkey (6.0 and up; older ones without
// [Redis.Each]), single or a cluster, and so lets replicas of the gateway share
// them. What a crash of the server loses is up to its persistence.
//
// Records seen lately are served from memory. The server announces every change,
// so a copy is gone a moment after any replica changed the record; a copy is
// only served within a second of the server's having proved, on the connection
// it announces changes on, that it is there and still the master. That second
// is the bound for a server that is frozen, cut off or demoted.
type Redis struct {
	now     func() time.Time
	clock   func() time.Time // for lengths of time: never set back
	log     *slog.Logger
	config  RedisConfig
	options redisOptions

	start   sync.Once
	cancel  context.CancelFunc
	running sync.WaitGroup
	ctx     context.Context
	wake    chan struct{} // holds one wish that the servers be looked at anew
	renew   atomic.Bool   // the wish is for new connections
	link    redisLink
	routes  atomic.Pointer[redisRoutes]
	warned  sync.Map // what is logged once
}

// OpenRedis makes a store for a URL that [ParseRedisURL] takes. It does not
// connect: that happens when the store is first used, and again whenever the
// connection was lost, so that a server may come later than the gateway.
func OpenRedis(url string, config RedisConfig) (*Redis, error) {
	parsed, err := ParseRedisURL(url)
	if err != nil {
		return nil, err
	}
	if config.CacheTTL == 0 {
		config.CacheTTL = time.Minute
	}
	config.CacheRecords = cmp.Or(config.CacheRecords, 65_536)
	r := &Redis{now: config.Now, clock: time.Now, log: config.Log, config: config, wake: make(chan struct{}, 1)}
	if r.now == nil {
		r.now = time.Now
	}
	if r.log == nil {
		r.log = slog.Default()
	}
	r.options = redisOptions{url: parsed, dialer: &redisDialer{clock: r.clock}}
	if parsed.TLS {
		r.options.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		if config.TLS != nil {
			r.options.tls = config.TLS.Clone()
		}
	}
	r.link.first, r.link.tracked = make(chan struct{}), map[string]*tracking{}
	r.routes.Store(&redisRoutes{})
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// Close ends all connections and what runs behind the store. Calls after it fail.
func (r *Redis) Close() error {
	r.cancel()
	r.start.Do(func() {}) // or it would start after this
	r.running.Wait()
	return nil
}

// Create stores a new record.
func (r *Redis) Create(ctx context.Context, name tokens.Name, record tokens.Record) error {
	answer, err := r.write(ctx, "create", name, luaCreate, record)
	if err == nil && answer == scriptRefused {
		return tokens.ErrExists
	}
	return err
}

// Replace stores the next generation of a record.
func (r *Redis) Replace(ctx context.Context, name tokens.Name, record tokens.Record) error {
	previous := binary.BigEndian.AppendUint64(nil, record.Generation-1)
	answer, err := r.write(ctx, "replace", name, luaReplace, record, string(previous))
	switch {
	case err != nil:
		return err
	case answer == scriptRefused:
		return tokens.ErrAbsent
	case answer == scriptConflict:
		return tokens.ErrConflict
	}
	return nil
}

// write runs a script that stores a record. Whatever came of it, this process
// forgets its copy: it must see its own writes before the server announces them.
func (r *Redis) write(ctx context.Context, op string, name tokens.Name, script string, record tokens.Record, more ...string) (int64, error) {
	defer r.forget(name)
	now := r.now()
	args := append([]string{
		milliseconds(now.UnixMilli()), string(encode(record)), milliseconds(record.Expires.Sub(now).Milliseconds()),
	}, more...)
	return r.script(ctx, op, recordKey(name), script, args...)
}

// milliseconds are never less than one: Redis takes less for "at once", and the
// record's own expiry says that already.
func milliseconds(n int64) string { return strconv.FormatInt(max(1, n), 10) }

func (r *Redis) script(ctx context.Context, op, key, script string, args ...string) (int64, error) {
	return redisCall(ctx, r, op, key, false, func(ctx context.Context, c *redisClient) (int64, error) {
		return c.run(ctx, script, key, args...)
	})
}

// Delete forgets a record.
func (r *Redis) Delete(ctx context.Context, name tokens.Name) error {
	defer r.forget(name)
	key := recordKey(name)
	_, err := redisCall(ctx, r, "delete", key, false, func(ctx context.Context, c *redisClient) (struct{}, error) {
		return struct{}{}, c.del(ctx, key)
	})
	return err
}

// Lease gives or renews a lease. It is timed by the server: the clocks of
// replicas differ.
func (r *Redis) Lease(ctx context.Context, name tokens.Name, holder string, ttl time.Duration) error {
	answer, err := r.script(ctx, "lease", leaseKey(name), luaLease, holder, milliseconds(ttl.Milliseconds()))
	if err == nil && answer == scriptRefused {
		return tokens.ErrHeld
	}
	return err
}

// Release gives a lease back.
func (r *Redis) Release(ctx context.Context, name tokens.Name, holder string) error {
	_, err := r.script(ctx, "release", leaseKey(name), luaRelease, holder)
	return err
}

// Recall is Load of what is known without asking the server: a copy that may be
// believed.
func (r *Redis) Recall(name tokens.Name) (tokens.Record, bool) {
	tracked := r.routes.Load().toRecord(name)
	if tracked == nil {
		return tokens.Record{}, false
	}
	record, _, hit := tracked.copyOf(name, r.now())
	return record, hit
}

// Load returns a record: a copy where there is one that may be believed, else
// the server's.
func (r *Redis) Load(ctx context.Context, name tokens.Name) (tokens.Record, error) {
	if err := ctx.Err(); err != nil {
		return tokens.Record{}, err
	}
	tracked := r.routes.Load().toRecord(name)
	var version uint64
	if tracked != nil {
		var record tokens.Record
		var hit bool
		if record, version, hit = tracked.copyOf(name, r.now()); hit {
			return record, nil
		}
	}
	key := recordKey(name)
	read, err := redisCall(ctx, r, "load", key, true, func(ctx context.Context, c *redisClient) (reading, error) {
		return readRecord(ctx, c, key)
	})
	switch {
	case errors.Is(err, errNoValue):
		return tokens.Record{}, tokens.ErrAbsent
	case err != nil:
		return tokens.Record{}, err
	}
	now := r.now()
	if !now.Before(read.record.Expires) {
		return tokens.Record{}, tokens.ErrAbsent
	}
	// A copy is kept only of what came over the connection that announces its changes.
	if tracked != nil && read.from == tracked.client && r.config.CacheTTL > 0 {
		tracked.cache.put(name, read.record, earlier(now.Add(r.config.CacheTTL), read.record.Expires), version)
	}
	return read.record, nil
}

// A reading is a record and who it was read from.
type reading struct {
	record tokens.Record
	from   *redisClient
}

// readRecord reads a record; errNoValue if there is none. What somebody else has
// put there is no reason to sign anybody out.
func readRecord(ctx context.Context, c *redisClient, key string) (reading, error) {
	packed, err := c.get(ctx, key)
	if err != nil {
		return reading{}, err
	}
	record, ok := decode(packed)
	if !ok {
		return reading{}, errForeignValue
	}
	return reading{record, c}, nil
}

// forget drops the copies of a record.
func (r *Redis) forget(name tokens.Name) {
	for _, tracked := range r.routes.Load().all {
		tracked.cache.drop(name)
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

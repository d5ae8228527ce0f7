package stores

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// redisSurvey is how often it is looked after who is master.
const redisSurvey = time.Second

var errRedisClosed = errors.New("the store is closed")

// redisLink is what is known of the servers. Only survey changes it.
type redisLink struct {
	mu      sync.Mutex
	client  *redisClient // nil: not connected
	err     error        // why not
	first   chan struct{}
	slots   []slotRange
	tracked map[string]*tracking
}

// client gives the connection for everything that is not tracked. It waits for
// the first attempt to connect alone: during an outage it fails at once.
func (r *Redis) client(ctx context.Context) (*redisClient, error) {
	r.start.Do(func() { r.running.Go(r.supervise) })
	select {
	case <-r.ctx.Done():
		return nil, errRedisClosed
	default:
	}
	select {
	case <-r.link.first:
	case <-r.ctx.Done():
		return nil, errRedisClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.link.mu.Lock()
	defer r.link.mu.Unlock()
	return r.link.client, r.link.err
}

// supervise connects, follows every master, and does both again as servers
// come, go and change their roles, until the store is closed.
func (r *Redis) supervise() {
	followers := map[string]context.CancelFunc{}
	for pause := redisFirstPause; r.ctx.Err() == nil; {
		err := r.survey(followers)
		next := redisSurvey
		if err != nil {
			next, pause = pause, min(2*pause, redisLastPause)
		} else {
			pause = redisFirstPause
		}
		r.rest(next)
	}
	for _, stop := range followers {
		stop()
	}
	r.attach(nil, errRedisClosed)
}

// rest waits, for less if somebody has reason to look, but never not at all.
func (r *Redis) rest(length time.Duration) {
	wait(r.ctx, redisFirstPause)
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-r.ctx.Done():
	case <-r.wake:
	case <-timer.C:
	}
}

// survey finds out once who is master, and follows those.
func (r *Redis) survey(followers map[string]context.CancelFunc) error {
	r.link.mu.Lock()
	client := r.link.client
	r.link.mu.Unlock()
	if r.renew.Swap(false) || client == nil {
		var err error
		client, err = r.connect()
		r.attach(client, err)
		if err != nil {
			r.follows(followers, nil, false)
			return err
		}
	}
	slots, masters, err := r.mastersOf(client)
	if err != nil {
		r.renew.Store(len(r.options.url.Hosts) > 1 || client.cluster || errors.Is(err, errNotMaster))
		return err
	}
	r.link.mu.Lock()
	r.link.slots = slots
	r.link.mu.Unlock()
	r.follows(followers, masters, client.cluster)
	return nil
}

// connect tries the hosts in their order. Of servers that stand alone it wants
// the master: a replica may lag, and takes no writes.
func (r *Redis) connect() (*redisClient, error) {
	var problems []error
	for _, address := range r.options.url.Hosts {
		if r.ctx.Err() != nil {
			break
		}
		client, err := r.options.openRedis(address)
		if err == nil {
			if err = r.wantMaster(client); err == nil {
				return client, nil
			}
			client.close()
		}
		problems = append(problems, fmt.Errorf("%s: %w", address, err))
	}
	return nil, errors.Join(problems...)
}

// wantMaster is an error for a replica. A server that refuses to say counts as
// a master: the writes will tell.
func (r *Redis) wantMaster(client *redisClient) error {
	if client.cluster {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, redisDialTimeout)
	defer cancel()
	replica, err := client.isReplica(ctx)
	var reply *replyError
	switch {
	case replica:
		return errNotMaster
	case errors.As(err, &reply):
		return nil
	}
	return err
}

// attach makes a client the one in use, and ends the one that was.
func (r *Redis) attach(client *redisClient, err error) {
	r.link.mu.Lock()
	old, hadErr := r.link.client, r.link.err
	r.link.client, r.link.err = client, err
	r.link.mu.Unlock()
	select {
	case <-r.link.first:
	default:
		close(r.link.first)
	}
	if old != nil {
		r.running.Go(old.close)
	}
	if err != nil && hadErr == nil && r.ctx.Err() == nil {
		r.log.Warn("redis cannot be reached", "redis", r.options.url.String(), "error", r.censored(err.Error()))
	}
}

// mastersOf asks who the masters are, and which keys each one has.
func (r *Redis) mastersOf(client *redisClient) ([]slotRange, map[string]bool, error) {
	if !client.cluster {
		return nil, map[string]bool{client.address: true}, r.wantMaster(client)
	}
	err := errors.New("no node of the cluster is known")
	for _, node := range client.nodes() {
		ctx, cancel := context.WithTimeout(r.ctx, redisDialTimeout)
		var slots []slotRange
		slots, err = node.slots(ctx)
		cancel()
		if err == nil && len(slots) > 0 {
			masters := map[string]bool{}
			for _, part := range slots {
				masters[part.master] = true
			}
			return slots, masters, nil
		}
	}
	return nil, nil, err
}

// masters are clients for all the masters there are now.
func (r *Redis) masters(_ context.Context, client *redisClient) ([]*redisClient, error) {
	if !client.cluster {
		return []*redisClient{client}, nil
	}
	_, addresses, err := r.mastersOf(client)
	if err != nil {
		return nil, err
	}
	var masters []*redisClient
	nodes := client.nodes()
	for address := range addresses {
		node, known := nodes[address]
		if !known {
			return nil, errors.New("the cluster is being rearranged")
		}
		masters = append(masters, node)
	}
	return masters, nil
}

// follows starts and ends followers so that each master has one.
func (r *Redis) follows(followers map[string]context.CancelFunc, masters map[string]bool, cluster bool) {
	maps.DeleteFunc(followers, func(address string, stop context.CancelFunc) bool {
		if !masters[address] {
			stop()
		}
		return !masters[address]
	})
	for address := range masters {
		if followers[address] == nil {
			ctx, stop := context.WithCancel(r.ctx)
			followers[address] = stop
			r.running.Go(func() { r.follow(ctx, address, cluster) })
		}
	}
	r.reroute(func(*redisLink) {})
}

// reroute changes what the routes are made from, and makes them.
func (r *Redis) reroute(change func(*redisLink)) {
	r.link.mu.Lock()
	defer r.link.mu.Unlock()
	change(&r.link)
	r.routes.Store(newRedisRoutes(r.link.tracked, r.link.client != nil && r.link.client.cluster, r.link.slots))
}

// once logs a warning the first time alone.
func (r *Redis) once(message string, attributes ...slog.Attr) {
	if _, said := r.warned.LoadOrStore(message, true); !said {
		r.log.LogAttrs(context.Background(), slog.LevelWarn, message, attributes...) //nolint:sloglint // its callers have constants
	}
}

// wait waits, or until the context ends.
func wait(ctx context.Context, length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

package tokens

import (
	"container/heap"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// maxKeeping bounds the background refreshes under way, so that they never
	// crowd out those that somebody waits for.
	maxKeeping = 16
	// keeperNap is the longest the keeper sleeps: a clock that jumped, or a
	// machine that was suspended, is noticed by then.
	keeperNap = 30 * time.Second
	// keeperRetry is how soon a refresh that failed is thought of again; pauses
	// decide whether anything is sent.
	keeperRetry = 5 * time.Second
)

// keeper refreshes sessions that nobody uses at the moment: OSC's refresh token
// can die within two quiet hours, and people come back from lunch. It knows the
// sessions this process has seen, and their tickets are nowhere but in its
// memory; after a restart a session is kept again from its first request on.
type keeper struct {
	mu      sync.Mutex
	known   map[half]*kept
	sites   []string // that sessions are of
	queue   keptQueue
	wake    chan struct{}
	seen    time.Time // the latest time the loop has seen
	recall  recall
	stopped chan struct{} // closed to end the loop; nil while there is none
	ended   chan struct{}
}

// kept is a session the keeper looks after. There is one for every session in
// use, so it is kept small.
type kept struct {
	ticket       Ticket
	lastUsed     instant
	jobsUntil    instant
	tokenExpires instant
	due          instant
	site         uint32 // its place in sites
	index        int32  // in the queue
}

// half a name tells sessions apart as surely as all of it, which is a hash.
type half [len(Name{}) / 2]byte

func (n Name) half() half { return half(n[:]) }

// handle is what it takes to work on a session that is kept. The caller holds
// the lock.
func (k *keeper) handle(entry *kept) handle {
	return handle{ticket: entry.ticket, site: k.sites[entry.site]}
}

// place is where a site stands in sites. There are as many as origins.
func (k *keeper) place(site string) uint32 {
	at := slices.Index(k.sites, site)
	if at < 0 {
		at = len(k.sites)
		k.sites = append(k.sites, site)
	}
	return uint32(at)
}

// instant is a time as records have it, in milliseconds since 1970: a third of
// a time.Time, and nothing for the collector to follow.
type instant int64

func instantOf(t time.Time) instant { return instant(t.UnixMilli()) }

func (i instant) time() time.Time { return time.UnixMilli(int64(i)) }

func (i instant) add(d time.Duration) instant { return i + instant(d.Milliseconds()) }

// KeepAlive starts refreshing sessions in the background, until Close.
func (v *Vault) KeepAlive() {
	v.keeper.mu.Lock()
	defer v.keeper.mu.Unlock()
	if v.keeper.stopped == nil {
		v.keeper.stopped, v.keeper.ended = make(chan struct{}), make(chan struct{})
		go v.keepAlive(v.keeper.stopped, v.keeper.ended)
	}
}

// Sessions is how many living sessions this process has seen and looks after.
func (v *Vault) Sessions() int {
	v.keeper.mu.Lock()
	defer v.keeper.mu.Unlock()
	return len(v.keeper.known)
}

// keep notes that a session is in use.
func (v *Vault) keep(h handle, r *record, now time.Time) {
	if r.refresh.IsEmpty() || r.keptLately(now, min(keptEvery, v.policy.Load().Idle/touchesPerIdle)) {
		return
	}
	v.keeper.used(h, r, now)
}

func (k *keeper) used(h handle, r *record, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := h.name().half()
	entry := k.known[name]
	if entry != nil && (r.unsaved || entry.tokenExpires == instantOf(r.tokenExpires)) {
		entry.lastUsed, entry.jobsUntil = instantOf(now), instantOf(r.jobs.until)
		return
	}
	if entry == nil {
		if k.known == nil {
			k.known = map[half]*kept{}
		}
		entry = &kept{ticket: h.ticket, site: k.place(h.site), index: -1}
		k.known[name] = entry
	}
	entry.lastUsed, entry.jobsUntil = instantOf(now), instantOf(r.jobs.until)
	k.schedule(entry, r)
}

// schedule plans the refresh of an entry for some time before requests would
// begin to ask for it, with jitter: sessions that began together must not come
// to the provider together, nor replicas to the same session.
func (k *keeper) schedule(entry *kept, r *record) {
	entry.tokenExpires = instantOf(r.tokenExpires)
	k.enqueue(entry, r.tokenExpires.Add(-r.ahead()-jitter(r.earlier())))
}

// earlier is by how much the keeper may be ahead of requests.
func (r *record) earlier() time.Duration { return r.ahead() / 2 }

func jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}

func (k *keeper) enqueue(entry *kept, due time.Time) {
	entry.due = instantOf(due)
	if entry.index < 0 {
		heap.Push(&k.queue, entry)
	} else {
		heap.Fix(&k.queue, int(entry.index))
	}
	if entry.index == 0 {
		k.poke()
	}
}

// poke has the loop look again at what is next.
func (k *keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) drop(name Name) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remove(name)
}

func (k *keeper) remove(name Name) {
	if entry := k.known[name.half()]; entry != nil {
		delete(k.known, name.half())
		if entry.index >= 0 {
			heap.Remove(&k.queue, int(entry.index))
		}
	}
}

// stop ends the loop and waits for it.
func (k *keeper) stop() {
	k.mu.Lock()
	stopped, ended := k.stopped, k.ended
	k.stopped = nil
	k.mu.Unlock()
	if stopped != nil {
		close(stopped)
		<-ended
	}
}

// keepAlive is the keeper's loop.
func (v *Vault) keepAlive(stopped <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	slots := make(chan struct{}, maxKeeping)
	for {
		v.recallWhenDue(v.now())
		entry, wait := v.keeper.next(v.now(), v.policy.Load().Idle)
		if entry == nil {
			select {
			case <-stopped:
				return
			case <-v.keeper.wake:
			case <-time.After(wait):
			}
			continue
		}
		select {
		case <-stopped:
			return
		case slots <- struct{}{}:
		}
		v.pending.begin()
		go func() {
			defer v.pending.end()
			defer func() { <-slots }()
			v.refreshKept(entry)
		}()
	}
}

// next takes the session that is due out of the queue, or says how long there
// is none. Sessions nobody has used within the idle limit are let go.
func (k *keeper) next(now time.Time, idle time.Duration) (*kept, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.follow(now.Round(0))
	for len(k.queue) > 0 {
		entry := k.queue[0]
		if wait := entry.due.time().Sub(now); wait > 0 {
			return nil, min(wait, keeperNap)
		}
		if now.Sub(entry.lastUsed.time()) > idle && instantOf(now) >= entry.jobsUntil {
			k.remove(entry.ticket.Name())
			continue
		}
		heap.Pop(&k.queue)
		return entry, 0
	}
	return nil, keeperNap
}

// follow moves all that is planned along with a clock that was set back: the
// provider's refresh tokens do not live any longer for it.
func (k *keeper) follow(now time.Time) {
	if back := k.seen.Sub(now); back > 0 {
		for _, entry := range k.queue { // all alike, which leaves it in order
			entry.due = entry.due.add(-back)
		}
	}
	k.seen = now
}

// refreshKept refreshes one session and plans its next time.
func (v *Vault) refreshKept(entry *kept) {
	v.keeper.mu.Lock()
	h := v.keeper.handle(entry)
	v.keeper.mu.Unlock()
	result := <-v.behind(context.Background(), "refresh", h, func(ctx context.Context) (*record, error) {
		r, err := v.load(ctx, h)
		if err != nil || r.ended != "" {
			return r, err
		}
		if v.isOver(v.withUse(r, entry), v.now()) {
			v.end(ctx, h, EndExpired)
			return r, ErrAbsent
		}
		return v.refresh(ctx, h, func(r *record, now time.Time) bool { return r.needs(now, r.earlier()) })
	})
	r, _ := result.Val.(*record)
	v.keeper.mu.Lock()
	defer v.keeper.mu.Unlock()
	if v.keeper.known[h.name().half()] != entry {
		return // signed out meanwhile
	}
	switch now := v.now(); {
	case errors.Is(result.Err, ErrAbsent), result.Err == nil && r.ended != "":
		v.keeper.remove(h.name())
	case result.Err != nil, r.needs(now, r.earlier()): // as while another replica is at it
		v.keeper.enqueue(entry, now.Add(keeperRetry+jitter(keeperRetry)))
	default:
		v.keeper.schedule(entry, r)
	}
}

// withUse is the record with the use this process knows of: what is stored may
// be older by a twentieth of the idle limit.
func (v *Vault) withUse(r *record, entry *kept) *record {
	v.keeper.mu.Lock()
	defer v.keeper.mu.Unlock()
	return r.usedAt(entry.lastUsed.time())
}

// lastUse is when this process knows a session to have been used last; zero where
// it knows of no use.
func (k *keeper) lastUse(name Name) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if entry := k.known[name.half()]; entry != nil {
		return entry.lastUsed.time()
	}
	return time.Time{}
}

// usedAt is the record with a use that may not be written down yet: where the
// store is away, none is.
func (r *record) usedAt(at time.Time) *record {
	used := *r
	if at.After(used.lastUsed) {
		used.lastUsed = at
	}
	return &used
}

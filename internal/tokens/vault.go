package tokens

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/Eyevinn/osc-gateway/internal/recent"
	"github.com/Eyevinn/osc-gateway/internal/secret"
)

// Refresher trades a refresh token for a new set, with the client that got it.
// ErrRejected and ErrClientUnknown are certain; any other error is weather and
// may say by a method RetryAfter() time.Duration when to come back.
type Refresher interface {
	Refresh(ctx context.Context, client Client, refresh secret.String) (Set, error)
}

// Observer is told of what happens to sessions, for metrics and events. Its
// methods must return at once.
type Observer interface {
	// Refreshed tells how a call of the Refresher went: ok, rejected, failed, or
	// unsaved where the store did not take the result yet.
	Refreshed(result string)
	// Waited tells for how long a request waited for a refresh.
	Waited(took time.Duration)
	// SessionEnded tells of a session that ended other than by signing out.
	SessionEnded(info Info)
}

// Limits bound the life of sessions.
type Limits struct {
	Idle     time.Duration // since the last use
	Lifetime time.Duration // since the sign-in, whatever happens
}

// Policy is what may change with the configuration while sessions live on.
type Policy struct {
	Limits
	Refresher Refresher
	Ring      *KeyRing // nil: the ring there was
	Observer  Observer // nil: nobody
}

// VaultConfig is what a vault is made of. Store is required, and Ring unless a
// policy brings one.
type VaultConfig struct {
	Store  Store
	Ring   *KeyRing
	Now    func() time.Time // default time.Now
	Random io.Reader        // default crypto/rand
	Log    *slog.Logger     // default: nowhere
}

// Vault creates, opens, refreshes and ends sessions. It outlives
// configurations: Adopt gives it the current one's policy.
type Vault struct {
	store     Store
	now       func() time.Time
	random    io.Reader
	log       *slog.Logger
	ring      atomic.Pointer[KeyRing]
	jobRing   atomic.Pointer[KeyRing] // nil: no jobs
	policy    atomic.Pointer[Policy]
	flights   singleflight.Group // one refresh and one touch per session
	pauses    pauses
	unsaved   unsaved
	opened    opened
	histories histories
	keeper    keeper
	streams   streams
	renewed   *recent.Map[Name, time.Time] // when a refusal was last taken for a reason to refresh
	pending   pending
	holder    string // of leases
}

// NewVault makes a vault. It needs a policy (Adopt) before its first session.
func NewVault(cfg VaultConfig) *Vault {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	v := &Vault{store: cfg.Store, now: cfg.Now, random: cfg.Random, log: cfg.Log, pauses: pauses{until: map[Name]pause{}},
		opened: newOpened(), histories: newHistories(), renewed: recent.New[Name, time.Time](maxRenewed)}
	v.ring.Store(cfg.Ring)
	v.keeper.wake = make(chan struct{}, 1)
	var id [8]byte
	_, _ = io.ReadFull(cfg.Random, id[:]) // without randomness no session is made either
	v.holder = hex.EncodeToString(id[:])
	return v
}

// Adopt makes p the policy of all sessions from now on.
func (v *Vault) Adopt(p Policy) {
	if p.Ring != nil {
		v.ring.Store(p.Ring)
	}
	v.policy.Store(&p)
}

// Close ends keeping sessions alive and waits until nothing is under way behind
// the requests, so that no token the provider has given is lost at the end of
// the process, or until the context ends. The vault works on afterwards, for
// requests still being served.
func (v *Vault) Close(ctx context.Context) error {
	v.keeper.stop()
	v.EndStreams() // nobody would hear of their sessions' end any more
	err := v.pending.wait(ctx)
	v.flush(ctx)
	return err
}

func (v *Vault) sealer() sealer { return sealer{ring: v.ring.Load(), random: v.random} }

// handle is what it takes to work on one session.
type handle struct {
	ticket Ticket
	site   string
}

func (h handle) name() Name { return h.ticket.Name() }

// Create stores a new session of a site and returns its ticket. The session
// exists once there is no error; an error means that there is none.
func (v *Vault) Create(ctx context.Context, site string, client Client, set Set) (Ticket, *Session, error) {
	ticket, err := NewTicket(v.random)
	if err != nil {
		return Ticket{}, nil, err
	}
	now := v.now()
	r := &record{
		meta: meta{
			user: set.User, tenant: set.Tenant, created: now, lastUsed: now,
			expires: now.Add(v.policy.Load().Lifetime),
		},
		tokens:     tokens{client: client},
		generation: 1,
	}
	r.take(set, now)
	h := handle{ticket: ticket, site: site}
	seal := v.sealer()
	sealed, err := seal.seal(r, h.name(), site, ticket)
	if err != nil {
		return Ticket{}, nil, err
	}
	err = v.store.Create(ctx, h.name(), Record{Generation: 1, Expires: r.expires, Sealed: sealed})
	if err != nil {
		return Ticket{}, nil, storeError(err)
	}
	v.keep(h, r, now)
	v.happened(h.name(), HappenedSignIn, "")
	return ticket, r.session(h.name()), nil
}

// Fresh opens a session and returns it with a token that is still good,
// refreshing it where that is due. This is the only way to a token.
//
// Its errors are ErrAbsent (there is no such session), *Ended (there was one,
// and why it is over), *Unavailable (nobody knows right now), or the context's.
func (v *Vault) Fresh(ctx context.Context, site string, ticket Ticket) (*Session, error) {
	return v.fresh(ctx, site, ticket, refreshDue)
}

// Lasting is Fresh for what goes on for a while on one token, such as a
// WebSocket: the token has minutes left, unless the provider has no other to give.
func (v *Vault) Lasting(ctx context.Context, site string, ticket Ticket) (*Session, error) {
	return v.fresh(ctx, site, ticket, refreshSoon)
}

// fresh waits for a refresh that is as urgent as that, and starts one behind the
// request where it is less.
func (v *Vault) fresh(ctx context.Context, site string, ticket Ticket, waitFrom urgency) (*Session, error) {
	h := handle{ticket: ticket, site: site}
	r, err := v.look(ctx, h)
	if err != nil {
		return nil, err
	}
	now := v.now()
	switch {
	case r.ended != "":
		return nil, &Ended{Reason: r.ended, User: r.user}
	case v.isOver(r, now):
		v.end(ctx, h, EndExpired)
		return nil, &Ended{Reason: EndExpired, User: r.user}
	}
	v.keep(h, r, now)
	v.touch(ctx, h, r, now)
	switch need := r.urgency(now); {
	case need >= waitFrom:
		return v.refreshNow(ctx, h, r)
	case need == refreshSoon:
		v.refreshBehind(ctx, h, now)
	}
	return r.session(h.name()), nil
}

// Peek opens a session as it stands, without refreshing it and without
// counting as use, and tells when it ends. Its errors are those of Fresh.
func (v *Vault) Peek(ctx context.Context, site string, ticket Ticket) (*Session, error) {
	h := handle{ticket: ticket, site: site}
	r, err := v.look(ctx, h)
	switch {
	case err != nil:
		return nil, err
	case r.ended != "":
		return nil, &Ended{Reason: r.ended, User: r.user}
	case v.isOver(r, v.now()):
		return nil, &Ended{Reason: EndExpired, User: r.user}
	default:
		return v.view(h.name(), r), nil
	}
}

// Revoke ends a session that is signed out and leaves nothing of it, here and on
// every replica. A session that is not there is no error.
func (v *Vault) Revoke(ctx context.Context, ticket Ticket) error {
	return v.remove(ctx, ticket.Name(), EndSignedOut)
}

// Retire is Revoke for a session whose browser has signed in anew.
func (v *Vault) Retire(ctx context.Context, ticket Ticket) error {
	return v.remove(ctx, ticket.Name(), EndReplaced)
}

// remove deletes a record. Whose it was is looked up first, for the log: where
// that fails it is deleted all the same.
func (v *Vault) remove(ctx context.Context, name Name, why EndReason) error {
	r, site, _, lookedUp := v.loadMeta(ctx, name)
	if err := v.store.Delete(ctx, name); err != nil {
		return storeError(err) // it may live on, and needs all that is remembered
	}
	if lookedUp != nil || r.ended != "" { // which was told already
		v.forget(name, EndRevoked)
		return nil
	}
	r.ended = why
	v.ended(r.info(name, site))
	return nil
}

// Check tells whether the store answers.
func (v *Vault) Check(ctx context.Context) error {
	_, err := v.store.Load(ctx, Name{})
	if err == nil || errors.Is(err, ErrAbsent) {
		return nil
	}
	return storeError(err)
}

// forget drops what is remembered of a session that is over. The reason is for
// those who watch it.
func (v *Vault) forget(name Name, reason EndReason) {
	v.pauses.forget(name)
	v.unsaved.drop(name)
	v.opened.records.Forget(name)
	v.keeper.drop(name)
	v.streams.end(name, reason, v.now())
}

// load reads and opens a record, for a caller who may change it.
func (v *Vault) load(ctx context.Context, h handle) (*record, error) {
	shared, err := v.read(ctx, h)
	if err != nil {
		return nil, err
	}
	own := *shared
	v.unsaved.overlay(h.name(), &own)
	return &own, nil
}

// look is load for a caller who changes nothing: the record may be shared.
func (v *Vault) look(ctx context.Context, h handle) (*record, error) {
	if _, newer := v.unsaved.get(h.name()); newer {
		return v.load(ctx, h)
	}
	return v.read(ctx, h)
}

// read reads a record as it is stored, to be shared. One that does not open is
// as good as absent: damaged, of another site, or sealed with a key that is gone.
func (v *Vault) read(ctx context.Context, h handle) (*record, error) {
	name := h.name()
	stored, err := v.store.Load(ctx, name)
	if err != nil {
		if errors.Is(err, ErrAbsent) {
			v.forget(name, EndRevoked)
		}
		return nil, storeError(err)
	}
	seal := v.sealer()
	if r := v.opened.get(name, seal.ring, stored, h.site); r != nil {
		return r, nil
	}
	r, err := seal.open(stored.Sealed, name, h.site, h.ticket)
	if err != nil {
		v.log.Warn("session record does not open", "session", name.Digest(), "site", h.site)
		return nil, ErrAbsent
	}
	return v.opened.put(name, seal.ring, stored, h.site, r), nil
}

// maxConflicts bounds how often one change is tried against other writers.
const maxConflicts = 8

// update applies a change to the record as it is stored, against whoever else
// writes it. The change may decline, which leaves the record as it is.
func (v *Vault) update(ctx context.Context, h handle, change func(*record) bool) (*record, error) {
	for range maxConflicts {
		r, err := v.load(ctx, h)
		if err != nil {
			return nil, err
		}
		access := r.access
		if !change(r) {
			return r, nil
		}
		r.known = nil
		r.generation++
		seal := v.sealer()
		sealed, err := seal.seal(r, h.name(), h.site, h.ticket)
		if err != nil {
			return nil, err
		}
		err = v.store.Replace(ctx, h.name(), Record{Generation: r.generation, Expires: r.expires, Sealed: sealed})
		switch {
		case err == nil:
			if r.unsaved { // whatever was written, the pair went along
				r.unsaved = false
				v.unsaved.saved(h.name(), access)
			}
			return r, nil
		case !errors.Is(err, ErrConflict):
			return nil, storeError(err)
		}
	}
	return nil, &Unavailable{Part: PartStore, Err: ErrConflict}
}

// end ends a session that is not over yet. A store that does not answer costs
// no more than asking again next time.
func (v *Vault) end(ctx context.Context, h handle, reason EndReason) {
	if _, err := v.conclude(ctx, h, reason, func(*record) bool { return true }); err != nil {
		v.log.Warn("ending a session was not stored", "session", h.name().Digest(), "reason", reason, "error", err)
	}
}

// conclude writes down why a session is over, so that every tab and replica
// says the same and the provider is never asked again, and drops its tokens. A
// session that is over already, or for which holds says no, stays as it is.
func (v *Vault) conclude(ctx context.Context, h handle, reason EndReason, holds func(*record) bool) (*record, error) {
	first := false
	r, err := v.update(ctx, h, func(r *record) bool {
		first = r.ended == "" && holds(r)
		if first {
			r.ended, r.tokens, r.jobs = reason, tokens{}, jobs{}
		}
		return first
	})
	if err == nil && first {
		v.ended(r.info(h.name(), h.site))
	}
	return r, err
}

// ended drops what is remembered of a session and tells that it is over.
func (v *Vault) ended(info Info) {
	v.forget(info.Name, info.Ended.seen())
	v.happened(info.Name, HappenedEnd, string(info.Ended))
	now := v.now()
	v.log.Info("session ended", "reason", info.Ended, "session", info.Name.Digest(), "user", info.User, "tenant", info.Tenant,
		"age", now.Sub(info.Created).Round(time.Second), "idle", now.Sub(info.LastUsed).Round(time.Second))
	if observer := v.policy.Load().Observer; observer != nil && info.Ended != EndSignedOut {
		observer.SessionEnded(info)
	}
}

// touchesPerIdle is how many times within the idle limit a use is written
// down: a store write per request would be far too many.
const touchesPerIdle = 20

// touch notes that the session is in use, now and then, behind the request.
func (v *Vault) touch(ctx context.Context, h handle, r *record, now time.Time) {
	if !v.isNoteworthy(r, now) {
		return
	}
	v.behind(ctx, "touch", h, func(ctx context.Context) (*record, error) {
		return v.update(ctx, h, func(r *record) bool {
			if r.ended != "" || !v.isNoteworthy(r, now) {
				return false
			}
			r.lastUsed = now
			return true
		})
	})
}

func (v *Vault) isNoteworthy(r *record, now time.Time) bool {
	return now.Sub(r.lastUsed) >= v.policy.Load().Idle/touchesPerIdle
}

// isOver tells whether a session is past its limits.
func (v *Vault) isOver(r *record, now time.Time) bool { return !now.Before(v.endOf(r)) }

// endOf is when a session is over if nobody uses it until then. The idle limit
// is taken with the slack that touch leaves, its last moment included, so that it
// never strikes early. Limits that were shortened since hold for old sessions too.
func (v *Vault) endOf(r *record) time.Time {
	limits := v.policy.Load().Limits
	idle := r.lastUsed.Add(limits.Idle + limits.Idle/touchesPerIdle + time.Nanosecond)
	if r.jobs.until.After(idle) {
		idle = r.jobs.until
	}
	end := earliest(idle, earliest(r.expires, r.created.Add(limits.Lifetime)))
	if r.refresh.IsEmpty() {
		end = earliest(end, r.tokenExpires)
	}
	return end
}

// storeError sorts what a store said: certain answers as they are, anything
// else as not knowing.
func storeError(err error) error {
	var unavailable *Unavailable
	switch {
	case err == nil, errors.Is(err, ErrAbsent), errors.Is(err, ErrFull):
		return err
	case errors.As(err, &unavailable):
		return unavailable
	default:
		return &Unavailable{Part: PartStore, RetryAfter: retryAfter(err), Err: err}
	}
}

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

// Check tells whether the store answers.
func (v *Vault) Check(ctx context.Context) error {
	_, err := v.store.Load(ctx, Name{})
	if err == nil || errors.Is(err, ErrAbsent) {
		return nil
	}
	return storeError(err)
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

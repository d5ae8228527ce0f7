package tokens

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

const (
	// refreshAhead is how long before its end a token is refreshed behind the
	// requests that still use it, and refreshWait how close to its end a request
	// has to wait for the new one. Short-lived tokens scale both down.
	refreshAhead = 5 * time.Minute
	refreshWait  = 15 * time.Second

	// refreshTimeout bounds one refresh with everything that belongs to it but
	// waiting for another replica. It is longer than the provider's own limit, so
	// that the store gets its turn.
	refreshTimeout = 45 * time.Second

	// A session's token endpoint calls are at least minPause apart, and after
	// failures up to maxPause.
	minPause = time.Second
	maxPause = time.Minute
)

type urgency int

const (
	refreshNot  urgency = iota
	refreshSoon         // serve the current token, refresh behind it
	refreshDue          // the current token is too close to its end to be sent
)

// ahead is how long before its end the record's token is refreshed behind
// requests.
func (r *record) ahead() time.Duration {
	return min(refreshAhead, r.tokenExpires.Sub(r.tokenIssued)/3)
}

// urgency says how much a record needs a refresh.
func (r *record) urgency(now time.Time) urgency {
	if r.refresh.IsEmpty() {
		return refreshNot
	}
	switch left := r.tokenExpires.Sub(now); {
	case r.tokenIssued.Sub(now) > refreshWait:
		return refreshDue // the clock was set back, and the token's age is not known
	case left <= min(refreshWait, r.tokenExpires.Sub(r.tokenIssued)/10):
		return refreshDue
	case left <= r.ahead(), r.unsaved:
		return refreshSoon
	default:
		return refreshNot
	}
}

// needs tells whether a living record is to be refreshed, by somebody who does
// so earlier than requests do by the time given.
func (r *record) needs(now time.Time, earlier time.Duration) bool {
	return r.ended == "" && (r.urgency(now) != refreshNot || !r.refresh.IsEmpty() && r.tokenExpires.Sub(now) <= r.ahead()+earlier)
}

// alive tells whether the token may still be sent at all.
func (r *record) alive(now time.Time) bool { return now.Before(r.tokenExpires) }

// take puts a new set into the record. A set without a refresh token leaves
// the old one in place (RFC 6749 §6).
func (r *record) take(set Set, now time.Time) {
	r.access = set.Access
	if !set.Refresh.IsEmpty() {
		r.refresh = set.Refresh
	}
	r.tokenIssued, r.tokenExpires, r.known = now, now.Add(set.Lifetime), nil
}

// refreshBehind starts a refresh nobody waits for, unless one is under way or
// the last one asks for a pause.
func (v *Vault) refreshBehind(ctx context.Context, h handle, now time.Time) {
	if v.pauses.left(h.name(), now) > 0 {
		return
	}
	v.behind(ctx, "refresh", h, func(ctx context.Context) (*record, error) { return v.refresh(ctx, h, due) })
}

// due is when requests refresh a session.
func due(r *record, now time.Time) bool { return r.needs(now, 0) }

// refreshNow waits for a refresh, its own or the one under way. The refresh
// goes on when the request that asked for it goes away.
func (v *Vault) refreshNow(ctx context.Context, h handle, r *record) (*Session, error) {
	begun := v.now()
	done := v.behind(ctx, "refresh", h, func(ctx context.Context) (*record, error) { return v.refresh(ctx, h, due) })
	select {
	case <-ctx.Done():
		v.observeWait(begun)
		return nil, ctx.Err()
	case result := <-done:
		v.observeWait(begun)
		fresh, _ := result.Val.(*record)
		if fresh != nil {
			r = fresh
		}
		switch {
		case result.Err != nil:
			return v.makeDo(h, r, result.Err)
		case fresh.ended != "":
			return nil, &Ended{Reason: fresh.ended, User: fresh.user}
		default:
			return fresh.session(h.name()), nil
		}
	}
}

var errPaused = errors.New("the last refresh failed; pausing")

// makeDo answers a request whose refresh failed: with the token there is while
// it lives, else with what is the matter.
func (v *Vault) makeDo(h handle, r *record, err error) (*Session, error) {
	if errors.Is(err, ErrAbsent) {
		return nil, ErrAbsent
	}
	if r.alive(v.now()) {
		return r.session(h.name()), nil
	}
	if unavailable, ok := errors.AsType[*Unavailable](err); ok {
		return nil, unavailable
	}
	return nil, &Unavailable{Part: PartProvider, RetryAfter: max(retryAfter(err), v.pauses.left(h.name(), v.now())), Err: err}
}

// behind runs work on a session once, however many ask for it at the same
// time, detached from the request that was first.
func (v *Vault) behind(ctx context.Context, kind string, h handle, work func(context.Context) (*record, error)) <-chan singleflight.Result {
	v.pending.begin()
	name := h.name()
	flight := v.flights.DoChan(kind+string(name[:]), func() (result any, err error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
		defer cancel()
		defer func() { // a panic here would end the process, and every session in it
			if recover() != nil {
				v.log.Error("panic behind a request", "kind", kind, "session", h.name().Digest(), "stack", string(debug.Stack()))
				err = errPanic
			}
		}()
		return work(ctx)
	})
	done := make(chan singleflight.Result, 1)
	go func() {
		defer v.pending.end()
		done <- <-flight
	}()
	return done
}

var errPanic = errors.New("internal error")

// refresh trades the session's refresh token for a new pair and stores it
// before anybody sees it, while holding the lease on it, if that is due. It looks
// at the record again first: somebody else may have been faster.
func (v *Vault) refresh(ctx context.Context, h handle, due func(*record, time.Time) bool) (*record, error) {
	look := func(ctx context.Context) (*record, bool, error) {
		r, err := v.load(ctx, h)
		return r, err == nil && r.ended == "" && due(r, v.now()), err
	}
	r, toDo, err := look(ctx)
	if err != nil || !toDo {
		return r, err
	}
	if r.unsaved {
		saved, err := v.saveAgain(ctx, h)
		switch now := v.now(); {
		case err == nil && !due(saved, now):
			return saved, nil
		case err != nil && r.urgency(now) != refreshDue:
			v.pauses.failed(h.name(), now, minPause)
			return nil, err
		}
	}
	return v.leased(ctx, h, look, func(ctx context.Context) (*record, error) {
		r, toDo, err := look(ctx)
		if err != nil || !toDo {
			return r, err
		}
		return v.trade(ctx, h, r)
	})
}

// trade calls the provider, unless a pause is on. Only now: a pause after a
// success must not keep a request from the token that success brought.
func (v *Vault) trade(ctx context.Context, h handle, r *record) (*record, error) {
	if left := v.pauses.left(h.name(), v.now()); left > 0 {
		return r, &Unavailable{Part: PartProvider, RetryAfter: left, Err: errPaused}
	}
	used, begun := r.refresh, v.now() // a token's life may begin when it is asked for
	set, err := v.policy.Load().Refresher.Refresh(ctx, r.client, used)
	switch {
	case errors.Is(err, ErrRejected), errors.Is(err, ErrClientUnknown) && r.client.Dynamic && !r.alive(v.now()):
		v.observeRefresh("rejected")
		return v.reject(ctx, h, used)
	case err != nil:
		v.observeRefresh("failed")
		pause := v.pauses.failed(h.name(), v.now(), retryAfter(err))
		v.happened(h.name(), HappenedFailure, err.Error())
		v.log.Warn("refresh failed; the session is kept", append(r.identity(h.name()), "retry_in", pause, "error", err)...)
		return nil, err
	}
	v.pauses.succeeded(h.name(), v.now())
	if differ(r.user, set.User) || differ(r.tenant, set.Tenant) {
		v.observeRefresh("rejected")
		v.log.Error("the provider refreshed a session to another user; it is ended", r.identity(h.name())...)
		return v.reject(ctx, h, used) // whose requests the pair would sign is no longer certain
	}
	saved, err := v.save(ctx, h, used, set, begun)
	if err == nil || errors.Is(err, ErrAbsent) {
		if err == nil {
			v.observeRefresh("ok")
			v.happened(h.name(), HappenedRefresh, "")
			v.log.Debug("refreshed", append(r.identity(h.name()), "age", begun.Sub(r.created).Round(time.Second))...)
		}
		return saved, err
	}
	// The provider has given the pair and the store would not take it. It is
	// the only one there is: served from memory, saved as soon as possible.
	v.observeRefresh("unsaved")
	v.happened(h.name(), HappenedUnsaved, err.Error())
	v.log.Warn("a new token could not be stored yet; keeping it in memory", append(r.identity(h.name()), "error", err)...)
	v.unsaved.put(unsavedPair{handle: h, used: []secret.String{used}, set: set, at: begun})
	r.take(set, begun)
	r.unsaved = true
	return r, nil
}

// save stores a new pair, unless somebody stored another one meanwhile: that
// is the one to use then. It has time of its own: the provider may have used up
// all there was.
func (v *Vault) save(ctx context.Context, h handle, used secret.String, set Set, now time.Time) (*record, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	return v.update(ctx, h, func(r *record) bool {
		if r.ended != "" || !r.refresh.Equal(used) {
			return false
		}
		r.take(set, now)
		return true
	})
}

// reject ends a session whose refresh token the provider refuses for good,
// unless the store has a newer one by now. It has time of its own, as save.
func (v *Vault) reject(ctx context.Context, h handle, used secret.String) (*record, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	r, err := v.conclude(ctx, h, EndRejected, func(r *record) bool { return r.refresh.Equal(used) })
	if err != nil {
		v.pauses.failed(h.name(), v.now(), 0)
		return nil, err
	}
	return r, nil
}

func (v *Vault) observeRefresh(result string) {
	if observer := v.policy.Load().Observer; observer != nil {
		observer.Refreshed(result)
	}
}

func (v *Vault) observeWait(begun time.Time) {
	if observer := v.policy.Load().Observer; observer != nil {
		observer.Waited(v.now().Sub(begun))
	}
}

// differ tells whether two known identities are not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

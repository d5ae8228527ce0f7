package tokens

import (
	"context"
	"time"
)

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

// forget drops what is remembered of a session that is over. The reason is for
// those who watch it.
func (v *Vault) forget(name Name, reason EndReason) {
	v.pauses.forget(name)
	v.unsaved.drop(name)
	v.opened.records.Forget(name)
	v.keeper.drop(name)
	v.streams.end(name, reason, v.now())
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

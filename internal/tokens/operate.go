package tokens

import (
	"context"
	"errors"
)

// List calls visit for every session in the store, ended ones included, with
// what operating may know of it. No ticket is needed, and no token is opened.
func (v *Vault) List(ctx context.Context, visit func(Info) error) error {
	seal := v.sealer()
	err := v.store.Each(ctx, func(name Name, stored Record) error {
		parts, err := seal.split(stored.Sealed)
		if err != nil {
			return nil // not a session: a note of ours, or nothing of ours
		}
		r, err := parts.openMeta(name)
		if err != nil {
			return nil
		}
		return visit(r.info(name, parts.site))
	})
	return storeError(err)
}

// End ends the session of a name for a reason, here and on every replica: what
// is left of it says why. ErrAbsent where there is none; one that has ended
// already stays as it is, which is no error.
func (v *Vault) End(ctx context.Context, name Name, reason EndReason) error {
	for range maxConflicts {
		stored, err := v.store.Load(ctx, name)
		if err != nil {
			return storeError(err)
		}
		seal := v.sealer()
		parts, err := seal.split(stored.Sealed)
		if err != nil {
			return ErrAbsent
		}
		r, err := parts.openMeta(name)
		if err != nil {
			return ErrAbsent
		}
		if r.ended != "" {
			return nil
		}
		r.ended, r.jobs = reason, jobs{}
		sealed, err := seal.seal(r, name, parts.site, Ticket{})
		if err != nil {
			return err
		}
		err = v.store.Replace(ctx, name, Record{Generation: stored.Generation + 1, Expires: r.expires, Sealed: sealed})
		if err == nil {
			v.ended(r.info(name, parts.site))
		}
		if !errors.Is(err, ErrConflict) {
			return storeError(err)
		}
	}
	return &Unavailable{Part: PartStore, Err: ErrConflict}
}

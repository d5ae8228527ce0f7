package tokens

import (
	"context"
	"errors"
)

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

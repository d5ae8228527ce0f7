package tokens

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// Notes are small things the gateway keeps for itself and its replicas beside
// the sessions, such as the clients it registered: sealed with the master key
// alone, under a name made of their kind and id.
type Notes struct {
	vault *Vault
	kind  string
}

// Notes returns the notes of a kind.
func (v *Vault) Notes(kind string) *Notes { return &Notes{vault: v, kind: kind} }

const (
	noteVersion = 2 // of sealed bytes that are no session
	noteLabel   = "osc-gw/1 note "
	kindNote    = 'n'
)

func (n *Notes) name(id string) Name {
	return sha256.Sum256([]byte(noteLabel + n.kind + "\x00" + id))
}

// Read returns a note and its generation. ErrAbsent where there is none, or
// none that opens; *Unavailable where the store does not answer.
func (n *Notes) Read(ctx context.Context, id string) (value []byte, generation uint64, err error) {
	name := n.name(id)
	stored, err := n.vault.store.Load(ctx, name)
	if err != nil {
		return nil, 0, storeError(err)
	}
	sealed := stored.Sealed
	const head = 1 + keyIDSize
	if len(sealed) < head || sealed[0] != noteVersion {
		return nil, stored.Generation, ErrAbsent
	}
	key := n.vault.ring.Load().find(sealed[1:head])
	if key == nil {
		return nil, stored.Generation, ErrAbsent
	}
	value, err = openSealed(key.sealed, sealed[head:], additional(sealed[:head], kindNote, name))
	if err != nil {
		return nil, stored.Generation, ErrAbsent
	}
	return value, stored.Generation, nil
}

// Write stores the note that follows a generation, 0 for none, until it
// expires. ErrConflict where somebody else wrote it first.
func (n *Notes) Write(ctx context.Context, id string, value []byte, generation uint64, expires time.Time) error {
	name, key := n.name(id), n.vault.ring.Load().newest()
	head := append([]byte{noteVersion}, key.id[:]...)
	sealed, err := appendSealed(n.vault.random, head, key.sealed, value, additional(head, kindNote, name))
	if err != nil {
		return err
	}
	record := Record{Generation: generation + 1, Expires: expires, Sealed: sealed}
	if generation == 0 {
		return noteError(n.vault.store.Create(ctx, name, record))
	}
	return noteError(n.vault.store.Replace(ctx, name, record))
}

// Lease takes or renews the exclusive right to change a note. ErrHeld where
// another replica has it.
func (n *Notes) Lease(ctx context.Context, id string, ttl time.Duration) error {
	err := n.vault.store.Lease(ctx, leaseName(n.name(id)), n.vault.holder, ttl)
	if err == nil || errors.Is(err, ErrHeld) {
		return err
	}
	return storeError(err)
}

// Release gives the right back.
func (n *Notes) Release(ctx context.Context, id string) {
	_ = n.vault.store.Release(context.WithoutCancel(ctx), leaseName(n.name(id)), n.vault.holder)
}

// noteError makes one conflict of all the ways to lose a race.
func noteError(err error) error {
	if errors.Is(err, ErrExists) || errors.Is(err, ErrAbsent) || errors.Is(err, ErrConflict) {
		return ErrConflict
	}
	return storeError(err)
}

package tokens

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

// unsaved holds token pairs that the provider has given and the store would
// not take. They exist nowhere else, so they are served from here and saved as
// soon as the store lets them.
type unsaved struct {
	mu    sync.Mutex
	pairs map[Name]unsavedPair
}

type unsavedPair struct {
	handle handle
	used   []secret.String // what the store may still have: the refresh tokens that led to the pair
	set    Set
	at     time.Time
}

// put keeps a pair. One that was traded for a pair that is not known to be saved
// takes its place: the store has the token before either.
func (u *unsaved) put(pair unsavedPair) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if before, there := u.pairs[pair.handle.name()]; there {
		pair.used = slices.Concat(before.used, pair.used)
	}
	if u.pairs == nil {
		u.pairs = map[Name]unsavedPair{}
	}
	u.pairs[pair.handle.name()] = pair
}

func (u *unsaved) get(name Name) (unsavedPair, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	pair, there := u.pairs[name]
	return pair, there
}

func (u *unsaved) drop(name Name) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.pairs, name)
}

// saved drops a pair by its access token. A newer one that came while it was
// being saved stays.
func (u *unsaved) saved(name Name, access secret.String) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if pair, there := u.pairs[name]; there && pair.set.Access.Equal(access) {
		delete(u.pairs, name)
	}
}

func (u *unsaved) all() []unsavedPair {
	u.mu.Lock()
	defer u.mu.Unlock()
	pairs := make([]unsavedPair, 0, len(u.pairs))
	for _, pair := range u.pairs {
		pairs = append(pairs, pair)
	}
	return pairs
}

// overlay puts a pair into the record it was meant for, as the store has it. A
// record with another refresh token has moved on, and the pair is of no use.
func (u *unsaved) overlay(name Name, r *record) {
	pair, there := u.get(name)
	if !there {
		return
	}
	if r.ended != "" || !slices.ContainsFunc(pair.used, r.refresh.Equal) {
		u.drop(name)
		return
	}
	r.take(pair.set, pair.at)
	r.unsaved = true
}

// flush makes a last attempt to save every pair.
func (v *Vault) flush(ctx context.Context) {
	for _, pair := range v.unsaved.all() {
		if _, err := v.saveAgain(ctx, pair.handle); err != nil && !errors.Is(err, ErrAbsent) {
			v.log.Error("a token could not be stored; its session is lost with this process", "session", pair.handle.name().Digest(), "error", err)
		}
	}
}

// saveAgain stores a record whose new pair is in memory only.
func (v *Vault) saveAgain(ctx context.Context, h handle) (*record, error) {
	return v.update(ctx, h, func(r *record) bool { return r.unsaved })
}

package tokens

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Life is all that can be told of a session without a token: what its record
// says, what this process plans for it, and what it has seen happen.
type Life struct {
	Info
	// Stored says that there is a record. Without one, only the history is left:
	// the session was signed out, or its record has run out.
	Stored    bool
	Writes    uint64    // how often the record was written, the sign-in included
	Refreshed time.Time // the last time; zero: the token is that of the sign-in
	JobsUntil time.Time // kept fresh for jobs until then; zero: there are none

	// What follows is this process's. Another replica may know the session better.

	Client      string    // the id of the client that got its tokens; "" where the ticket was not seen
	NextRefresh time.Time // in the background; zero: this process does not look after the session
	PausedUntil time.Time // the provider is not asked again before; zero: no pause
	Failures    int       // of refreshes, since the last that worked
	Unsaved     bool      // its token is in memory only, since the store did not take it
	Streams     int       // open WebSockets and the like
	History     []Event
}

// Find returns the names of the sessions whose digests begin with prefix: those
// in the store, and those this process remembers.
func (v *Vault) Find(ctx context.Context, prefix string) ([]Name, error) {
	found := map[Name]bool{}
	note := func(name Name) {
		if strings.HasPrefix(name.Digest(), prefix) {
			found[name] = true
		}
	}
	for _, name := range v.histories.names() {
		note(name)
	}
	err := v.List(ctx, func(info Info) error { note(info.Name); return nil })
	names := make([]Name, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	return names, err
}

// Life tells of a session. ErrAbsent where nothing is known of it.
func (v *Vault) Life(ctx context.Context, name Name) (Life, error) {
	life := Life{Info: Info{Name: name}, History: v.histories.of(name)}
	r, site, generation, err := v.loadMeta(ctx, name)
	switch {
	case errors.Is(err, ErrAbsent) && len(life.History) == 0:
		return Life{}, ErrAbsent
	case errors.Is(err, ErrAbsent):
		return life, nil
	case err != nil:
		return Life{}, err
	}
	life.Info, life.Stored, life.Writes, life.JobsUntil = r.info(name, site), true, generation, r.jobs.until
	if !r.tokenIssued.Equal(r.created) {
		life.Refreshed = r.tokenIssued
	}
	if life.Ended == "" {
		v.addPlans(ctx, &life)
	}
	return life, nil
}

// addPlans adds what this process knows of a living session.
func (v *Vault) addPlans(ctx context.Context, life *Life) {
	name := life.Name
	if plan, h := v.keeper.plan(name); plan != nil {
		life.NextRefresh = plan.due.time()
		if used := plan.lastUsed.time(); used.After(life.LastUsed) { // and not written down yet
			life.LastUsed = used
		}
		if r, err := v.load(ctx, h); err == nil {
			life.Client = r.client.ID
		}
	}
	life.PausedUntil, life.Failures = v.pauses.of(name, v.now())
	_, life.Unsaved = v.unsaved.get(name)
	life.Streams = v.streams.count(name)
}

// loadMeta reads of a record what the master key opens.
func (v *Vault) loadMeta(ctx context.Context, name Name) (r *record, site string, generation uint64, err error) {
	stored, err := v.store.Load(ctx, name)
	if err != nil {
		return nil, "", 0, storeError(err)
	}
	seal := v.sealer()
	parts, err := seal.split(stored.Sealed)
	if err != nil {
		return nil, "", 0, ErrAbsent
	}
	if r, err = parts.openMeta(name); err != nil {
		return nil, "", 0, ErrAbsent
	}
	return r, parts.site, stored.Generation, nil
}

// plan is a copy of what the keeper has in mind for a session, nil for nothing.
func (k *keeper) plan(name Name) (*kept, handle) {
	k.mu.Lock()
	defer k.mu.Unlock()
	entry := k.known[name.half()]
	if entry == nil {
		return nil, handle{}
	}
	plan := *entry
	return &plan, k.handle(entry)
}

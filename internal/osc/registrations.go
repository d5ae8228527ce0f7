package osc

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// Shelf keeps registrations, sealed, for this process after a restart and for
// its replicas; tokens.Notes is one.
type Shelf interface {
	Read(ctx context.Context, id string) (value []byte, generation uint64, err error)
	Write(ctx context.Context, id string, value []byte, generation uint64, expires time.Time) error
	Lease(ctx context.Context, id string, ttl time.Duration) error
	Release(ctx context.Context, id string)
}

const (
	// keepRegistration is how long a registration stays on the shelf. Sessions
	// carry the client that got their tokens, so this is for flows only.
	keepRegistration = 30 * 24 * time.Hour
	// keepReplaced is how many registrations of a redirect URI are kept beside
	// the newest, to finish the flows they began.
	keepReplaced = 2

	shelfLease = 20 * time.Second
	shelfPoll  = 100 * time.Millisecond
)

// registrations are those of one redirect URI, newest first.
type registrations []Registration

// usable is the newest, if sign-ins may begin with it.
func (r registrations) usable(now time.Time) (Registration, bool) {
	if len(r) == 0 {
		return Registration{}, false
	}
	return r[0], r[0].usable(now)
}

func (r registrations) find(id string) (Registration, bool) {
	for _, registered := range r {
		if id != "" && registered.Client.ID == id {
			return registered, true
		}
	}
	return Registration{}, false
}

func (r registrations) without(id string) registrations {
	kept := make(registrations, 0, len(r))
	for _, registered := range r {
		if registered.Client.ID != id {
			kept = append(kept, registered)
		}
	}
	return kept
}

// usable tells whether new sign-ins may begin with the registration.
func (r Registration) usable(now time.Time) bool {
	switch {
	case r.Forever:
		return true
	case r.Expires.After(r.Created): // an end before the beginning says nothing
		ahead := min(renewAhead, r.Expires.Sub(r.Created)/2)
		return now.Before(r.Expires.Add(-ahead))
	default:
		return now.Before(r.Created.Add(unknownAge))
	}
}

// registerOnce registers with the provider unless another replica has, which
// the shelf tells. The result begins with the one to use.
func (c *Clients) registerOnce(ctx context.Context, redirectURI string) (registrations, error) {
	provider, shelf, name := c.current()
	if shelf == nil {
		registered, err := provider.Register(ctx, name, redirectURI)
		if err != nil {
			return nil, err
		}
		return c.prepend(registered, redirectURI), nil
	}
	release, stored, err := c.lease(ctx, shelf, redirectURI)
	if err != nil {
		return nil, err
	}
	if release == nil {
		return stored, nil
	}
	defer release()
	stored, generation, err := c.read(ctx, redirectURI)
	if err != nil {
		return nil, err
	}
	if _, usable := stored.usable(c.now()); usable {
		return stored, nil
	}
	registered, err := provider.Register(ctx, name, redirectURI)
	if err != nil {
		return nil, err
	}
	list := append(registrations{registered}, stored[:min(len(stored), keepReplaced)]...)
	c.noteRegistered(registered)
	if err := c.write(ctx, redirectURI, list, generation); err != nil {
		c.log.Warn("a registration is kept in this process only", "redirect_uri", redirectURI, "error", err)
	}
	return list, nil
}

// lease waits for the right to register for a redirect URI. Where somebody
// else had it and is done, what they stored is returned instead.
func (c *Clients) lease(ctx context.Context, shelf Shelf, redirectURI string) (release func(), stored registrations, err error) {
	id := c.shelfID(redirectURI)
	for {
		err := shelf.Lease(ctx, id, shelfLease)
		if err == nil {
			return func() { shelf.Release(ctx, id) }, nil, nil
		}
		if !errors.Is(err, tokens.ErrHeld) {
			return nil, nil, err
		}
		stored, _, err := c.read(ctx, redirectURI)
		if err != nil {
			return nil, nil, err
		}
		if _, usable := stored.usable(c.now()); usable {
			return nil, stored, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, &Error{Endpoint: EndpointRegistration, cause: errors.New("another replica is registering")}
		case <-time.After(shelfPoll):
		}
	}
}

// prepend is the list of a redirect URI with a new registration in front.
func (c *Clients) prepend(registered Registration, redirectURI string) registrations {
	c.noteRegistered(registered)
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.registered[redirectURI]
	return append(registrations{registered}, before[:min(len(before), keepReplaced)]...)
}

// noteRegistered tells of a registration, which the provider knows for sure.
func (c *Clients) noteRegistered(registered Registration) {
	c.log.Info("registered with the provider", "redirect_uri", registered.RedirectURI, "client_id", registered.Client.ID)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proven[registered.RedirectURI] = proof{id: registered.Client.ID, at: c.now()}
}

// shelfID is where the registrations of a redirect URI are on the shelf. What
// one provider registered, another does not know.
func (c *Clients) shelfID(redirectURI string) string {
	provider, _, _ := c.current()
	return provider.Issuer() + " " + redirectURI
}

// storedRegistration is a registration as it is written down, inside a seal.
type storedRegistration struct {
	ID      string    `json:"id"`
	Secret  string    `json:"secret,omitempty"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	Forever bool      `json:"forever,omitempty"`
}

// read returns what the shelf has, nothing where there is no shelf.
func (c *Clients) read(ctx context.Context, redirectURI string) (registrations, uint64, error) {
	_, shelf, _ := c.current()
	if shelf == nil {
		return nil, 0, nil
	}
	value, generation, err := shelf.Read(ctx, c.shelfID(redirectURI))
	if errors.Is(err, tokens.ErrAbsent) {
		return nil, generation, nil
	}
	if err != nil {
		return nil, 0, err
	}
	var stored []storedRegistration
	if err := json.Unmarshal(value, &stored); err != nil {
		return nil, generation, nil //nolint:nilerr // what can't be read is replaced
	}
	list := make(registrations, len(stored))
	for i, s := range stored {
		list[i] = Registration{
			Client:      tokens.Client{ID: s.ID, Secret: secret.New(s.Secret), Dynamic: true},
			RedirectURI: redirectURI, Created: s.Created, Expires: s.Expires, Forever: s.Forever,
		}
	}
	return list, generation, nil
}

func (c *Clients) write(ctx context.Context, redirectURI string, list registrations, generation uint64) error {
	_, shelf, _ := c.current()
	stored := make([]storedRegistration, len(list))
	for i, r := range list {
		stored[i] = storedRegistration{ID: r.Client.ID, Secret: r.Client.Secret.Reveal(), Created: r.Created, Expires: r.Expires, Forever: r.Forever}
	}
	value, err := json.Marshal(stored)
	if err != nil {
		return err
	}
	return shelf.Write(ctx, c.shelfID(redirectURI), value, generation, c.now().Add(keepRegistration))
}

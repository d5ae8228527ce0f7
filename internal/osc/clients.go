package osc

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	// renewAhead is how long before its end a registration gets no new
	// sign-ins: as long as one may take.
	renewAhead = 15 * time.Minute
	// unknownAge is how long a registration is used for new sign-ins where the
	// provider does not say when it ends. OSC calls its registrations
	// short-lived and gives no figure; an authorization request with a client it
	// has forgotten ends on its error page, where nobody can help the visitor.
	unknownAge = 30 * time.Minute
	// registerPause is the least time between two attempts after a failure.
	registerPause = 5 * time.Second
	// registerTimeout bounds a registration with everything around it.
	registerTimeout = 30 * time.Second
	// maxRegistrations bounds the redirect URIs clients are kept for.
	maxRegistrations = 256
)

// ErrTooManyClients says that more redirect URIs are in use than the gateway
// keeps registrations for.
var ErrTooManyClients = errors.New("too many redirect URIs")

// Clients are the OAuth clients the gateway acts as: the configured one, or
// one registered per redirect URI, once, and kept. It outlives configurations.
type Clients struct {
	now func() time.Time
	log *slog.Logger

	mu          sync.Mutex
	configured  tokens.Client // ID "" for none
	name        string
	provider    *Provider
	shelf       Shelf // nil: registrations are kept in this process only
	registered  map[string]registrations
	proven      map[string]proof
	failedUntil map[string]pausedRegistration
	registering singleflight.Group
}

type pausedRegistration struct {
	until time.Time
	err   error
}

// NewClients makes an empty set of clients; Adopt tells it whose they are.
func NewClients(now func() time.Time, log *slog.Logger) *Clients {
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Clients{now: now, log: log, registered: map[string]registrations{}, proven: map[string]proof{}, failedUntil: map[string]pausedRegistration{}}
}

// Adopt makes provider the one to register with, and configured (ID "" for
// none) the client to be. name is what the consent page shows of a registered
// client.
func (c *Clients) Adopt(provider *Provider, configured tokens.Client, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.provider != nil && c.provider.Issuer() != provider.Issuer() {
		// What one provider registered, another does not know.
		clear(c.registered)
		clear(c.proven)
		clear(c.failedUntil)
	}
	c.provider, c.configured, c.name = provider, configured, name
}

// KeepOn has registrations kept on a shelf, which replicas may share.
func (c *Clients) KeepOn(shelf Shelf) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shelf = shelf
}

// current is what the present configuration says.
func (c *Clients) current() (*Provider, Shelf, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.provider, c.shelf, c.name
}

// For returns the client for a redirect URI, registering one where there is
// none, the one there is ends soon, or the provider has forgotten it. However
// many ask, one call is made.
func (c *Clients) For(ctx context.Context, redirectURI string) (tokens.Client, error) {
	client, err := c.get(ctx, redirectURI)
	if err != nil || !client.Dynamic || !c.isDoubtful(redirectURI, client.ID) {
		return client, err
	}
	if provider, _, _ := c.current(); provider.Knows(ctx, client, redirectURI) {
		return client, nil
	}
	c.log.Warn("the provider has forgotten a registration; registering anew", "redirect_uri", redirectURI, "client_id", client.ID)
	c.Forget(ctx, redirectURI, client.ID)
	return c.get(ctx, redirectURI)
}

func (c *Clients) get(ctx context.Context, redirectURI string) (tokens.Client, error) {
	c.mu.Lock()
	configured := c.configured
	known, usable := c.registered[redirectURI].usable(c.now())
	paused := c.failedUntil[redirectURI]
	c.mu.Unlock()
	switch {
	case configured.ID != "":
		return configured, nil
	case usable:
		return known.Client, nil
	case c.now().Before(paused.until):
		return tokens.Client{}, paused.err
	}
	// Detached: the registration is kept, also when the first to ask leaves.
	done := c.registering.DoChan(redirectURI, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), registerTimeout)
		defer cancel()
		return c.register(ctx, redirectURI)
	})
	select {
	case <-ctx.Done():
		return tokens.Client{}, ctx.Err()
	case result := <-done:
		client, _ := result.Val.(tokens.Client)
		return client, result.Err
	}
}

func (c *Clients) register(ctx context.Context, redirectURI string) (tokens.Client, error) {
	c.mu.Lock()
	known, usable := c.registered[redirectURI].usable(c.now())
	paused, full := c.failedUntil[redirectURI], c.isFull(redirectURI)
	c.mu.Unlock()
	switch { // somebody may have been faster
	case usable:
		return known.Client, nil
	case c.now().Before(paused.until):
		return tokens.Client{}, paused.err
	case full:
		return tokens.Client{}, ErrTooManyClients
	}
	registered, err := c.registerOnce(ctx, redirectURI)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.pause(redirectURI, err)
		return tokens.Client{}, err
	}
	if c.isFull(redirectURI) {
		return tokens.Client{}, ErrTooManyClients
	}
	delete(c.failedUntil, redirectURI)
	c.registered[redirectURI] = registered
	return registered[0].Client, nil
}

// pause keeps a failing registration from being tried for every visitor.
func (c *Clients) pause(redirectURI string, err error) {
	now := c.now()
	for other, paused := range c.failedUntil {
		if !now.Before(paused.until) {
			delete(c.failedUntil, other)
		}
	}
	if len(c.failedUntil) < maxRegistrations {
		c.failedUntil[redirectURI] = pausedRegistration{until: now.Add(max(registerPause, RetryAfter(err))), err: err}
	}
	c.log.Warn("registering with the provider failed", "redirect_uri", redirectURI, "error", err)
}

// isFull tells whether there is no room for a redirect URI that has no client.
func (c *Clients) isFull(redirectURI string) bool {
	_, there := c.registered[redirectURI]
	return !there && len(c.registered) >= maxRegistrations
}

// ByID returns the client a flow to a redirect URI began with, as long as it
// may still finish. False where nobody knows it any more; an error where the
// shelf does not answer.
func (c *Clients) ByID(ctx context.Context, redirectURI, id string) (tokens.Client, bool, error) {
	c.mu.Lock()
	configured := c.configured
	known := c.registered[redirectURI]
	c.mu.Unlock()
	if id != "" && configured.ID == id {
		return configured, true, nil
	}
	if found, there := known.find(id); there {
		return found.Client, true, nil
	}
	stored, _, err := c.read(ctx, redirectURI) // another replica may have begun the flow
	if err != nil {
		return tokens.Client{}, false, err
	}
	found, there := stored.find(id)
	return found.Client, there, nil
}

// Forget drops a registration the provider does not know any more, so that the
// next sign-in registers anew. False for the configured client, which only the
// operator can mend.
func (c *Clients) Forget(ctx context.Context, redirectURI, id string) bool {
	c.mu.Lock()
	configured := c.configured.ID == id
	c.registered[redirectURI] = c.registered[redirectURI].without(id)
	if len(c.registered[redirectURI]) == 0 {
		delete(c.registered, redirectURI)
	}
	c.mu.Unlock()
	if configured {
		return false
	}
	stored, generation, err := c.read(ctx, redirectURI)
	if err == nil && slices.ContainsFunc(stored, func(r Registration) bool { return r.Client.ID == id }) {
		err = c.write(ctx, redirectURI, stored.without(id), generation)
	}
	if err != nil {
		c.log.Warn("a registration the provider forgot is still kept", "redirect_uri", redirectURI, "error", err)
	}
	return true
}

// Refresh trades a refresh token with the client that got it. The configured
// client's present secret is used for sessions it got, so that changing the
// secret signs nobody out.
func (c *Clients) Refresh(ctx context.Context, client tokens.Client, refresh secret.String) (tokens.Set, error) {
	c.mu.Lock()
	provider := c.provider
	if c.configured.ID != "" && c.configured.ID == client.ID {
		client = c.configured
	}
	c.mu.Unlock()
	return provider.Refresh(ctx, client, refresh)
}

// Exchange trades a code with the client its flow began with.
func (c *Clients) Exchange(ctx context.Context, client tokens.Client, code, verifier, redirectURI string) (tokens.Set, error) {
	provider, _, _ := c.current()
	set, err := provider.Exchange(ctx, client, code, verifier, redirectURI)
	if err == nil {
		c.prove(redirectURI, client.ID)
	}
	return set, err
}

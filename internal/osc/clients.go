package osc

import (
	"context"
	"errors"
	"log/slog"
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
	// keepReplaced is how long a replaced registration still finishes flows.
	keepReplaced = 20 * time.Minute
	// maxRegistrations bounds what is kept: one per redirect URI of the sites,
	// and those being replaced.
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
	current     map[string]Registration // by redirect URI
	replaced    map[string]Registration // by client id: still finishing flows
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
	return &Clients{
		now: now, log: log, current: map[string]Registration{}, replaced: map[string]Registration{},
		failedUntil: map[string]pausedRegistration{},
	}
}

// Adopt makes provider the one to register with, and configured (ID "" for
// none) the client to be. name is what the consent page shows of a registered
// client.
func (c *Clients) Adopt(provider *Provider, configured tokens.Client, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.provider != nil && c.provider.Issuer() != provider.Issuer() {
		// What one provider registered, another does not know.
		clear(c.current)
		clear(c.replaced)
		clear(c.failedUntil)
	}
	c.provider, c.configured, c.name = provider, configured, name
}

// For returns the client for a redirect URI, registering one where there is
// none or the one there is ends soon. However many ask, one call is made.
func (c *Clients) For(ctx context.Context, redirectURI string) (tokens.Client, error) {
	c.mu.Lock()
	configured, known := c.configured, c.current[redirectURI]
	paused, isPaused := c.failedUntil[redirectURI]
	c.mu.Unlock()
	switch {
	case configured.ID != "":
		return configured, nil
	case known.Client.ID != "" && known.usable(c.now()):
		return known.Client, nil
	case isPaused && c.now().Before(paused.until):
		return tokens.Client{}, paused.err
	}
	// Detached: the registration is kept, also when the first to ask leaves.
	done := c.registering.DoChan(redirectURI, func() (any, error) {
		return c.register(context.WithoutCancel(ctx), redirectURI)
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
	known, provider, name := c.current[redirectURI], c.provider, c.name
	paused, full := c.failedUntil[redirectURI], c.isFull(redirectURI)
	c.mu.Unlock()
	switch now := c.now(); { // somebody may have been faster
	case known.Client.ID != "" && known.usable(now):
		return known.Client, nil
	case now.Before(paused.until):
		return tokens.Client{}, paused.err
	case full:
		return tokens.Client{}, ErrTooManyClients
	}
	registered, err := provider.Register(ctx, name, redirectURI)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		pause := registerPause
		var failed *Error
		if errors.As(err, &failed) {
			pause = max(pause, failed.RetryAfter())
		}
		c.failedUntil[redirectURI] = pausedRegistration{until: c.now().Add(pause), err: err}
		c.log.Warn("registering with the provider failed", "redirect_uri", redirectURI, "error", err)
		return tokens.Client{}, err
	}
	if c.isFull(redirectURI) {
		return tokens.Client{}, ErrTooManyClients
	}
	delete(c.failedUntil, redirectURI)
	c.retire(redirectURI)
	c.current[redirectURI] = registered
	c.log.Info("registered with the provider", "redirect_uri", redirectURI, "client_id", registered.Client.ID)
	return registered.Client, nil
}

// isFull tells whether there is no room for a redirect URI that has no client.
func (c *Clients) isFull(redirectURI string) bool {
	_, there := c.current[redirectURI]
	return !there && len(c.current) >= maxRegistrations
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

// ByID returns the client a flow began with, as long as it may still finish.
func (c *Clients) ByID(id string) (tokens.Client, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id != "" && c.configured.ID == id {
		return c.configured, true
	}
	for _, registered := range c.current {
		if registered.Client.ID == id {
			return registered.Client, true
		}
	}
	registered, there := c.replaced[id]
	return registered.Client, there
}

// Forget drops a registration the provider does not know any more, so that the
// next sign-in registers anew. False for the configured client, which only the
// operator can mend.
func (c *Clients) Forget(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.configured.ID == id {
		return false
	}
	for redirectURI, registered := range c.current {
		if registered.Client.ID == id {
			delete(c.current, redirectURI)
		}
	}
	delete(c.replaced, id)
	return true
}

// retire moves a registration out of the way of its successor.
func (c *Clients) retire(redirectURI string) {
	now := c.now()
	for id, old := range c.replaced {
		if now.Sub(old.Created) > keepReplaced+unknownAge && (old.Expires.IsZero() || now.After(old.Expires)) {
			delete(c.replaced, id)
		}
	}
	if old, there := c.current[redirectURI]; there && len(c.replaced) < maxRegistrations {
		c.replaced[old.Client.ID] = old
	}
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
	c.mu.Lock()
	provider := c.provider
	c.mu.Unlock()
	return provider.Exchange(ctx, client, code, verifier, redirectURI)
}

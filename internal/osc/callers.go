package osc

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/Eyevinn/osc-gateway/internal/recent"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	// A caller's token counts as good for callerGood after OSC accepted it, and as
	// refused for callerRefused.
	callerGood    = time.Minute
	callerRefused = 10 * time.Second
	// maxCallers is about how many are remembered.
	maxCallers = 4096
	// maxChecks bounds the tokens that are being checked: anybody can send some,
	// and they must not crowd out those who refresh sessions. One waits checkWait
	// for its turn.
	maxChecks = 8
	checkWait = 5 * time.Second
)

// ErrTokenRefused says that OSC does not accept a token.
var ErrTokenRefused = errors.New("OSC does not accept the token")

var errTooManyChecks = errors.New("too many tokens are being checked")

// Callers finds out who the tokens are of that programs bring along. OSC signs
// them with a key only it has, so it is asked: its catalogue answers nobody else.
type Callers struct {
	services *Services
	flights  singleflight.Group
	checks   chan struct{}
	known    *recent.Map[tokens.Name, caller]
}

type caller struct {
	session *tokens.Session // nil for a token that was refused
	until   time.Time
}

// NewCallers makes it, on the platform of services.
func NewCallers(services *Services) *Callers {
	return &Callers{services: services, checks: make(chan struct{}, maxChecks), known: recent.New[tokens.Name, caller](maxCallers)}
}

const callerLabel = "osc-gw/1 caller "

// Identify returns who a token is of, as a session that is in no store. OSC is
// asked once, and again when some time has passed. ErrTokenRefused is its no;
// any other error means that it did not say.
func (c *Callers) Identify(ctx context.Context, token secret.String) (*tokens.Session, error) {
	name := tokens.Name(sha256.Sum256([]byte(callerLabel + token.Reveal())))
	if known, there := c.good(name); there {
		return known.result()
	}
	done := c.flights.DoChan(string(name[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), serviceTimeout)
		defer cancel()
		return c.check(ctx, name, token)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-done:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.(caller).result()
	}
}

func (c *Callers) good(name tokens.Name) (caller, bool) {
	known, there := c.known.Get(name)
	return known, there && c.services.provider.now().Before(known.until)
}

// check asks OSC, and remembers what it said.
func (c *Callers) check(ctx context.Context, name tokens.Name, token secret.String) (caller, error) {
	select {
	case c.checks <- struct{}{}:
		defer func() { <-c.checks }()
	case <-time.After(checkWait):
		return caller{}, errTooManyChecks
	}
	_, err := c.services.subscriptions(ctx, token)
	now := c.services.provider.now()
	var answer *Error
	switch {
	case err == nil:
		said := readClaims(token.Reveal(), now)
		lifetime := said.lifetime
		if lifetime == 0 {
			lifetime = callerGood
		}
		found := caller{until: now.Add(min(lifetime, callerGood)), session: &tokens.Session{
			Name: name, Access: token, User: said.user, Tenant: said.tenant,
			Created: now, TokenExpires: now.Add(lifetime), Expires: now.Add(lifetime),
		}}
		c.known.Put(name, found)
		return found, nil
	case errors.As(err, &answer) && (answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden):
		refused := caller{until: now.Add(callerRefused)}
		c.known.Put(name, refused)
		return refused, nil
	default:
		return caller{}, err
	}
}

func (c caller) result() (*tokens.Session, error) {
	if c.session == nil {
		return nil, ErrTokenRefused
	}
	return c.session, nil
}

package osc

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	// provenFor is how long a registration that a sign-in came back with is
	// taken to be known to the provider.
	provenFor = 30 * time.Minute
	// probeTimeout bounds how long a visitor waits for the provider to say
	// whether it still knows a client.
	probeTimeout = 2 * time.Second
)

// Recognition is what the provider makes of a client and its redirect URI.
type Recognition int

// Unsaid is no answer, or one that says nothing.
const (
	Unsaid Recognition = iota
	Recognized
	Unrecognized
)

// Knows tells whether the provider still knows a client. No answer, or one that
// says nothing, counts as yes.
func (p *Provider) Knows(ctx context.Context, client tokens.Client, redirectURI string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return p.Recognize(ctx, client, redirectURI) != Unrecognized
}

// Recognize asks what the provider makes of a client, the way a browser is about
// to: by the authorization request. To a client it does not know, or one it
// knows by other redirect URIs, it must not redirect (RFC 6749 §4.1.2.1), so the
// visitor would be left on its error page, and the gateway would never hear of
// it. Nothing comes of the question.
func (p *Provider) Recognize(ctx context.Context, client tokens.Client, redirectURI string) Recognition {
	target := p.AuthorizeURL(ctx, Authorization{
		ClientID: client.ID, RedirectURI: redirectURI, State: probeState,
		// Of a verifier nobody has: a code for it could not be exchanged.
		Challenge: probeState, ChallengeMethod: "S256",
	})
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return Unsaid
	}
	request.Header.Set("Accept", "text/html")
	answer, _, err := p.call(ctx, EndpointAuthorization, request)
	if err != nil {
		return Unsaid
	}
	switch code := answer.StatusCode; {
	case code == http.StatusBadRequest, code == http.StatusUnauthorized, code == http.StatusForbidden:
		return Unrecognized
	case code < http.StatusBadRequest:
		return Recognized
	default:
		return Unsaid
	}
}

// probeState is as long as a state and a challenge, and neither.
var probeState = strings.Repeat("0", 43)

// isDoubtful tells whether the provider should be asked about a registration
// before a visitor is sent there with it, and takes it for proven from now on:
// one visitor asks, the others go ahead.
func (c *Clients) isDoubtful(redirectURI, id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if last := c.proven[redirectURI]; last.id == id && now.Sub(last.at) < provenFor {
		return false
	}
	c.proven[redirectURI] = proof{id: id, at: now}
	return true
}

// prove notes that the provider knows a client.
func (c *Clients) prove(redirectURI, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.registered[redirectURI]; there {
		c.proven[redirectURI] = proof{id: id, at: c.now()}
	}
}

type proof struct {
	id string
	at time.Time
}

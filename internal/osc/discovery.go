package osc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	wellKnown = "/.well-known/oauth-authorization-server"
	// What discovery said is good for an hour; what had to be assumed because
	// it said nothing is asked for again soon.
	metadataAge = time.Hour
	assumedAge  = 30 * time.Second
	// renewPatience is how long a request waits for news of what is known.
	renewPatience = time.Second
)

// metadata is what there is to know of the provider (RFC 8414 §2).
type metadata struct {
	authorization, token, registration string
	basicAuth                          bool // client_secret_basic instead of _post
	sendsIssuer                        bool // RFC 9207: every callback carries iss
	goodUntil                          time.Time
}

// endpoints returns the provider's metadata: discovered, and where discovery
// gives none, what it said before, or OSC's known paths.
func (p *Provider) endpoints(ctx context.Context) metadata {
	known, fresh := p.known()
	if fresh {
		return known
	}
	// Detached: the answer is everybody's, also when the first to ask leaves.
	detached := context.WithoutCancel(ctx)
	asked := p.discovering.DoChan("", func() (any, error) { return p.discover(detached), nil })
	fallback := p.assumed()
	if known.token != "" {
		// It has hardly changed: worth waiting for, not worth waiting long.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, renewPatience)
		defer cancel()
		fallback = known
	}
	select {
	case found := <-asked:
		return found.Val.(metadata)
	case <-ctx.Done():
		return fallback
	}
}

// known is what was found out last, and whether it is still good.
func (p *Provider) known() (metadata, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.metadata, p.now().Before(p.metadata.goodUntil)
}

func (p *Provider) discover(ctx context.Context) metadata {
	known, fresh := p.known()
	if fresh {
		return known // somebody was faster
	}
	found, err := p.fetchMetadata(ctx)
	if err != nil {
		p.log.Warn("discovery failed; using OSC's known endpoints for now", "issuer", p.issuer, "error", err)
		if found = known; found.token == "" {
			found = p.assumed()
		}
		found.goodUntil = p.now().Add(assumedAge)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.metadata = found
	return found
}

// assumed is where OSC's endpoints are known to be.
func (p *Provider) assumed() metadata {
	base := strings.TrimSuffix(p.issuer, "/")
	return metadata{
		authorization: base + "/api/connect/authorize",
		token:         base + "/api/connect/token",
		registration:  base + "/api/connect/register",
	}
}

// DiscoveryURL is where an issuer's metadata is: the well-known path stands
// between the issuer's host and its path (RFC 8414 §3.1).
func DiscoveryURL(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil { // New has refused it
		return ""
	}
	u.Path = wellKnown + strings.TrimSuffix(u.Path, "/")
	return u.String()
}

func (p *Provider) fetchMetadata(ctx context.Context) (metadata, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, DiscoveryURL(p.issuer), nil)
	if err != nil {
		return metadata{}, err
	}
	request.Header.Set("Accept", "application/json")
	answer, body, err := p.call(ctx, EndpointDiscovery, request)
	if err != nil {
		return metadata{}, err
	}
	malformed := func(why string) (metadata, error) {
		return metadata{}, &Error{Endpoint: EndpointDiscovery, Status: answer.StatusCode, Malformed: true, cause: errors.New(why)}
	}
	if answer.StatusCode != http.StatusOK {
		return metadata{}, failure(EndpointDiscovery, answer, body, p.now())
	}
	document, err := parseObject(body)
	if err != nil {
		return malformed(err.Error())
	}
	// RFC 8414 §3.3: a document of another issuer must not be used.
	if issuer, _ := document.text("issuer"); issuer != p.issuer {
		return malformed("issuer differs from the one configured")
	}
	found := p.assumed()
	for name, target := range map[string]*string{
		"authorization_endpoint": &found.authorization, "token_endpoint": &found.token, "registration_endpoint": &found.registration,
	} {
		if _, there := document[name]; !there {
			continue
		}
		endpoint, ok := document.text(name)
		if !ok || CheckEndpoint(endpoint) != nil {
			return malformed(name + " is not usable")
		}
		*target = endpoint
	}
	methods, err := document.texts("token_endpoint_auth_methods_supported")
	if err != nil {
		return malformed(err.Error())
	}
	// RFC 8414 makes Basic the default where nothing is said; OSC says nothing
	// and every client of its posts the secret. Basic only where it is asked for.
	found.basicAuth = slices.Contains(methods, "client_secret_basic") && !slices.Contains(methods, "client_secret_post")
	found.sendsIssuer = document.flag("authorization_response_iss_parameter_supported")
	found.goodUntil = p.now().Add(metadataAge)
	return found, nil
}

package osc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	maxToken = 16 << 10
	// A token is good for at most maxLifetime, and for defaultLifetime where
	// the provider does not say (RFC 6749 §5.1 only recommends it).
	maxLifetime     = 24 * time.Hour
	defaultLifetime = time.Hour
)

// Authorization is what goes into an authorization request.
type Authorization struct {
	ClientID, RedirectURI, State, Challenge, ChallengeMethod string
}

// AuthorizeURL is where to send the browser (RFC 6749 §4.1.1, RFC 7636 §4.3).
// No scope is asked for: OSC's means nothing.
func (p *Provider) AuthorizeURL(ctx context.Context, a Authorization) string {
	endpoint := p.endpoints(ctx).authorization
	query := url.Values{
		"response_type": {"code"}, "client_id": {a.ClientID}, "redirect_uri": {a.RedirectURI}, "state": {a.State},
		"code_challenge": {a.Challenge}, "code_challenge_method": {a.ChallengeMethod},
	}.Encode()
	if strings.Contains(endpoint, "?") { // RFC 6749 §3.1: the endpoint's own query stays
		return endpoint + "&" + query
	}
	return endpoint + "?" + query
}

// CheckIssuer judges the iss parameter of a callback (RFC 9207 §2.4): where it
// is given it must be this provider's, where the provider promised it, it must
// be given.
func (p *Provider) CheckIssuer(ctx context.Context, values []string) bool {
	if len(values) == 0 {
		return !p.endpoints(ctx).sendsIssuer
	}
	return len(values) == 1 && values[0] == p.issuer
}

// Exchange trades a code for tokens (RFC 6749 §4.1.3). A code works once: the
// call is never repeated, whatever comes of it.
func (p *Provider) Exchange(ctx context.Context, client tokens.Client, code, verifier, redirectURI string) (tokens.Set, error) {
	return p.grant(ctx, client, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
	})
}

// Refresh trades a refresh token for a new set (RFC 6749 §6). While the
// provider asked to be left alone, nothing is sent.
func (p *Provider) Refresh(ctx context.Context, client tokens.Client, refresh secret.String) (tokens.Set, error) {
	p.mu.Lock()
	left := p.pausedUntil.Sub(p.now())
	p.mu.Unlock()
	if left > 0 {
		return tokens.Set{}, &Error{Endpoint: EndpointToken, retry: left, cause: errors.New("the provider asked for a pause")}
	}
	return p.grant(ctx, client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}})
}

func (p *Provider) grant(ctx context.Context, client tokens.Client, form url.Values) (tokens.Set, error) {
	endpoints := p.endpoints(ctx)
	// RFC 6749 §2.3.1: the secret in the body, never in the URL. Basic
	// authentication leaves the id out of the body.
	basic := endpoints.basicAuth && !client.Secret.IsEmpty()
	if !basic {
		form.Set("client_id", client.ID)
		if !client.Secret.IsEmpty() {
			form.Set("client_secret", client.Secret.Reveal())
		}
	}
	request, err := post(ctx, endpoints.token, "application/x-www-form-urlencoded", []byte(form.Encode()))
	if err != nil {
		return tokens.Set{}, &Error{Endpoint: EndpointToken, cause: err}
	}
	if basic {
		request.SetBasicAuth(url.QueryEscape(client.ID), url.QueryEscape(client.Secret.Reveal()))
	}
	answer, body, err := p.call(ctx, EndpointToken, request)
	if err != nil {
		return tokens.Set{}, err
	}
	if answer.StatusCode != http.StatusOK {
		failed := failure(EndpointToken, answer, body, p.now())
		p.pause(failed.retry)
		return tokens.Set{}, failed
	}
	set, err := parseSet(body, p.now())
	if err != nil {
		return tokens.Set{}, &Error{Endpoint: EndpointToken, Status: answer.StatusCode, Malformed: true, cause: err}
	}
	return set, nil
}

// pause keeps refreshes away from the token endpoint for as long as it asked.
func (p *Provider) pause(asked time.Duration) {
	if asked <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pausedUntil = p.now().Add(asked)
}

// parseSet reads a token response (RFC 6749 §5.1). Its errors name members,
// never values.
func parseSet(body []byte, now time.Time) (tokens.Set, error) {
	answer, err := parseObject(body)
	if err != nil {
		return tokens.Set{}, err
	}
	if _, failed := answer["error"]; failed {
		return tokens.Set{}, errors.New("an error with the status of a success")
	}
	kind, ok := answer.text("token_type")
	if !ok || !strings.EqualFold(kind, "bearer") {
		return tokens.Set{}, errors.New("token_type is not Bearer")
	}
	access, ok := answer.text("access_token")
	if !ok || !IsToken(access) {
		return tokens.Set{}, errors.New("access_token is not a bearer token")
	}
	refresh, err := answer.refreshToken()
	if err != nil {
		return tokens.Set{}, err
	}
	lifetime, ok, err := answer.seconds("expires_in", maxLifetime)
	if err != nil {
		return tokens.Set{}, err
	}
	if !ok {
		lifetime = defaultLifetime
	}
	said := readClaims(access, now)
	if said.lifetime > 0 {
		lifetime = min(lifetime, said.lifetime)
	}
	return tokens.Set{
		Access: secret.New(access), Refresh: refresh, Lifetime: lifetime, User: said.user, Tenant: said.tenant,
	}, nil
}

func (o object) refreshToken() (secret.String, error) {
	if _, there := o["refresh_token"]; !there {
		return secret.String{}, nil
	}
	token, ok := o.text("refresh_token")
	if !ok || len(token) > maxToken || !isVisible(token) {
		return secret.String{}, errors.New("refresh_token is not usable")
	}
	return secret.New(token), nil
}

// IsToken checks the syntax of a bearer token (RFC 6750 §2.1), so that what
// is stored today can be sent in a header for hours.
func IsToken(s string) bool {
	body := strings.TrimRight(s, "=")
	if body == "" || len(s) > maxToken {
		return false
	}
	for i := range len(body) {
		c := body[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~+/", c) >= 0:
		default:
			return false
		}
	}
	return true
}

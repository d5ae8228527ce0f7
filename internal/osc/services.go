package osc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/Eyevinn/osc-gateway/internal/recent"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// The platform's endpoints a service token takes.
const (
	EndpointServiceToken Endpoint = "service_token"
	EndpointCatalog      Endpoint = "catalog"
)

const (
	// A service token is used until serviceMargin before its end; a shorter
	// lived one for most of its life.
	serviceMargin = 5 * time.Minute
	// maxServiceTokens is about how many are remembered.
	maxServiceTokens = 4096
	// serviceTimeout bounds an exchange with everything around it.
	serviceTimeout = 30 * time.Second
)

// Services trades a user's token for the token of one OSC service, which opens
// that service in the user's workspace and nothing else.
type Services struct {
	provider     *Provider
	tokenService string
	catalog      string
	flights      singleflight.Group
	known        *recent.Map[serviceKey, serviceToken]
	subscribed   *recent.Map[subscription, struct{}]
}

type serviceKey struct {
	session tokens.Name
	service string
}

type subscription struct{ tenant, service string }

type serviceToken struct {
	token secret.String
	tried time.Time // when it was last replaced because an instance refused it
	until time.Time
}

// NewServices makes the exchange, with the platform's token service and
// catalogue, both https URLs without a slash at their end.
func NewServices(provider *Provider, tokenService, catalog string) *Services {
	return &Services{
		provider: provider, tokenService: tokenService, catalog: catalog,
		known:      recent.New[serviceKey, serviceToken](maxServiceTokens),
		subscribed: recent.New[subscription, struct{}](maxServiceTokens),
	}
}

// Token returns a token of a service for a session, exchanging the session's
// own where none is at hand. However many ask, one exchange is made, and it
// goes on when the request that asked first goes away. A token of another
// session or service is never returned.
func (s *Services) Token(ctx context.Context, session *tokens.Session, service string) (secret.String, error) {
	return s.other(ctx, session, service, secret.String{})
}

// other returns a token that is not the one refused.
func (s *Services) other(ctx context.Context, session *tokens.Session, service string, refused secret.String) (secret.String, error) {
	key := serviceKey{session.Name, service}
	if known, there := s.good(key); there && !known.token.Equal(refused) {
		return known.token, nil
	}
	done := s.flights.DoChan(string(key.session[:])+service, func() (any, error) {
		known, there := s.good(key)
		if there && (!known.token.Equal(refused) || !s.mayRenew(key, known)) { // somebody may have been faster
			return known, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), serviceTimeout)
		defer cancel()
		fresh, err := s.exchange(ctx, session, service)
		if err != nil {
			return nil, err
		}
		if !refused.IsEmpty() {
			fresh.tried = s.provider.now()
		}
		s.known.Put(key, fresh)
		return fresh, nil
	})
	select {
	case <-ctx.Done():
		return secret.String{}, ctx.Err()
	case result := <-done:
		fresh, _ := result.Val.(serviceToken)
		return fresh.token, result.Err
	}
}

// renewEvery is how far apart the exchanges are at least that an instance asks
// for by refusing the token of its service.
const renewEvery = time.Minute

// Renew is Token for a session whose token of a service an instance refused: it
// exchanges again, unless there is another one by now or that was tried a moment
// ago.
func (s *Services) Renew(ctx context.Context, session *tokens.Session, service string, refused secret.String) (secret.String, error) {
	return s.other(ctx, session, service, refused)
}

// mayRenew tells whether a token that was refused is to be exchanged again, and
// remembers that it was, also where that fails.
func (s *Services) mayRenew(key serviceKey, known serviceToken) bool {
	now := s.provider.now()
	if since := now.Sub(known.tried); since >= 0 && since < renewEvery { // less than 0: the clock was set back
		return false
	}
	known.tried = now
	s.known.Put(key, known)
	return true
}

// good is the token that is remembered, where it can still be used.
func (s *Services) good(key serviceKey) (serviceToken, bool) {
	known, there := s.known.Get(key)
	return known, there && s.provider.now().Before(known.until)
}

// exchange subscribes the workspace to the service where it is not, as OSC's
// own SDK does, and trades the token.
func (s *Services) exchange(ctx context.Context, session *tokens.Session, service string) (serviceToken, error) {
	if err := s.subscribe(ctx, session, service); err != nil {
		return serviceToken{}, err
	}
	body, err := json.Marshal(map[string]string{"serviceId": service})
	if err != nil {
		return serviceToken{}, err
	}
	answer, err := s.ask(ctx, EndpointServiceToken, http.MethodPost, s.tokenService+"/servicetoken", session.Access, body)
	if err != nil {
		s.subscribed.Forget(subscription{session.Tenant, service}) // it may have ended
		return serviceToken{}, err
	}
	fresh, err := s.parse(answer, service)
	if err != nil {
		return serviceToken{}, &Error{Endpoint: EndpointServiceToken, Status: http.StatusOK, Malformed: true, cause: err}
	}
	return fresh, nil
}

func (s *Services) parse(body []byte, service string) (serviceToken, error) {
	answer, err := parseObject(body)
	if err != nil {
		return serviceToken{}, err
	}
	if named, given := answer.text("serviceId"); given && named != service {
		return serviceToken{}, errors.New("serviceId is not the one asked for")
	}
	token, ok := answer.text("token")
	if !ok || !IsToken(token) {
		return serviceToken{}, errors.New("token is not a bearer token")
	}
	now := s.provider.now()
	expiry, given, err := answer.seconds("expiry", 200*365*24*time.Hour)
	if err != nil || !given {
		return serviceToken{}, errors.New("expiry is not a time")
	}
	lifetime := min(expiry-time.Duration(now.Unix())*time.Second, maxLifetime)
	if said := readClaims(token, now).lifetime; said > 0 {
		lifetime = min(lifetime, said)
	}
	if lifetime <= 0 {
		return serviceToken{}, errors.New("token has expired")
	}
	return serviceToken{token: secret.New(token), until: now.Add(lifetime - min(serviceMargin, lifetime/5))}, nil
}

// subscribe makes sure that the workspace subscribes to the service.
func (s *Services) subscribe(ctx context.Context, session *tokens.Session, service string) error {
	key := subscription{session.Tenant, service}
	if _, there := s.subscribed.Get(key); there && session.Tenant != "" {
		return nil
	}
	list, err := s.subscriptions(ctx, session.Access)
	if err != nil {
		return err
	}
	for _, subscribed := range list {
		if subscribed.ServiceID == service {
			s.subscribed.Put(key, struct{}{})
			return nil
		}
	}
	wish, err := json.Marshal(map[string][]string{"services": {service}})
	if err != nil {
		return err
	}
	if _, err := s.ask(ctx, EndpointCatalog, http.MethodPost, s.catalog+"/mysubscriptions", session.Access, wish); err != nil {
		return err
	}
	s.subscribed.Put(key, struct{}{})
	return nil
}

// subscriptions are the services the token's workspace subscribes to, as the
// catalogue lists them. A page of success that is no such list is an error: it may
// be of anybody, who answers everybody so.
func (s *Services) subscriptions(ctx context.Context, pat secret.String) ([]listedService, error) {
	body, err := s.ask(ctx, EndpointCatalog, http.MethodGet, s.catalog+"/mysubscriptions", pat, nil)
	if err != nil {
		return nil, err
	}
	var list []listedService
	if err := json.Unmarshal(body, &list); err != nil || list == nil {
		return nil, &Error{Endpoint: EndpointCatalog, Status: http.StatusOK, Malformed: true, cause: errors.New("not a list of subscriptions")}
	}
	return list, nil
}

type listedService struct {
	ServiceID string `json:"serviceId"`
}

// ask calls the platform in the user's name. A body-less call has no content
// type: the platform's services refuse one.
func (s *Services) ask(ctx context.Context, endpoint Endpoint, method, target string, pat secret.String, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, &Error{Endpoint: endpoint, cause: err}
	}
	request.Header.Set("X-Pat-Jwt", "Bearer "+pat.Reveal())
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, received, err := s.provider.call(ctx, endpoint, request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return nil, failure(endpoint, answer, received, s.provider.now())
	}
	return received, nil
}

// IsRefusal tells whether an error is the platform's own no, not weather: the
// user's workspace may not use the service, or there is none of that name.
func IsRefusal(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Malformed || e.Status >= 400 && e.Status < 500 && e.Status != http.StatusTooManyRequests)
}

// CatalogOf is where the catalogue is beside a token service: OSC names both
// alike.
func CatalogOf(tokenService string) string {
	if rest, found := strings.CutPrefix(tokenService, "https://token."); found {
		return "https://catalog." + rest
	}
	if rest, found := strings.CutSuffix(tokenService, "/token"); found {
		return rest + "/catalog"
	}
	return tokenService
}

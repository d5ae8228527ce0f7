package osc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// maxCredential bounds a client id or secret a provider may hand out.
const maxCredential = 4 << 10

// Registration is a client the gateway registered for one redirect URI.
type Registration struct {
	Client      tokens.Client
	RedirectURI string
	Created     time.Time
	// Expires is when the provider said the secret ends (RFC 7591 §3.2.1
	// client_secret_expires_at); zero where it did not say or said never.
	Expires time.Time
	// Forever says that the provider promised the secret does not end.
	Forever bool
}

// clientMetadata is a registration request (RFC 7591 §2).
type clientMetadata struct {
	Name          string   `json:"client_name"`
	RedirectURIs  []string `json:"redirect_uris"`
	GrantTypes    []string `json:"grant_types"`
	ResponseTypes []string `json:"response_types"`
	AuthMethod    string   `json:"token_endpoint_auth_method"`
}

// Register registers a client for a redirect URI (RFC 7591 §3.1). A provider
// that refuses to hear of the refresh_token grant is asked again without:
// OSC's own clients do not name it and are given refresh tokens all the same.
func (p *Provider) Register(ctx context.Context, name, redirectURI string) (Registration, error) {
	endpoints := p.endpoints(ctx)
	wish := clientMetadata{
		Name: name, RedirectURIs: []string{redirectURI}, ResponseTypes: []string{"code"},
		GrantTypes: []string{"authorization_code", "refresh_token"}, AuthMethod: "client_secret_post",
	}
	if endpoints.basicAuth {
		wish.AuthMethod = "client_secret_basic"
	}
	registered, err := p.register(ctx, endpoints.registration, wish)
	var refused *Error
	if errors.As(err, &refused) && refused.Code == "invalid_client_metadata" {
		wish.GrantTypes = wish.GrantTypes[:1]
		registered, err = p.register(ctx, endpoints.registration, wish)
	}
	return registered, err
}

func (p *Provider) register(ctx context.Context, endpoint string, wish clientMetadata) (Registration, error) {
	body, err := json.Marshal(wish)
	if err != nil {
		return Registration{}, err
	}
	request, err := post(ctx, endpoint, "application/json", body)
	if err != nil {
		return Registration{}, &Error{Endpoint: EndpointRegistration, cause: err}
	}
	answer, body, err := p.call(ctx, EndpointRegistration, request)
	if err != nil {
		return Registration{}, err
	}
	if answer.StatusCode != http.StatusCreated && answer.StatusCode != http.StatusOK {
		return Registration{}, failure(EndpointRegistration, answer, body, p.now())
	}
	registered, err := parseRegistration(body, wish.RedirectURIs)
	if err != nil {
		return Registration{}, &Error{Endpoint: EndpointRegistration, Status: answer.StatusCode, Malformed: true, cause: err}
	}
	registered.RedirectURI, registered.Created = wish.RedirectURIs[0], p.now()
	return registered, nil
}

// parseRegistration reads a client information response (RFC 7591 §3.2.1). No
// URL in it is ever fetched.
func parseRegistration(body []byte, redirectURIs []string) (Registration, error) {
	answer, err := parseObject(body)
	if err != nil {
		return Registration{}, err
	}
	id, ok := answer.text("client_id")
	if !ok || id == "" || len(id) > maxCredential || !isVisible(id) {
		return Registration{}, errors.New("client_id is not usable")
	}
	registered := Registration{Client: tokens.Client{ID: id, Dynamic: true}}
	if _, there := answer["client_secret"]; there {
		value, ok := answer.text("client_secret")
		if !ok || value == "" || len(value) > maxCredential || !isVisible(value) {
			return Registration{}, errors.New("client_secret is not usable")
		}
		registered.Client.Secret = secret.New(value)
	}
	echoed, err := answer.texts("redirect_uris")
	if err != nil {
		return Registration{}, err
	}
	if echoed != nil && !slices.Equal(echoed, redirectURIs) {
		return Registration{}, errors.New("redirect_uris are not those asked for")
	}
	expires, told, err := answer.seconds("client_secret_expires_at", 200*365*24*time.Hour)
	switch {
	case err != nil:
		return Registration{}, err
	case told && isZero(answer["client_secret_expires_at"]):
		registered.Forever = true
	case told:
		registered.Expires = time.Unix(int64(expires/time.Second), 0)
	}
	return registered, nil
}

// isZero tells whether a number is written as 0, which says "never" here; what
// is merely cut to 0 does not.
func isZero(raw json.RawMessage) bool { s := string(raw); return s == "0" || s == `"0"` }

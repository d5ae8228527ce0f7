package simulator

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// registrationRequest holds the members the server looks at; others are
// ignored (RFC 7591 §2).
type registrationRequest struct {
	ClientName    string   `json:"client_name"`
	RedirectURIs  []string `json:"redirect_uris"`
	GrantTypes    []string `json:"grant_types"`
	ResponseTypes []string `json:"response_types"`
	AuthMethod    string   `json:"token_endpoint_auth_method"`
}

type registrationResponse struct {
	ClientID      string   `json:"client_id"`
	ClientSecret  string   `json:"client_secret,omitempty"`
	IssuedAt      int64    `json:"client_id_issued_at"`
	ExpiresAt     *int64   `json:"client_secret_expires_at,omitempty"`
	ClientName    string   `json:"client_name,omitempty"`
	RedirectURIs  []string `json:"redirect_uris"`
	GrantTypes    []string `json:"grant_types"`
	ResponseTypes []string `json:"response_types"`
	AuthMethod    string   `json:"token_endpoint_auth_method"`
}

const (
	maxRedirectURIs  = 10
	maxMetadataValue = 2000
)

func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	k := s.Knobs()
	if s.registrationFault(w, r, k.Registration) {
		return
	}
	req, problem := readRegistration(r)
	if problem == nil {
		problem = req.check(k.Registration)
	}
	if problem != nil {
		writeOAuthError(w, problem)
		return
	}
	client, answer := s.newClient(req, k)
	s.mu.Lock()
	var forget time.Time
	if !client.expires.IsZero() {
		forget = client.expires.Add(keepExpired)
	}
	s.clients.put(client.ID, client, forget, s.now())
	s.counters.Registrations++
	s.mu.Unlock()
	writeJSON(w, http.StatusCreated, answer)
}

func (s *Server) registrationFault(w http.ResponseWriter, r *http.Request, k RegistrationKnobs) bool {
	switch k.Fault {
	case "none":
		return false
	case "400":
		writeOAuthError(w, oauthErrorf(http.StatusBadRequest, "invalid_redirect_uri", "The redirect URI is not acceptable"))
	case "403":
		writeFastify(w, http.StatusForbidden, "", "A paid plan is required")
	case "429":
		s.reply(w, r, Fault{Kind: Fault429, RetryAfterSeconds: k.RetryAfterSeconds})
	case "500":
		s.reply(w, r, Fault{Kind: Fault500})
	case "html":
		s.reply(w, r, Fault{Kind: FaultHTML})
	case "hang":
		s.hang(r)
	}
	return true
}

func readRegistration(r *http.Request) (req registrationRequest, problem *oauthError) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return req, invalidMetadata("the request is not application/json")
	}
	dec := json.NewDecoder(r.Body)
	if err := dec.Decode(&req); err != nil {
		return req, invalidMetadata("the request is no JSON object of the expected shape")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return req, invalidMetadata("something follows the JSON object")
	}
	return req, nil
}

// check applies RFC 7591 §2 and fills in its defaults.
func (req *registrationRequest) check(k RegistrationKnobs) *oauthError {
	if len(req.RedirectURIs) == 0 || len(req.RedirectURIs) > maxRedirectURIs {
		return oauthErrorf(http.StatusBadRequest, "invalid_redirect_uri", "between 1 and %d redirect_uris are needed", maxRedirectURIs)
	}
	for _, uri := range req.RedirectURIs {
		if why := badRedirectURI(uri, k.AllowHTTP); why != "" {
			return oauthErrorf(http.StatusBadRequest, "invalid_redirect_uri", "%s", why)
		}
	}
	if req.GrantTypes == nil {
		req.GrantTypes = []string{"authorization_code"}
	}
	if req.ResponseTypes == nil {
		req.ResponseTypes = []string{"code"}
	}
	known := []string{"authorization_code", "refresh_token", "client_credentials"}
	for _, grant := range req.GrantTypes {
		if !slices.Contains(known, grant) {
			return invalidMetadata("a grant type is not supported")
		}
	}
	switch {
	case !slices.Contains(req.GrantTypes, "authorization_code"):
		return invalidMetadata("grant_types lacks authorization_code")
	case !slices.Equal(req.ResponseTypes, []string{"code"}):
		return invalidMetadata("response_types must be code alone")
	case len(req.ClientName) > maxMetadataValue:
		return invalidMetadata("client_name is too long")
	case !slices.Contains([]string{"", "none", "client_secret_post", "client_secret_basic"}, req.AuthMethod):
		return invalidMetadata("the token_endpoint_auth_method is not supported")
	case req.AuthMethod == "none" && k.RefusePublicClients:
		return invalidMetadata("public clients are not supported")
	}
	return nil
}

func badRedirectURI(uri string, allowHTTP bool) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Host == "" || len(uri) > maxMetadataValue:
		return "a redirect URI is not an absolute URI"
	case strings.Contains(uri, "#"):
		return "a redirect URI has a fragment" // RFC 6749 §3.1.2
	case u.Scheme == "https":
		return ""
	case u.Scheme == "http" && (allowHTTP || isLoopback(u.Hostname())):
		return ""
	}
	return "a redirect URI is neither https nor loopback"
}

func invalidMetadata(why string) *oauthError {
	return oauthErrorf(http.StatusBadRequest, "invalid_client_metadata", "%s", why)
}

func (s *Server) newClient(req registrationRequest, k Knobs) (Client, registrationResponse) {
	now := s.now()
	c := Client{ID: s.newClientID(), Name: req.ClientName, RedirectURIs: slices.Clone(req.RedirectURIs)}
	orElse(&c.Name, c.ID)
	answer := registrationResponse{
		ClientID:      c.ID,
		IssuedAt:      now.Unix(),
		ClientName:    req.ClientName,
		RedirectURIs:  req.RedirectURIs,
		GrantTypes:    req.GrantTypes,
		ResponseTypes: req.ResponseTypes,
		AuthMethod:    "none",
	}
	var expiresAt int64
	if life := k.Registration.ClientLifetimeSeconds; life > 0 {
		c.expires = now.Add(time.Duration(life) * time.Second)
		expiresAt = c.expires.Unix()
	}
	if req.AuthMethod != "none" {
		c.Secret = s.newClientSecret()
		answer.ClientSecret = c.Secret
		// The server may choose another method than asked for, and says which
		// (RFC 7591 §3.2.1).
		answer.AuthMethod = authMethods(k.Token.ClientAuth)[0]
		if k.Token.ClientAuth == "both" && req.AuthMethod != "" {
			answer.AuthMethod = req.AuthMethod
		}
		if !k.Registration.OmitExpiresAt {
			answer.ExpiresAt = &expiresAt
		}
	}
	if k.Registration.EchoWrongRedirectURIs {
		answer.RedirectURIs = []string{"https://elsewhere.invalid/callback"}
	}
	return c, answer
}

package simulator

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
)

// authenticate finds out which client is calling (RFC 6749 §2.3). Public
// clients just name themselves.
func (s *Server) authenticate(r *http.Request, form url.Values, grant string) (Client, *oauthError) {
	k := s.Knobs()
	id, secret, method, problem := credentials(r, form)
	if problem != nil {
		return Client{}, problem
	}
	client, found, alive := s.client(id)
	if !alive && !(found && grant == "refresh_token" && k.Registration.ExpiredClientsRefresh) {
		return Client{}, invalidClient(method, "the client is not known or has expired")
	}
	if k.Token.ClientAuth == "none" {
		return client, nil
	}
	if client.Secret == "" {
		if method != "none" {
			return Client{}, invalidClient(method, "a public client has no secret")
		}
		return client, nil
	}
	switch {
	case method == "none":
		return Client{}, invalidClient(method, "the client must authenticate")
	case k.Token.ClientAuth != "both" && k.Token.ClientAuth != method:
		return Client{}, invalidClient(method, "the authentication method is not supported")
	case subtle.ConstantTimeCompare([]byte(secret), []byte(client.Secret)) != 1:
		return Client{}, invalidClient(method, "the client secret is wrong")
	}
	return client, nil
}

// credentials reads the one method used: post, basic or none.
func credentials(r *http.Request, form url.Values) (id, secret, method string, problem *oauthError) {
	id, secret = form.Get("client_id"), form.Get("client_secret")
	if r.Header.Get("Authorization") == "" {
		switch {
		case id == "":
			return "", "", "", oauthErrorf(http.StatusBadRequest, "invalid_request", "client_id is missing")
		case secret == "":
			return id, "", "none", nil
		}
		return id, secret, "post", nil
	}
	if secret != "" {
		return "", "", "", invalidRequest("more than one authentication method is used") // RFC 6749 §2.3
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return "", "", "basic", invalidClient("basic", "the Authorization header is not Basic")
	}
	// Both are form-encoded before they are joined (RFC 6749 §2.3.1).
	user, errUser := url.QueryUnescape(user)
	password, errPassword := url.QueryUnescape(password)
	switch {
	case errUser != nil || errPassword != nil:
		return "", "", "basic", invalidClient("basic", "the Authorization header is malformed")
	case id != "" && id != user:
		return "", "", "basic", invalidRequest("two different client_ids")
	}
	return user, password, "basic", nil
}

func invalidClient(method, why string) *oauthError {
	e := oauthErrorf(http.StatusUnauthorized, "invalid_client", "%s", why)
	e.challenge = strings.EqualFold(method, "basic")
	return e
}

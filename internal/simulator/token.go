package simulator

import (
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
)

// token is the token endpoint (RFC 6749 §3.2).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	form, problem := readTokenForm(r)
	if problem != nil {
		s.refuse(w, "", problem)
		return
	}
	grant := form.Get("grant_type")
	switch grant {
	case "authorization_code", "refresh_token", "client_credentials":
	case "":
		s.refuse(w, grant, invalidRequest("grant_type is missing"))
		return
	default:
		s.refuse(w, "", oauthErrorf(http.StatusBadRequest, "unsupported_grant_type", "the grant type is not supported"))
		return
	}
	client, problem := s.authenticate(r, form, grant)
	if problem != nil {
		s.countRejected(grant)
		s.refuse(w, grant, problem)
		return
	}
	switch grant {
	case "authorization_code":
		s.exchange(w, client, form)
	case "refresh_token":
		s.refresh(w, client, form)
	default:
		// Advertised, yet nothing tells what it would be good for.
		s.refuse(w, grant, oauthErrorf(http.StatusBadRequest, "unauthorized_client", "the client may not use client_credentials"))
	}
}

func (s *Server) countRejected(grant string) {
	s.count(func(c *Counters) {
		switch grant {
		case "authorization_code":
			c.CodeRejected++
		case "refresh_token":
			c.RefreshRejected++
		}
	})
}

func readTokenForm(r *http.Request) (url.Values, *oauthError) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return nil, invalidRequest("the request is not application/x-www-form-urlencoded")
	}
	if r.URL.RawQuery != "" {
		return nil, invalidRequest("parameters belong in the body") // RFC 6749 §2.3.1
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, invalidRequest("the body could not be read")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidRequest("the body is malformed")
	}
	for _, values := range form {
		if len(values) > 1 {
			return nil, invalidRequest("a parameter is included more than once") // RFC 6749 §3.2
		}
	}
	return form, nil
}

// refuse answers an error. Nothing of the request is in the log line.
func (s *Server) refuse(w http.ResponseWriter, grant string, problem *oauthError) {
	s.log.Info("token request refused", slog.String("grant_type", grant),
		slog.String("error", problem.Code), slog.String("why", problem.Description))
	writeOAuthError(w, problem)
}

// tokenResponse has exactly the five members OSC sends, in its order.
type tokenResponse struct {
	AccessToken  string          `json:"access_token"`
	RefreshToken string          `json:"refresh_token,omitempty"`
	TokenType    string          `json:"token_type"`
	ExpiresIn    json.RawMessage `json:"expires_in,omitempty"`
	Scope        string          `json:"scope"`
}

func (s *Server) grant(w http.ResponseWriter, user, tenant, refresh string) {
	k := s.Knobs()
	writeJSON(w, http.StatusOK, tokenResponse{
		AccessToken:  s.newPAT(user, tenant, "oauth", k),
		RefreshToken: refresh,
		TokenType:    "Bearer",
		ExpiresIn:    expiresIn(k.Token),
		Scope:        "claudeai",
	})
}

func expiresIn(k TokenKnobs) json.RawMessage {
	n := strconv.Itoa(k.AccessLifetimeSeconds)
	switch k.ExpiresIn {
	case "string":
		return json.RawMessage(`"` + n + `"`)
	case "fraction":
		return json.RawMessage(n + ".5")
	case "absent":
		return nil
	case "huge":
		return json.RawMessage("9223372036854775807")
	case "negative":
		return json.RawMessage("-1")
	case "raw":
		return json.RawMessage(k.ExpiresInRaw)
	}
	return json.RawMessage(n)
}

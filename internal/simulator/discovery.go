package simulator

import (
	"net/http"
	"time"
)

const wrongIssuer = "https://issuer.invalid"

// metadata is the whole RFC 8414 document: seven fields in this order. That
// refresh_token is not among the grant types, and no authentication method is
// named, is how OSC has it.
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RegistrationEndpoint  string   `json:"registration_endpoint"`
	GrantTypes            []string `json:"grant_types_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`

	AuthMethods []string       `json:"token_endpoint_auth_methods_supported,omitempty"`
	Iss         bool           `json:"authorization_response_iss_parameter_supported,omitempty"`
	Scopes      []string       `json:"scopes_supported,omitempty"`
	Docs        string         `json:"service_documentation,omitempty"`
	Unknown     map[string]any `json:"x_unknown_extension,omitempty"`
}

func (s *Server) discovery(w http.ResponseWriter, r *http.Request) {
	s.count(func(c *Counters) { c.Discovery++ })
	k := s.Knobs()
	base := s.base(r)
	doc := metadata{
		Issuer:                base,
		AuthorizationEndpoint: base + "/api/connect/authorize",
		TokenEndpoint:         base + "/api/connect/token",
		RegistrationEndpoint:  base + "/api/connect/register",
		GrantTypes:            []string{"authorization_code", "client_credentials"},
		ResponseTypes:         []string{"code"},
		ChallengeMethods:      []string{"S256"},
		Iss:                   k.Discovery.AdvertiseIss,
	}
	if k.Discovery.AdvertiseAuthMethods {
		doc.AuthMethods = authMethods(k.Token.ClientAuth)
	}
	switch k.Discovery.Mode {
	case "404":
		s.reply(w, r, Fault{Kind: FaultFastify404})
		return
	case "500":
		s.reply(w, r, Fault{Kind: Fault500})
		return
	case "html":
		s.reply(w, r, Fault{Kind: FaultHTML})
		return
	case "slow":
		if s.pause(r, time.Duration(k.Discovery.SlowMS)*time.Millisecond) != nil {
			abort()
		}
	case "wrong_issuer":
		doc.Issuer = wrongIssuer
	case "extra_fields":
		doc.Scopes = []string{"claudeai"}
		doc.Docs = base + "/docs"
		doc.Unknown = map[string]any{"nested": []int{1, 2, 3}}
	}
	writeJSON(w, http.StatusOK, doc)
}

func authMethods(knob string) []string {
	switch knob {
	case "basic":
		return []string{"client_secret_basic"}
	case "both":
		return []string{"client_secret_basic", "client_secret_post"}
	case "none":
		return []string{"none"}
	}
	return []string{"client_secret_post"}
}

package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// What a peer is registered with.
const (
	peerID     = "bench"
	peerSecret = "a-secret-of-32-bytes-at-the-least-for-HS256"
)

// oidcProvider hands out OSC's tokens the way OpenID Connect does, for peers
// that speak nothing else: OSC itself has no ID tokens.
type oidcProvider struct {
	issuer string
	osc    *provider
	server *http.Server

	mu     sync.Mutex
	nonces map[string]string // by code
}

func newOIDCProvider(osc *provider) (*oidcProvider, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &oidcProvider{issuer: "http://" + listener.Addr().String(), osc: osc, nonces: map[string]string{}}
	routes := http.NewServeMux()
	routes.HandleFunc("GET "+discovery, p.discover)
	routes.HandleFunc("GET /keys", p.keys)
	routes.HandleFunc("GET /authorize", p.authorize)
	routes.HandleFunc("POST /token", p.token)
	p.server = &http.Server{Handler: routes}
	go p.server.Serve(listener) // ends with close
	return p, nil
}

func (p *oidcProvider) close() { p.server.Close() }

// discovery is where a provider describes itself (OpenID Connect Discovery §4).
const discovery = "/.well-known/openid-configuration"

func (p *oidcProvider) discover(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{ // an error here is a client that went away
		"issuer": p.issuer, "authorization_endpoint": p.issuer + "/authorize", "token_endpoint": p.issuer + "/token",
		"jwks_uri": p.issuer + "/keys", "response_types_supported": []string{"code"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post"},
		"id_token_signing_alg_values_supported": []string{"HS256"},
	})
}

// keys are none: ID tokens are signed with the client's secret. Peers ask anyway.
func (p *oidcProvider) keys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"keys":[]}`)) // an error here is a client that went away
}

// authorize signs in whoever is next, without asking.
func (p *oidcProvider) authorize(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	code := asked.Get("state")
	p.mu.Lock()
	p.nonces[code] = asked.Get("nonce")
	p.mu.Unlock()
	answer := url.Values{"code": {code}, "state": {asked.Get("state")}}
	http.Redirect(w, r, asked.Get("redirect_uri")+"?"+answer.Encode(), http.StatusFound)
}

// token redeems a code.
func (p *oidcProvider) token(w http.ResponseWriter, r *http.Request) {
	code := r.PostFormValue("code")
	p.mu.Lock()
	nonce, known := p.nonces[code]
	delete(p.nonces, code)
	p.mu.Unlock()
	if !known || r.PostFormValue("client_secret") != peerSecret {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	user := p.osc.user()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{ // an error here is a client that went away
		"access_token": p.osc.osc.IssuePAT(user, user), "token_type": "Bearer", "expires_in": lifetime,
		"id_token": p.idToken(user, nonce, time.Now()),
	})
}

// idToken is one signed with the client's secret (OpenID Connect Core §2, §10.1).
func (p *oidcProvider) idToken(user, nonce string, now time.Time) string {
	claims := map[string]any{
		"iss": p.issuer, "aud": peerID, "sub": user, "iat": now.Unix(), "exp": now.Unix() + lifetime,
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	payload, _ := json.Marshal(claims) // strings and numbers: never fails
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(payload)
	mac := hmac.New(sha256.New, []byte(peerSecret))
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

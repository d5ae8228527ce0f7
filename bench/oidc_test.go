package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// newPeerProvider is an OpenID Connect provider with somebody to sign in.
func newPeerProvider(t *testing.T) *oidcProvider {
	t.Helper()
	osc, err := newProvider(900)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(osc.close)
	osc.next(userName(3))
	p, err := newOIDCProvider(osc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

// redeem asks for tokens.
func redeem(p *oidcProvider, code, secret string) *httptest.ResponseRecorder {
	form := url.Values{"code": {code}, "client_secret": {secret}}
	request := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	p.token(answer, request)
	return answer
}

func TestPeersGetOSCsTokenAndAnIDToken(t *testing.T) {
	p := newPeerProvider(t)
	asked := httptest.NewRequest(http.MethodGet, "/authorize?state=abc&nonce=n&redirect_uri=http%3A%2F%2Fpeer%2Fcallback", nil)
	answer := httptest.NewRecorder()
	p.authorize(answer, asked)
	if got := answer.Header().Get("Location"); got != "http://peer/callback?code=abc&state=abc" {
		t.Fatalf("the browser is sent to %s", got)
	}
	answer = redeem(p, "abc", peerSecret)
	var tokens struct {
		Access string `json:"access_token"`
		ID     string `json:"id_token"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &tokens); err != nil {
		t.Fatal(err)
	}
	r := &rig{provider: p.osc}
	if err := r.checkToken(t.Context(), userName(3), "Bearer "+tokens.Access); err != nil {
		t.Errorf("the access token: %v", err)
	}
	signed, signature := tokens.ID[:strings.LastIndex(tokens.ID, ".")], tokens.ID[strings.LastIndex(tokens.ID, ".")+1:]
	mac := hmac.New(sha256.New, []byte(peerSecret))
	mac.Write([]byte(signed))
	if signature != base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) {
		t.Error("the ID token is not signed with the secret")
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(signed, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"nonce":"n"`, `"sub":"` + userName(3) + `"`, `"iss":"` + p.issuer + `"`} {
		if !strings.Contains(string(payload), want) {
			t.Errorf("the ID token lacks %s: %s", want, payload)
		}
	}
	if again := redeem(p, "abc", peerSecret); again.Code != http.StatusBadRequest {
		t.Errorf("a code was taken twice: %d", again.Code)
	}
}

func TestPeersNeedTheirSecret(t *testing.T) {
	p := newPeerProvider(t)
	p.nonces["abc"] = ""
	if answer := redeem(p, "abc", "wrong"); answer.Code != http.StatusBadRequest {
		t.Errorf("status %d", answer.Code)
	}
}

package simulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

// authorizationCode is what was allowed, waiting to be exchanged.
type authorizationCode struct {
	clientID    string
	redirectURI string
	challenge   string
	user        string
	tenant      string

	family  string // the family its exchange starts; known before, for reuse
	expires time.Time
	used    bool
}

// keepCodes is how long a code is remembered past its use or expiry, so that
// reuse is told from a code that never was.
const keepCodes = time.Hour

func (s *Server) newCode(c authorizationCode) string {
	code := "osc_code_" + s.opaqueToken(24)
	c.family = s.hex(familyIDSize)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	c.expires = now.Add(time.Duration(s.knobs.Authorize.CodeLifetimeSeconds) * time.Second)
	s.codes.put(code, &c, c.expires.Add(keepCodes), now)
	return code
}

// IssueCode does what a browser would: it returns a code for a client, as if
// user had signed in and allowed it for tenant. challenge is the S256 one.
func (s *Server) IssueCode(clientID, redirectURI, challenge, user, tenant string) (string, error) {
	client, _, alive := s.client(clientID)
	switch {
	case !alive:
		return "", errors.New("simulator: no such client")
	case !client.allowsRedirect(redirectURI):
		return "", errors.New("simulator: not a redirect URI of the client")
	case !s256.MatchString(challenge):
		return "", errors.New("simulator: not an S256 challenge")
	}
	return s.newCode(authorizationCode{
		clientID: clientID, redirectURI: redirectURI, challenge: challenge, user: user, tenant: tenant,
	}), nil
}

// exchange answers grant_type=authorization_code (RFC 6749 §4.1.3).
func (s *Server) exchange(w http.ResponseWriter, client Client, form url.Values) {
	code, refresh, problem := s.redeem(client, form)
	if problem != nil {
		s.count(func(c *Counters) { c.CodeRejected++ })
		s.refuse(w, "code", problem)
		return
	}
	s.grant(w, code.user, code.tenant, refresh)
}

// verifier is RFC 7636 §4.1.
var verifier = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// redeem uses a code up and starts its family in the same step. A code shown
// by its own client is spent even when the rest does not fit, so that a
// verifier cannot be guessed twice.
func (s *Server) redeem(client Client, form url.Values) (code *authorizationCode, refresh string, problem *oauthError) {
	for _, name := range []string{"code", "redirect_uri", "code_verifier"} {
		if form.Get(name) == "" {
			return nil, "", invalidRequest(name + " is missing")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	code, problem = s.spend(client, form)
	if problem != nil {
		return nil, "", problem
	}
	s.counters.CodeExchangesOK++
	return code, s.startFamily(code), nil
}

// spend finds the code and checks what it is bound to. s.mu is held.
func (s *Server) spend(client Client, form url.Values) (*authorizationCode, *oauthError) {
	now := s.now()
	code, ok := s.codes.get(form.Get("code"), now)
	switch {
	case !ok:
		return nil, invalidGrant("the code is not known")
	case code.clientID != client.ID:
		return nil, invalidGrant("the code was issued to another client")
	case code.used:
		s.counters.CodeReuse++
		if s.knobs.Token.CodeReuseRevokes {
			s.families.delete(code.family)
		}
		return nil, invalidGrant("the code has been used")
	}
	code.used = true
	switch {
	case !now.Before(code.expires):
		return nil, invalidGrant("the code has expired")
	case code.redirectURI != form.Get("redirect_uri"):
		return nil, invalidGrant("the redirect_uri is not the one of the authorization request")
	case !challengeOK(form.Get("code_verifier"), code.challenge):
		return nil, invalidGrant("the code_verifier does not fit the code_challenge")
	}
	return code, nil
}

// challengeOK is RFC 7636 §4.6 for S256.
func challengeOK(codeVerifier, challenge string) bool {
	if !verifier.MatchString(codeVerifier) {
		return false
	}
	sum := sha256.Sum256([]byte(codeVerifier))
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(want), []byte(challenge)) == 1
}

func invalidGrant(why string) *oauthError {
	return oauthErrorf(http.StatusBadRequest, "invalid_grant", "%s", why)
}

package simulator

import (
	"strings"
	"time"
)

const (
	patIssuer = "token.osaas.eyevinn.se"
	maxPad    = 1 << 20
)

// patClaims are the claims of a PAT, in OSC's order.
type patClaims struct {
	Iss      string `json:"iss"`
	Iat      int64  `json:"iat"`
	Exp      *int64 `json:"exp,omitempty"`
	PatID    string `json:"patId"`
	UserID   string `json:"userId"`
	TenantID string `json:"tenantId,omitempty"`
	Type     string `json:"type,omitempty"`
	Padding  string `json:"padding,omitempty"`
}

// newPAT issues an access token; its patId makes every token another one.
func (s *Server) newPAT(user, tenant, kind string, k Knobs) string {
	now := s.now()
	claims := patClaims{Iss: patIssuer, Iat: now.Unix(), PatID: s.uuid(), UserID: user, TenantID: tenant, Type: kind}
	exp := now.Unix() + int64(k.Token.AccessLifetimeSeconds+k.PAT.ExpOffsetSeconds)
	if !k.PAT.OmitExp {
		claims.Exp = &exp
	}
	if k.PAT.Opaque {
		token := "osc_opaque_" + s.opaqueToken(32)
		if missing := k.PAT.PadBytes - len(token); missing > 0 {
			token += strings.Repeat("x", missing)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.opaque.put(token, claims, time.Unix(exp, 0), now)
		return token
	}
	s.mu.Lock()
	key := s.keys.pat
	s.mu.Unlock()
	token := signJWT(key, claims)
	if missing := k.PAT.PadBytes - len(token); missing > 0 {
		claims.Padding = strings.Repeat("x", missing)
		token = signJWT(key, claims)
	}
	return token
}

// IssuePAT returns an access token for a user as the token endpoint would.
func (s *Server) IssuePAT(user, tenant string) string {
	return s.newPAT(user, tenant, "oauth", s.Knobs())
}

// ExpireAccessTokens makes all PATs and service tokens issued so far invalid,
// and leaves refresh tokens alone.
func (s *Server) ExpireAccessTokens() {
	pat, service := s.bytes(32), s.bytes(32)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys.pat, s.keys.service = pat, service
	s.opaque = newTTLMap[patClaims](maxOther)
}

// verifyPAT is what only OSC itself can do: its key is symmetric.
func (s *Server) verifyPAT(token string) (patClaims, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if claims, ok := s.opaque.get(token, now); ok {
		return claims, true
	}
	var claims patClaims
	if !verifyJWT(s.keys.pat, token, &claims) || claims.Iss != patIssuer {
		return patClaims{}, false
	}
	if claims.Exp != nil && now.Unix() >= *claims.Exp {
		return patClaims{}, false
	}
	return claims, true
}

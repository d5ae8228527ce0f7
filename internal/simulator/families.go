package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Family is the line of refresh tokens that one sign-in started.
type Family struct {
	ID        string
	ClientID  string
	UserID    string
	TenantID  string
	CreatedAt time.Time
	ExpiresAt time.Time // of the current refresh token
	Refreshes int       // successful ones

	generation uint64 // which token of the line is the current one
	rotatedAt  time.Time
}

const (
	familyIDSize  = 8 // bytes
	refreshPrefix = "osc_refresh_"
	refreshMAC    = 16 // bytes of the authenticator
)

// refreshToken makes the token of one generation. Since it can be recomputed,
// a family is a few fields however often it is refreshed, and reuse of the
// oldest token is still recognised.
func (k keys) refreshToken(family string, generation uint64) string {
	id, _ := hex.DecodeString(family)
	body := binary.BigEndian.AppendUint64(id, generation)
	return refreshPrefix + base64.RawURLEncoding.EncodeToString(append(body, k.refreshSum(body)...))
}

func (k keys) refreshSum(body []byte) []byte {
	h := hmac.New(sha256.New, k.refresh)
	h.Write(body)
	return h.Sum(nil)[:refreshMAC]
}

func (k keys) parseRefreshToken(token string) (family string, generation uint64, ok bool) {
	encoded, ok := strings.CutPrefix(token, refreshPrefix)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(raw) != familyIDSize+8+refreshMAC {
		return "", 0, false
	}
	body := raw[:familyIDSize+8]
	if !hmac.Equal(k.refreshSum(body), raw[len(body):]) {
		return "", 0, false
	}
	return hex.EncodeToString(body[:familyIDSize]), binary.BigEndian.Uint64(body[familyIDSize:]), true
}

// startFamily begins a line and returns its first token. s.mu is held.
func (s *Server) startFamily(code *authorizationCode) string {
	now := s.now()
	f := &Family{
		ID: code.family, ClientID: code.clientID, UserID: code.user, TenantID: code.tenant,
		CreatedAt: now, generation: 1,
	}
	s.extend(f, now)
	return s.keys.refreshToken(f.ID, f.generation)
}

// extend gives the current token of a family its lifetime. s.mu is held.
func (s *Server) extend(f *Family, now time.Time) {
	k := s.knobs.Token
	life := time.Duration(k.RefreshLifetimeSeconds) * time.Second
	if f.ExpiresAt.IsZero() || !k.RefreshFixed {
		f.ExpiresAt = now.Add(life)
	}
	if limit := f.CreatedAt.Add(time.Duration(k.RefreshCapSeconds) * time.Second); k.RefreshCapSeconds > 0 && f.ExpiresAt.After(limit) {
		f.ExpiresAt = limit
	}
	s.families.put(f.ID, f, f.ExpiresAt, now)
}

// refresh answers grant_type=refresh_token (RFC 6749 §6).
func (s *Server) refresh(w http.ResponseWriter, client Client, form url.Values) {
	if form.Get("refresh_token") == "" {
		s.countRejected("refresh_token")
		s.refuse(w, "refresh_token", invalidRequest("refresh_token is missing"))
		return
	}
	user, tenant, next, problem := s.rotate(form.Get("refresh_token"), client)
	if problem != nil {
		s.countRejected("refresh_token")
		s.refuse(w, "refresh_token", problem)
		return
	}
	s.grant(w, user, tenant, next)
}

// rotate uses a refresh token, in one step however many come at once.
func (s *Server) rotate(token string, client Client) (user, tenant, next string, problem *oauthError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	k := s.knobs
	id, generation, ok := s.keys.parseRefreshToken(token)
	if !ok {
		return "", "", "", invalidGrant("the refresh token is not known")
	}
	f, ok := s.families.get(id, now)
	if !ok || generation > f.generation {
		return "", "", "", invalidGrant("the refresh token has expired or was revoked")
	}
	if f.ClientID != client.ID {
		return "", "", "", invalidGrant("the refresh token was issued to another client")
	}
	if generation != f.generation && !withinGrace(f, generation, now, k.Token) {
		return "", "", "", s.reused(f, k.Token)
	}
	current := generation == f.generation
	if current && k.Token.Rotation != RotationNone && !k.Token.OmitRefreshToken {
		f.generation++
		f.rotatedAt = now
	}
	if current {
		s.extend(f, now)
	}
	f.Refreshes++
	s.counters.RefreshesOK++
	if !k.Token.OmitRefreshToken {
		next = s.keys.refreshToken(f.ID, f.generation)
	}
	user, tenant = f.UserID, f.TenantID
	if k.PAT.RefreshUser != "" {
		user = k.PAT.RefreshUser
	}
	if k.PAT.RefreshTenant != "" {
		tenant = k.PAT.RefreshTenant
	}
	return user, tenant, next, nil
}

// withinGrace lets the token before the current one through for a moment.
func withinGrace(f *Family, generation uint64, now time.Time, k TokenKnobs) bool {
	return k.Rotation == RotationGrace && generation+1 == f.generation &&
		now.Sub(f.rotatedAt) <= time.Duration(k.GraceSeconds)*time.Second
}

// reused handles a token that has been rotated away: either its client or a
// thief holds an old copy (RFC 9700 §4.14.2). s.mu is held.
func (s *Server) reused(f *Family, k TokenKnobs) *oauthError {
	s.counters.ReuseDetected++
	if k.Rotation == RotationStrictFamily || k.Rotation == RotationGrace {
		s.families.delete(f.ID)
		return invalidGrant("the refresh token was used before; all tokens of this sign-in are revoked")
	}
	return invalidGrant("the refresh token was used before")
}

// Families lists the sign-ins that can still be refreshed, oldest first.
func (s *Server) Families() []Family {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Family
	s.families.each(s.now(), func(_ string, f *Family) { all = append(all, *f) })
	return all
}

// RevokeUser ends all refresh tokens and runner tokens of a user and returns
// how many families that were. PATs already issued live on until they expire,
// as with the real OSC.
func (s *Server) RevokeUser(userID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	count := 0
	s.families.each(now, func(id string, f *Family) {
		if f.UserID == userID {
			s.families.delete(id)
			count++
		}
	})
	s.revoked.put(userID, now, now.Add(runnerLifetime), now)
	return count
}

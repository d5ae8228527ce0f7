package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// satClaims are the claims of a service access token.
type satClaims struct {
	Iat       int64  `json:"iat"`
	Exp       int64  `json:"exp"`
	ID        string `json:"jti"`
	ServiceID string `json:"serviceId"`
	TenantID  string `json:"tenantId"`
}

// serviceName is "<github org>-<repository>".
var serviceName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)

// serviceToken exchanges a PAT for the token of one service the workspace
// subscribes to.
func (s *Server) serviceToken(w http.ResponseWriter, r *http.Request, pat patClaims) {
	var req struct {
		ServiceID string `json:"serviceId"`
	}
	if !readJSON(w, r, &req) {
		return
	}
	if !serviceName.MatchString(req.ServiceID) {
		writeFastify(w, http.StatusBadRequest, "FST_ERR_VALIDATION", "body must have required property 'serviceId'")
		return
	}
	k := s.Knobs().Platform
	now := s.now()
	s.mu.Lock()
	_, subscribed := s.subs.get(subscriptionKey(pat.TenantID, req.ServiceID), now)
	s.mu.Unlock()
	if !subscribed {
		writeReason(w, k.UnsubscribedStatus, "The workspace has no subscription for "+req.ServiceID)
		return
	}
	expiry := now.Add(time.Duration(k.ServiceTokenLifetimeSeconds) * time.Second).Unix()
	claims := satClaims{Iat: now.Unix(), Exp: expiry, ID: s.uuid(), ServiceID: req.ServiceID, TenantID: pat.TenantID}
	s.mu.Lock()
	key := s.keys.serviceKey(req.ServiceID)
	s.counters.ServiceTokens++
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, struct {
		ServiceID string `json:"serviceId"`
		Token     string `json:"token"`
		Expiry    int64  `json:"expiry"` // unix seconds
	}{req.ServiceID, signJWT(key, claims), expiry})
}

// serviceKey is the secret of one service: a SAT opens no other.
func (k keys) serviceKey(service string) []byte {
	h := hmac.New(sha256.New, k.service)
	h.Write([]byte(service))
	return h.Sum(nil)
}

func (s *Server) verifySAT(service, token string) (satClaims, bool) {
	s.mu.Lock()
	key := s.keys.serviceKey(service)
	s.mu.Unlock()
	var claims satClaims
	ok := verifyJWT(key, token, &claims) && claims.ServiceID == service && s.now().Unix() < claims.Exp
	return claims, ok
}

// delegate makes a share link into an instance.
func (s *Server) delegate(w http.ResponseWriter, r *http.Request, _ patClaims) {
	var req struct {
		RedirectURL string `json:"redirectUrl"`
	}
	if !readJSON(w, r, &req) {
		return
	}
	if req.RedirectURL == "" {
		writeFastify(w, http.StatusBadRequest, "FST_ERR_VALIDATION", "body must have required property 'redirectUrl'")
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{
		"shareUrl": s.base(r) + "/instance/" + r.PathValue("service") + "/share/" + s.opaqueToken(12),
	})
}

const (
	runnerPrefix   = "osc_runner_"
	runnerLifetime = 365 * 24 * time.Hour
)

type runnerClaims struct {
	IssuedAt int64  `json:"iat"` // nanoseconds, to tell a revocation from an issue in the same second
	UserID   string `json:"userId"`
	TenantID string `json:"tenantId"`
	ID       string `json:"jti"`
}

// IssueRunnerToken returns the year-long token that an app on OSC trades for
// PATs of its owner.
func (s *Server) IssueRunnerToken(user, tenant string) string {
	return runnerPrefix + signJWT(s.keys.refresh, runnerClaims{
		IssuedAt: s.now().UnixNano(), UserID: user, TenantID: tenant, ID: s.uuid(),
	})
}

// refreshRunnerToken authenticates by the token in its body alone.
func (s *Server) refreshRunnerToken(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Token string `json:"token"`
	}
	if jsonWithoutBody(w, r) || !readJSON(w, r, &req) {
		return
	}
	var claims runnerClaims
	token, ok := strings.CutPrefix(req.Token, runnerPrefix)
	ok = ok && verifyJWT(s.keys.refresh, token, &claims)
	issued := time.Unix(0, claims.IssuedAt)
	s.mu.Lock()
	revokedAt, revoked := s.revoked.get(claims.UserID, s.now())
	s.mu.Unlock()
	code := ""
	switch {
	case !ok:
		code = "refresh_token_invalid"
	case s.now().Sub(issued) >= runnerLifetime:
		code = "refresh_token_expired"
	case revoked && !issued.After(revokedAt):
		code = "refresh_token_revoked"
	}
	if code != "" {
		writeJSON(w, http.StatusUnauthorized, map[string]string{"code": code})
		return
	}
	k := s.Knobs()
	k.Token.AccessLifetimeSeconds = int(time.Hour / time.Second)
	writeJSON(w, http.StatusOK, map[string]string{"token": s.newPAT(claims.UserID, claims.TenantID, "", k)})
}

// readJSON decodes a JSON body; a body that is none has been answered.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	if !isJSON(r) {
		writeFastify(w, http.StatusUnsupportedMediaType, "FST_ERR_CTP_INVALID_MEDIA_TYPE", "Unsupported Media Type")
		return false
	}
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		writeFastify(w, http.StatusBadRequest, "FST_ERR_CTP_INVALID_JSON_BODY", "Body is not valid JSON")
		return false
	}
	return true
}

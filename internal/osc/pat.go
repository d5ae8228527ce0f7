package osc

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

// claims are what an OSC access token says about itself. It is signed with a
// key only OSC has, so nobody else can verify it: what is read here comes
// straight from the token endpoint over TLS and serves to show and to key, not
// to prove. A token from anywhere else must not be read this way.
type claims struct {
	user, tenant string
	lifetime     time.Duration // as the token's own times say; 0 where they do not
}

const (
	maxClaim   = 256
	maxPayload = 16 << 10
)

// readClaims reads a token that may be a JWT. An opaque token has no claims,
// and neither has anything that only looks like a JWT.
func readClaims(token string, now time.Time) claims {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(parts[1]) > maxPayload {
		return claims{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return claims{}
	}
	object, err := parseObject(payload)
	if err != nil {
		return claims{}
	}
	return claims{user: object.identity("userId"), tenant: object.identity("tenantId"), lifetime: object.lifetime(now)}
}

// identity is a claim that may go into a header field: short, visible ASCII.
func (o object) identity(name string) string {
	value, _ := o.text(name)
	if len(value) > maxClaim || !isVisible(value) {
		return ""
	}
	return value
}

// lifetime is how long the token's own times give it. The provider's clock is
// compared with itself first (exp - iat), so that a skewed clock here changes
// nothing; what is left by our clock counts only if something is.
func (o object) lifetime(now time.Time) time.Duration {
	const most = 100 * 365 * 24 * time.Hour
	expires, ok, err := o.seconds("exp", most)
	if !ok || err != nil {
		return 0
	}
	lifetime := expires - time.Duration(now.Unix())*time.Second
	if issued, ok, err := o.seconds("iat", most); ok && err == nil && expires > issued {
		if own := expires - issued; lifetime <= 0 || own < lifetime {
			lifetime = own
		}
	}
	return max(0, lifetime)
}

// isVisible tells whether a string has nothing but visible ASCII.
func isVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// TokenLifetime is how long a token that OSC has just given says it lives on, 0
// where it does not say.
func TokenLifetime(token secret.String, now time.Time) time.Duration {
	return readClaims(token.Reveal(), now).lifetime
}

package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

// demoToken is what the sample app tells about a token: nothing of it could be
// used.
type demoToken struct {
	Fingerprint string    `json:"fingerprint"`
	Service     string    `json:"service,omitempty"` // of which it is; "" is the user's own
	Number      int       `json:"number"`            // of those the app has seen of this user
	Expires     time.Time `json:"expires"`
	SecondsLeft int       `json:"seconds_left"`
}

// demoTokens counts the tokens the sample app is sent.
type demoTokens struct {
	now  func() time.Time
	mu   sync.Mutex
	last map[string]demoToken // by user and service
}

// maxDemoUsers bounds what is remembered. Anybody can sign in as anybody.
const maxDemoUsers = 1000

func newDemoTokens(now func() time.Time) *demoTokens {
	return &demoTokens{now: now, last: make(map[string]demoToken)}
}

// see describes the token of a request; nil without one.
func (t *demoTokens) see(r *http.Request) *demoToken {
	value := r.Header.Get("X-Pat-Jwt")
	if value == "" {
		value = r.Header.Get("Authorization")
	}
	token, ok := strings.CutPrefix(value, "Bearer ")
	if !ok {
		return nil
	}
	claims := demoClaims(token)
	sum := sha256.Sum256([]byte(token))
	seen := demoToken{
		Fingerprint: hex.EncodeToString(sum[:4]), Service: claims.Service, Expires: time.Unix(claims.Expires, 0).UTC(),
	}
	seen.SecondsLeft = max(0, int(seen.Expires.Sub(t.now()).Round(time.Second).Seconds()))
	seen.Number = t.count(r.Header.Get("X-Osc-User")+"/"+seen.Service, seen)
	return &seen
}

func (t *demoTokens) count(key string, seen demoToken) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.last[key]
	if !known && len(t.last) >= maxDemoUsers {
		clear(t.last)
	}
	if seen.Number = last.Number; last.Fingerprint != seen.Fingerprint {
		seen.Number++
	}
	t.last[key] = seen
	return seen.Number
}

// demoClaim is what an OSC token says that the page shows.
type demoClaim struct {
	Expires int64  `json:"exp"`
	Service string `json:"serviceId"`
}

func demoClaims(token string) (claims demoClaim) {
	if parts := strings.Split(token, "."); len(parts) == 3 {
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(payload, &claims)
		}
	}
	return claims
}

// Package upstream guards the line between the gateway and the application
// behind it: what a client may not say there is deleted, what the gateway says
// is put on the wire and nowhere else, and what the application answers gives
// no token away. It is plain net/http and knows nothing of sessions.
package upstream

import (
	"net/http"
	"strings"
)

// Rules says what belongs to the gateway on one site.
type Rules struct {
	// TokenHeaders are the token fields of all routes of the site, in any
	// spelling. X-Pat-Jwt and X-Jwt are always among them.
	TokenHeaders []string

	// SessionCookies reports whether the gateway owns the cookie of that name.
	// It sees names without surrounding space and is asked a second time with
	// the usual spelling of a __Host- or __Secure- prefix, so that it can
	// compare exactly. Nil: the gateway owns no cookie.
	SessionCookies func(name string) bool
}

// Hygiene holds the compiled Rules of one site. It does not change after
// NewHygiene and may be used by any number of goroutines.
type Hygiene struct {
	tokens     []string
	ownsCookie func(name string) bool
}

// standard is used where no site has been named.
var standard = NewHygiene(Rules{})

// NewHygiene compiles rules, once per site.
func NewHygiene(rules Rules) *Hygiene {
	h := &Hygiene{ownsCookie: rules.SessionCookies}
	if h.ownsCookie == nil {
		h.ownsCookie = func(string) bool { return false }
	}
	h.tokens = append(h.tokens, alwaysToken...)
	for _, name := range rules.TokenHeaders {
		name = strings.ToLower(trimOWS(name))
		if name != "" && !h.carriesToken(name) {
			h.tokens = append(h.tokens, name)
		}
	}
	return h
}

// Claims are what else a client may say of its request that an upstream could
// act on, and that is deleted where it decides what happens in a user's name.
type Claims struct {
	Method  bool // that the method is another one
	Address bool // that the client, or what it asked for, is another one
}

// methodClaims and addressClaims are fields by which frameworks and proxies
// let themselves be told. X-Forwarded-For, -Host and -Proto are not among
// them: the proxy writes those itself.
var (
	methodClaims  = []string{"x-http-method-override", "x-http-method", "x-method-override"}
	addressClaims = []string{
		"forwarded", "x-real-ip", "x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri", "x-forwarded-url",
		"x-forwarded-prefix", "x-forwarded-path", "x-forwarded-server", "x-forwarded-port", "x-forwarded-scheme",
		"x-original-host", "x-host", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip",
	}
)

// denies tells whether a field makes one of the claims.
func (c Claims) denies(name string) bool {
	return c.Method && sameAny(name, methodClaims) || c.Address && sameAny(name, addressClaims)
}

// Strip deletes from r, in place, everything an upstream could take for the
// gateway's word: the token fields and all X-Osc-* fields in every spelling,
// also as trailers and as names in Connection, the gateway's own cookies and
// *.sat cookies, and the claims; with authorization the Authorization field
// too. Whatever else the client sent stays as it was, except that an Upgrade to
// another version of HTTP is taken away: it would open a tunnel in which nobody
// asks who the user is.
//
// Call it once, before the request is copied: trailers arrive after the body,
// in a map that all copies share.
func (h *Hygiene) Strip(r *http.Request, authorization bool, claims Claims) {
	for name, values := range r.Header {
		switch {
		case h.reserved(name), authorization && SameField(name, "Authorization"),
			SameField(name, "HTTP2-Settings"), claims.denies(name):
			delete(r.Header, name)
		case SameField(name, "Connection"):
			put(r.Header, name, h.pruneConnection(values, authorization))
		case SameField(name, "Cookie"):
			put(r.Header, name, h.cutCookieLines(values))
		case SameField(name, "Upgrade") && offersHTTP(values):
			delete(r.Header, name)
		}
	}
	h.stripTrailers(r)
}

// TokenFields lists the token fields of the site, as net/http spells them.
func (h *Hygiene) TokenFields() []string {
	fields := make([]string, len(h.tokens))
	for i, name := range h.tokens {
		fields[i] = http.CanonicalHeaderKey(name)
	}
	return fields
}

// carriesToken reports whether name is a token field of the site.
func (h *Hygiene) carriesToken(name string) bool {
	return sameAny(name, h.tokens)
}

// reserved reports whether only the gateway may write the field called name.
func (h *Hygiene) reserved(name string) bool {
	return hasFieldPrefix(name, reservedPrefix) || h.carriesToken(name)
}

// put stores what is left of a field, or deletes it when nothing is.
func put(header http.Header, name string, values []string) {
	if len(values) == 0 {
		delete(header, name)
		return
	}
	header[name] = values
}

// Package cookies makes and reads the gateway's own cookies: one session
// cookie, and one short-lived cookie per sign-in attempt. Both are signed,
// encrypted and aged by securecookie, under keys of their own kind, bound to
// the cookie's name and to the site; a forgery never gets any further.
package cookies

import (
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/Eyevinn/osc-gateway/internal/recent"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	// hostPrefix makes browsers refuse the cookie unless it is Secure, has no
	// Domain and covers the whole host (RFC 6265bis §4.1.3.2). Every OSC tenant
	// shares one registrable domain, so a neighbour could set it otherwise.
	hostPrefix = "__Host-"

	// What stands after the configured name in those of the other cookies.
	afterFlow     = "_flow_"
	afterFragment = "_fragment_"
	afterRounds   = "_rounds"

	kindSession = "session"
	kindFlow    = "flow"

	maxSessionValue = 512
	maxFlowValue    = 3800 // browsers drop cookies beyond 4096 with name and attributes
)

// Config says how the cookies of a site look.
type Config struct {
	Name     string           // of the session cookie, without prefix
	SameSite http.SameSite    // Lax or Strict, of the session cookie
	Lifetime time.Duration    // how long a session cookie is good for
	FlowAge  time.Duration    // how long a sign-in attempt may take
	Now      func() time.Time // default time.Now
}

// Site is where cookies are set: an origin, like https://app.example.com.
type Site struct {
	Origin string
	Secure bool // served over https, as the browser sees it
}

// Jar reads and writes the cookies of one configured site.
type Jar struct {
	cfg     Config
	session []securecookie.Codec
	flow    []securecookie.Codec
	good    *recent.Map[string, goodSession]
	// Names are put together once, not for every request.
	sessionNames, roundsNames names
}

// names are a cookie's name on http and on https.
type names struct{ plain, host string }

func newNames(name string) names { return names{plain: name, host: hostPrefix + name} }

func (n names) on(site Site) string {
	if site.Secure {
		return n.host
	}
	return n.plain
}

// New makes a jar with the keys of a ring: the newest writes, all read.
func New(ring *tokens.KeyRing, cfg Config) *Jar {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Jar{
		cfg:  cfg,
		good: recent.New[string, goodSession](maxGood),

		sessionNames: newNames(cfg.Name), roundsNames: newNames(cfg.roundsName()),
		session: codecs(ring.CookieKeys(kindSession), cfg.Lifetime, maxSessionValue),
		flow:    codecs(ring.CookieKeys(kindFlow), cfg.FlowAge, maxFlowValue),
	}
}

func codecs(keys []tokens.CookieKeys, age time.Duration, maxLength int) []securecookie.Codec {
	made := make([]securecookie.Codec, len(keys))
	for i, pair := range keys {
		made[i] = securecookie.New([]byte(pair.MAC.Reveal()), []byte(pair.Encryption.Reveal())).
			MaxAge(int(age / time.Second)).MaxLength(maxLength).SetSerializer(securecookie.NopEncoder{})
	}
	return made
}

func prefixed(name string, site Site) string { return newNames(name).on(site) }

// flowPrefix begins the names of all flow cookies, without host prefix.
func (c Config) flowPrefix() string { return c.Name + afterFlow }

// bound is the name a value is signed for: the cookie's, and the site's, so
// that a cookie of one site is worth nothing at another.
func bound(name string, site Site) string { return name + "|" + site.Origin }

// Owns tells whether a cookie of this name is the gateway's, as any browser or
// upstream could read it: with or without a prefix, in any case.
func (c Config) Owns(name string) bool {
	name = strings.TrimSpace(name)
	for _, prefix := range [...]string{"__Host-Http-", hostPrefix, securePrefix, "__Http-"} {
		if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			name = name[len(prefix):]
			break
		}
	}
	if !hasPrefixFold(name, c.Name) {
		return false
	}
	rest := name[len(c.Name):]
	return rest == "" || strings.EqualFold(rest, afterRounds) || hasPrefixFold(rest, afterFlow) || hasPrefixFold(rest, afterFragment)
}

func (j *Jar) base(name string, site Site, sameSite http.SameSite) http.Cookie {
	return http.Cookie{Name: prefixed(name, site), Path: "/", Secure: site.Secure, HttpOnly: true, SameSite: sameSite}
}

// set adds a cookie that lives for age; 0 or less deletes it, with the very
// attributes it was set with, which prefixed cookies insist on.
func set(h http.Header, cookie http.Cookie, value string, age time.Duration) {
	cookie.Value, cookie.MaxAge = value, int(age/time.Second)
	if age <= 0 {
		cookie.Value, cookie.MaxAge = "", -1
	}
	h.Add("Set-Cookie", cookie.String())
}

// sent is the value sent under a name, and how many there are: two are a sign of
// somebody else's cookie beside ours. Only the white space of RFC 6265 §5.4 is taken off names:
// one that begins with any other is not ours, and browsers let everybody set it.
func sent(r *http.Request, name string) (value string, count int) {
	for _, line := range r.Header["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			if key, found, ok := strings.Cut(strings.Trim(pair, " \t"), "="); ok && key == name {
				value = found
				count++
			}
		}
	}
	return value, count
}

// hasPrefixFold is strings.HasPrefix without regard to case.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// Package gate is what happens to a request: who may pass, what the upstream
// is told, and everything the gateway answers itself. It is plain net/http.
package gate

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/browser"
	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
	"github.com/Eyevinn/osc-gateway/internal/upstream"
)

// Handler is what comes after the gate.
type Handler interface {
	ServeHTTP(w http.ResponseWriter, r *http.Request) error
}

// Vault keeps sessions; tokens.Vault is one.
type Vault interface {
	Create(ctx context.Context, site string, client tokens.Client, set tokens.Set) (tokens.Ticket, *tokens.Session, error)
	Fresh(ctx context.Context, site string, ticket tokens.Ticket) (*tokens.Session, error)
	Peek(ctx context.Context, site string, ticket tokens.Ticket) (*tokens.Session, error)
	Revoke(ctx context.Context, ticket tokens.Ticket) error
	// Retire is Revoke for the session a new sign-in takes the place of.
	Retire(ctx context.Context, ticket tokens.Ticket) error
	// Lasting is Fresh with a token that has minutes left.
	Lasting(ctx context.Context, site string, ticket tokens.Ticket) (*tokens.Session, error)
	// Renew is for a session whose token an upstream refused.
	Renew(ctx context.Context, site string, ticket tokens.Ticket, refused secret.String) (*tokens.Session, error)
	Stream(site string, ticket tokens.Ticket, session *tokens.Session, stream *tokens.Stream) (closed func())
	// Watch tells what becomes of a session, without using it.
	Watch(site string, ticket tokens.Ticket, session *tokens.Session) (changes <-chan tokens.Change, closed func())
	// Job makes a handle that is good for so long after the request.
	Job(ctx context.Context, site string, ticket tokens.Ticket, service string, life time.Duration) (secret.String, error)
	Check(ctx context.Context) error
}

// Safe opens what sessions are kept with: the vault and its keys. It may take
// a store to be reached, so it can fail, and be asked again.
type Safe interface {
	Open(ctx context.Context) (Vault, *tokens.KeyRing, error)
}

// Origins knows where the site is, as browsers see it.
type Origins interface {
	// Origin returns the site a request is for. An error is a sentence for the
	// operator: what to write so that there is one.
	Origin(r *http.Request) (cookies.Site, error)
}

// Observer is told what the rest of the server should know. Its methods must
// return at once.
type Observer interface {
	// Entered tells whose request it is that goes on to the next handler.
	Entered(r *http.Request, session *tokens.Session)
	// Refused tells why a request does not.
	Refused(r *http.Request, reason pages.Reason)
	// Request tells what came of a request: passed, anonymous, challenged,
	// refused or unavailable.
	Request(policy, outcome string)
	// SignIn tells how a sign-in that came back from the provider ended: ok, with
	// its session, or a reason.
	SignIn(result string, session *tokens.Session)
	// SignedOut tells of a session that was signed out.
	SignedOut(name tokens.Name)
}

// Original returns a request's target as the browser sent it, before anything
// rewrote it.
type Original func(r *http.Request) (requestURI string, u *url.URL)

// Config is what a Gate is made of. Everything is required but what has a default.
type Config struct {
	Endpoints string // the prefix of the gateway's own paths, like /auth
	Routes    Routes
	Origins   Origins
	Safe      Safe
	// Realm is whose sessions these are, such as the provider's issuer: those of
	// another open nothing here.
	Realm    string
	Clients  Clients
	Provider Provider
	Services Services // required where a route names a service
	Callers  Callers  // required where a route lets callers bring tokens of their own
	Cookies  cookies.Config
	Hygiene  *upstream.Hygiene
	Pages    *pages.Pages
	Observer Observer
	// StripAuthorization says that some route of the site sends the token in
	// Authorization, so that no client's may pass on any.
	StripAuthorization bool
	// InPlace says that no transport of ours comes after: the token is set on
	// the request itself while the next handler has it.
	InPlace bool

	// Client is the address a visitor comes from, as far as it is one client's
	// alone: zero where it may be that of many, who must not be limited together.
	// Default: nobody's is known.
	Client func(*http.Request) netip.Addr
	Starts *StartLimit // of sign-ins begun by one client; nil: none

	// Trusted tells whether the peer is a proxy that may say where a request
	// comes from. Default: nobody is.
	Trusted  func(*http.Request) bool
	Original Original // default: the request's own
	// Asked tells how and on which host browsers asked for a request, as far as that
	// is known, "" where it is not. Default: nothing is.
	Asked  func(*http.Request) (scheme, host string)
	Now    func() time.Time // default time.Now
	Random io.Reader        // default crypto/rand
	Log    *slog.Logger     // default: nowhere
}

// Gate stands in front of one site.
type Gate struct {
	cfg     Config
	desk    atomic.Pointer[desk]
	signIns signIns
	outages outages
	readers formReaders

	lastRealm atomic.Pointer[realmOf]
}

// New makes a gate.
func New(cfg Config) *Gate {
	if cfg.Original == nil {
		cfg.Original = func(r *http.Request) (string, *url.URL) { return r.RequestURI, r.URL }
	}
	if cfg.Client == nil {
		cfg.Client = func(*http.Request) netip.Addr { return netip.Addr{} }
	}
	if cfg.Asked == nil {
		cfg.Asked = func(*http.Request) (scheme, host string) { return "", "" }
	}
	if cfg.Trusted == nil {
		cfg.Trusted = func(*http.Request) bool { return false }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Gate{cfg: cfg}
}

// ServeHTTP lets a request through to next, answers it, or refuses it. Errors
// are those of next, untouched.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request, next Handler) error {
	sent, decided := asSent(r), g.Decide(r)
	switch {
	case decided.Odd:
		return g.refuse(w, r, refusal{reason: pages.BadRequest, status: oddTargetStatus(r)})
	case decided.serve != nil:
		return decided.serve(w, sent)
	case decided.Err != nil:
		return g.refuse(w, r, refusal{reason: pages.BadRequest, cause: decided.Err})
	}
	route := decided.Route
	switch {
	case route.Mode == Public:
		g.cfg.Observer.Request(route.Mode.String(), outcomePassed)
		return g.pass(w, r, next, route, nil)
	case browser.IsPreflight(r, route.CrossOrigin):
		g.cfg.Observer.Request(route.Mode.String(), outcomeAnonymous)
		return g.pass(w, r, next, route, nil)
	}
	p, refused := g.admit(w, sent, route)
	if refused == nil {
		refused = g.equip(r.Context(), p)
	}
	if refused != nil {
		refused.program = route.Mode == API || p.isCaller || g.isForPrograms(sent)
	}
	g.cfg.Observer.Request(route.Mode.String(), outcome(route, refused))
	switch {
	case refused != nil && refused.challenge && route.Mode == Optional:
		return g.pass(w, r, next, route, nil)
	case refused != nil && refused.challenge:
		return g.challenge(w, sent, *refused)
	case refused != nil:
		return g.refuse(w, sent, *refused)
	}
	g.cfg.Observer.Entered(r, p.Session)
	return g.pass(w, r, next, route, p)
}

// isForPrograms tells whether only programs ask for a path.
func (g *Gate) isForPrograms(r *http.Request) bool {
	_, original := g.cfg.Original(r)
	return browser.IsForPrograms(original.Path)
}

// What can come of a request.
const (
	outcomePassed      = "passed"
	outcomeAnonymous   = "anonymous"
	outcomeChallenged  = "challenged"
	outcomeRefused     = "refused"
	outcomeUnavailable = "unavailable"
)

func outcome(route *Route, refused *refusal) string {
	switch {
	case refused == nil:
		return outcomePassed
	case refused.challenge && route.Mode == Optional:
		return outcomeAnonymous
	case refused.challenge:
		return outcomeChallenged
	case refused.reason.Status() == http.StatusServiceUnavailable:
		return outcomeUnavailable
	default:
		return outcomeRefused
	}
}

// reference is a short code that stands in an answer and in the log line about
// it.
func (g *Gate) reference() string {
	var b [5]byte
	if _, err := io.ReadFull(g.cfg.Random, b[:]); err != nil {
		return ""
	}
	return hex.EncodeToString(b[:])
}

// oddTargetStatus: CONNECT is a method the gateway does not have.
func oddTargetStatus(r *http.Request) int {
	if r.Method == http.MethodConnect {
		return http.StatusMethodNotAllowed
	}
	return http.StatusBadRequest
}

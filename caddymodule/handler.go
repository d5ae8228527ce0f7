package caddymodule

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/upstream"
)

const (
	defaultEndpoints   = "/auth"
	defaultCookie      = "osc_session"
	defaultTokenHeader = "X-Pat-Jwt"
	serviceTokenHeader = "Authorization"

	sameSiteLax    = "lax"
	sameSiteStrict = "strict"

	injectRequest   = "request"
	injectTransport = "transport"

	// flowAge is how long a sign-in may take: OSC's codes live ten minutes.
	flowAge = 15 * time.Minute
)

// Handler is the gate in front of a site. It signs visitors in with OSC where a
// route asks for it, and tells what comes after it whose request it is.
//
// It makes these placeholders available, never a token:
//
// Placeholder | Description
// ------------|------------
// `{http.auth.user.id}` | The signed-in user's id at OSC
// `{http.auth.user.tenant}` | The OSC workspace the user signed in with
// `{http.auth.osc.reason}` | Why the gate refused the request
type Handler struct {
	// Where browsers reach the site: origins like https://app.example.com. Of
	// several, the one whose host was asked for counts, else the first. Default:
	// the host the site is configured for.
	PublicURLs []string `json:"public_urls,omitempty"`

	// The prefix of the gateway's own paths. Default: /auth.
	Endpoints string `json:"endpoints,omitempty"`

	// What the gate protects; everything else is public. Default: everything.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// What routes ask, in order; the first that matches counts. What none
	// matches is required.
	Policies []*Policy `json:"policies,omitempty"`

	// What goes for every route that does not say otherwise.
	RouteOptions

	// The session cookie's name, without prefix. Default: osc_session.
	Cookie string `json:"cookie,omitempty"`

	// The session cookie's SameSite attribute: lax or strict. Default: lax.
	SameSite string `json:"same_site,omitempty"`

	// How the token reaches what comes after: request sets it on the request
	// while the next handler has it; transport leaves that to the transport
	// "osc" of a reverse proxy. Default: request.
	Inject string `json:"inject,omitempty"`

	// How the gateway's own pages look.
	Pages *Pages `json:"pages,omitempty"`

	gate     *gate.Gate
	app      *App
	outside  caddyhttp.MatcherSets
	hasJobs  bool
	discreet discreet
}

// CaddyModule returns the module's id.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.osc_auth", New: func() caddy.Module { return new(Handler) }}
}

// Provision builds the gate.
func (h *Handler) Provision(ctx caddy.Context) error {
	app, err := ctx.App("osc_auth")
	if err != nil {
		return err
	}
	h.app = app.(*App)
	if err := h.setDefaults(); err != nil {
		return err
	}
	routes, tokenHeaders, err := h.provisionRoutes(ctx)
	if err != nil {
		return err
	}
	brand, err := h.Pages.brand(h.app.ClientName)
	if err != nil {
		return err
	}
	if h.hasJobs {
		h.app.safe.needJobs()
	}
	log := ctx.Slogger()
	jar := cookies.Config{
		Name: h.Cookie, SameSite: sameSiteMode(h.SameSite), Lifetime: time.Duration(h.app.SessionLifetime), FlowAge: flowAge,
	}
	hygiene := upstream.NewHygiene(upstream.Rules{TokenHeaders: tokenHeaders, SessionCookies: jar.Owns})
	h.gate = gate.New(gate.Config{
		Endpoints: h.Endpoints, Routes: routes, Origins: newOrigins(h.PublicURLs), Safe: h.app.safe, Realm: h.app.Issuer,
		Clients: h.app.runtime.clients, Provider: h.app.provider, Services: h.app.services, Callers: h.app.callers, Cookies: jar, Pages: pages.Branded(brand),
		Hygiene:  hygiene,
		Observer: h.app.observer, Original: originalTarget, Trusted: isTrusted, Asked: askedFor, Client: clientAddress,
		Starts: h.app.starts, Log: log,
		StripAuthorization: containsFold(tokenHeaders, "Authorization"),
		InPlace:            h.Inject == injectRequest,
	})
	h.discreet = newDiscreet(ctx, hygiene.TokenFields())
	h.warnOfInjection(log)
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		server.RegisterOnShutdown(h.app.runtime.exiting)
	}
	return nil
}

// askedFor is how and on which host browsers asked for a request.
func askedFor(r *http.Request) (scheme, host string) { return forwardedScheme(r), forwardedHost(r) }

// warnOfInjection tells once at load what setting the token on the request
// means, and how to do without.
func (h *Handler) warnOfInjection(log *slog.Logger) {
	if h.Inject != injectRequest {
		return
	}
	log.Warn("the token is set on the request itself while the next handler has it; in front of reverse_proxy use " +
		"osc_proxy, or `inject transport` here and `transport osc` there: Caddy logs the headers of upstream requests " +
		"at level debug, and of responses that break off at any level")
}

func (h *Handler) setDefaults() error {
	setDefault(&h.Endpoints, defaultEndpoints)
	setDefault(&h.Cookie, defaultCookie)
	setDefault(&h.SameSite, sameSiteLax)
	setDefault(&h.Inject, injectRequest)
	if !prefixPath.MatchString(h.Endpoints) {
		return fmt.Errorf("endpoints %q: must be a path like /auth", h.Endpoints)
	}
	if !cookieName.MatchString(h.Cookie) {
		return fmt.Errorf("cookie %q: must be letters, digits, - and _", h.Cookie)
	}
	if h.SameSite != sameSiteLax && h.SameSite != sameSiteStrict {
		return fmt.Errorf("same_site %q: must be lax or strict", h.SameSite)
	}
	if h.Inject != injectRequest && h.Inject != injectTransport {
		return fmt.Errorf("inject %q: must be request or transport", h.Inject)
	}
	for i, raw := range h.PublicURLs {
		resolved, err := resolve("public_url", raw)
		if err != nil {
			return err
		}
		if h.PublicURLs[i], err = checkPublicURL(resolved); err != nil {
			return fmt.Errorf("public_url: %w", err)
		}
	}
	return nil
}

func sameSiteMode(word string) http.SameSite {
	if word == sameSiteStrict {
		return http.SameSiteStrictMode
	}
	return http.SameSiteLaxMode
}

// checkPublicURL takes an origin that may hold sessions: https, or http on
// this machine.
func checkPublicURL(raw string) (string, error) {
	origin, err := checkOrigin(raw)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(origin)
	if err != nil {
		return "", err
	}
	if u.Scheme != "https" && !osc.IsLoopback(u.Hostname()) {
		return "", errors.New(raw + " must begin with https://: a session must not travel in the clear")
	}
	return origin, nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.app.explain != nil {
		h.app.explain(h, h.gate.Decide(r))
	}
	note(r)
	_, original := originalTarget(r)
	if isCallback := h.gate.IsCallback(original.Path); h.discreet.holdsSecret(r, isCallback) {
		return h.discreet.serve(w, r, isCallback, func(w http.ResponseWriter, r *http.Request) error {
			return h.serve(w, r, next)
		})
	}
	return h.serve(w, r, next)
}

// serve is the gate, which also answers for an app that can't be reached, unless
// the site has a page of its own for that.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	err := h.gate.ServeHTTP(w, r, next)
	if err != nil && r.Context().Err() == nil && isAppAway(err) && !hasErrorRoutes(r) {
		return h.gate.AppAway(w, r, causeOf(err))
	}
	return err
}

// originalTarget is what the browser asked for, before any rewrite.
func originalTarget(r *http.Request) (string, *url.URL) {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		return original.RequestURI, original.URL
	}
	return r.RequestURI, r.URL
}

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)

package gate

import (
	"context"
	"net/http"
	"slices"

	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
	"github.com/Eyevinn/osc-gateway/internal/upstream"
)

// Services trades a session's token for that of one OSC service; osc.Services
// is one.
type Services interface {
	Token(ctx context.Context, session *tokens.Session, service string) (secret.String, error)
}

// credential is what a route sends for a session: the user's token, or that of
// the service the route names. Where that can't be had the request goes no
// further: the user's own would open far more than the route was given.
func (g *Gate) credential(ctx context.Context, route *Route, session *tokens.Session) (secret.String, *refusal) {
	if route.Service == "" || route.Token.Name == "" {
		return session.Access, nil
	}
	token, err := g.cfg.Services.Token(ctx, session, route.Service)
	switch {
	case err == nil:
		return token, nil
	case osc.IsRefusal(err):
		return secret.String{}, &refusal{reason: pages.ProviderError, session: session, cause: err}
	default:
		return secret.String{}, &refusal{
			reason: pages.ProviderUnavailable, retryAfter: osc.RetryAfter(err), session: session, cause: err,
		}
	}
}

// passenger is who a request goes on for, and with what.
type passenger struct {
	*tokens.Session
	credential secret.String
}

// injection is what the upstream is told of a session; of nobody, nothing.
func (g *Gate) injection(route *Route, session *passenger) *upstream.Injection {
	injected := &upstream.Injection{Hygiene: g.cfg.Hygiene}
	if session == nil {
		injected.Vary = route.Mode == Optional // somebody signed in gets another answer
		return injected
	}
	injected.Private, injected.Required = true, route.Token.Name != ""
	injected.Fields = make([]upstream.Field, 0, 3)
	if route.Token.Name != "" {
		injected.Fields = append(injected.Fields, route.Token.field(session.credential.Reveal()))
	}
	if route.Identity && session.User != "" {
		injected.Fields = append(injected.Fields, upstream.NewIdentity("X-Osc-User", session.User))
	}
	if route.Identity && session.Tenant != "" {
		injected.Fields = append(injected.Fields, upstream.NewIdentity("X-Osc-Tenant", session.Tenant))
	}
	return injected
}

// pass hands the request on, without what only the gateway may say and with
// what there is to say about it: in its context for the transport, or on the
// request itself where there is none. Up to here the request is the browser's,
// since the cookies that are stripped say whose it is.
func (g *Gate) pass(w http.ResponseWriter, r *http.Request, next Handler, route *Route, session *passenger) error {
	before := upstream.InjectionFrom(r.Context())
	if route.Outside && before != nil {
		return next.ServeHTTP(w, r) // another gate of the site has seen to it
	}
	injected := g.injection(route, session)
	if cookies := asSent(r).Header["Cookie"]; len(cookies) > 0 {
		cookies = slices.Clone(cookies)
		injected.Cookies = func() []string { return cookies }
	}
	protected := route.Mode.Protected()
	g.cfg.Hygiene.Strip(r, g.cfg.StripAuthorization || route.Mode != Public, upstream.Claims{
		Method: protected, Address: protected && !g.cfg.Trusted(r),
	})
	r = r.WithContext(upstream.WithInjection(r.Context(), injected))
	if !g.cfg.InPlace {
		return next.ServeHTTP(w, r)
	}
	if err := injected.Check(); err != nil {
		return err
	}
	undo := g.cfg.Hygiene.Inject(r, injected)
	defer undo()
	filtered, done := upstream.FilterWriter(w, g.cfg.Hygiene, injected)
	defer done()
	return next.ServeHTTP(filtered, r)
}

// asSent is the request with the cookies the browser sent, where another gate
// of the site has cut its own out: they may be this one's as well.
func asSent(r *http.Request) *http.Request {
	before := upstream.InjectionFrom(r.Context())
	if before == nil || before.Cookies == nil {
		return r
	}
	sent := *r
	sent.Header = r.Header.Clone()
	sent.Header["Cookie"] = before.Cookies()
	return &sent
}

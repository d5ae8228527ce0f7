package gate

import (
	"context"
	"net/http"

	"github.com/Eyevinn/osc-gateway/internal/upstream"
)

// pass hands the request on, without what only the gateway may say and with
// what there is to say about it: in its context for the transport, or on the
// request itself where there is none. Up to here the request is the browser's,
// since the cookies that are stripped say whose it is.
func (g *Gate) pass(w http.ResponseWriter, r *http.Request, next Handler, route *Route, p *passenger) error {
	before := upstream.InjectionFrom(r.Context())
	if route.Outside && before != nil {
		return next.ServeHTTP(w, r) // another gate of the site has seen to it
	}
	injected := g.injection(route, p)
	if lines := asSent(r).Header["Cookie"]; len(lines) > 0 {
		injected.Client = p.sentBy(lines)
	}
	protected := route.Mode.Protected()
	g.cfg.Hygiene.Strip(r, g.cfg.StripAuthorization || route.Mode != Public, upstream.Claims{
		Method: protected, Address: protected && !g.cfg.Trusted(r),
	})
	r = r.WithContext(upstream.WithInjection(r.Context(), injected))
	if !g.cfg.InPlace {
		return next.ServeHTTP(w, r)
	}
	return g.passInPlace(w, r, next, injected)
}

// passInPlace is for what does not end in our transport.
func (g *Gate) passInPlace(w http.ResponseWriter, r *http.Request, next Handler, injected *upstream.Injection) error {
	if err := injected.Check(); err != nil {
		return err
	}
	ctx, end := context.WithCancel(r.Context())
	defer end()
	r = r.WithContext(ctx)
	undo := g.cfg.Hygiene.Inject(r, injected)
	defer undo()
	filtered, done := upstream.FilterWriter(w, r, g.cfg.Hygiene, injected, end)
	defer done()
	return next.ServeHTTP(filtered, r)
}

// asSent is the request with the cookies the browser sent, where another gate
// of the site has cut its own out: they may be this one's as well.
func asSent(r *http.Request) *http.Request {
	before := upstream.InjectionFrom(r.Context())
	if before == nil || before.Client == nil {
		return r
	}
	sent := *r
	sent.Header = r.Header.Clone()
	sent.Header["Cookie"] = before.Client.Cookies()
	return &sent
}

// nobody is the client of a request that goes on for nobody.
type nobody struct{ cookies []string }

// Cookies implements upstream.Client.
func (n *nobody) Cookies() []string { return n.cookies }

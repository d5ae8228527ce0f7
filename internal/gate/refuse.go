package gate

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/browser"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// refusal is a request that does not get through, and why.
type refusal struct {
	reason pages.Reason
	status int // 0: the reason's own
	// challenge says that signing in would help.
	challenge bool
	// clear says that the session cookie that came along is known to be worth
	// nothing. What is not known to be is never taken away.
	clear      bool
	retryAfter time.Duration
	session    *tokens.Session // whose request it was, if anybody's
	user       string          // whose session it was that has ended, where that is known
	tenants    []string        // who would be let in
	name       tokens.Name     // of the session the cookie is for, where that does not open
	program    bool            // route or path is for programs: JSON, whoever asks
	signIn     string          // where to sign in, if not to come back to the page that was asked for
	diagnosis  pages.Diagnosis // what is wrong, where that could be found out
	hint       string          // for the operator
	cause      error           // for the log
}

// retryDefault is what people and programs are told where nothing better is
// known.
const retryDefault = 5 * time.Second

// view is what people and programs are told of a refusal, wherever it happens.
func (why *refusal) view() pages.View {
	view := pages.View{Reason: why.reason, Status: why.status, RetryAfter: why.retryAfter, Diagnosis: why.diagnosis, Hint: why.hint}
	if view.RetryAfter == 0 && why.reason.Status() == http.StatusServiceUnavailable {
		view.RetryAfter = retryDefault
	}
	return view
}

// challenge answers somebody who is signed out: people are sent to sign in,
// programs are told to.
func (g *Gate) challenge(w http.ResponseWriter, r *http.Request, why refusal) error {
	if !why.program && browser.IsFormPost(r) {
		return g.keepForm(w, r, why)
	}
	if why.program || !browser.IsNavigation(r) {
		// No cookie is touched here: the answer to an old request must not take
		// away what a sign-in in another tab has set meanwhile.
		return g.refuse(w, r, why)
	}
	g.cfg.Observer.Refused(r, why.reason)
	g.logChallenge(r, why)
	requestURI, _ := g.cfg.Original(r)
	return g.startSignIn(w, r, signInStart{returnTo: requestURI, because: why.reason, clearSession: why.clear})
}

// refuse answers with a page or a problem document and writes the log line.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, why refusal) error {
	g.cfg.Observer.Refused(r, why.reason)
	view := why.view()
	view.Reference = g.reference()
	page := browser.IsNavigation(r) && !why.program
	if page && view.RetryAfter > 0 && why.reason != pages.RateLimited { // which is no outage, and one client's alone
		view.RetryAfter = g.outages.retry(why.reason, view.RetryAfter, g.cfg.Now())
	}
	switch why.reason {
	case pages.BadRequest, pages.CrossOrigin, pages.AppUnavailable: // signing in would change nothing
	default:
		view.SignInURL = cmp.Or(why.signIn, g.signInURL(g.here(r)))
	}
	if _, original := g.cfg.Original(r); g.IsCallback(original.Path) {
		view.RetryURL = cmp.Or(view.SignInURL, g.path(pathSignIn)) // a callback's own address works once
		g.cfg.Observer.SignIn(string(why.reason), nil)
	}
	if why.reason == pages.TenantForbidden {
		view.SignOutURL, view.Tenants = g.switchURL(r), why.tenants
		if why.session != nil {
			view.User, view.Tenant = why.session.User, why.session.Tenant
		}
	}
	leaveBody(w, r)
	g.log(r, why, view.Reference)
	g.cfg.Pages.Refuse(w, view, page)
	return nil
}

// leaveBody is for an answer that goes out although the body is not read. Said so,
// it goes out at once, and a client that waits to be asked for the body learns
// that it will not be.
func leaveBody(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
	}
}

// AppAway answers for a next handler whose upstream could not be reached. It is
// for whoever knows such a failure, and that nothing was answered yet.
func (g *Gate) AppAway(w http.ResponseWriter, r *http.Request, cause error) error {
	route := g.Decide(r).Route
	return g.refuse(w, r, refusal{
		reason: pages.AppUnavailable, retryAfter: appRetry, cause: cause, program: route != nil && route.Mode == API,
	})
}

// appRetry is short, since most apps that are away are just starting.
const appRetry = 2 * time.Second

// signInURL is where a refused visitor signs in, and comes back to a page.
func (g *Gate) signInURL(back string) string {
	if back == "/" {
		return g.path(pathSignIn)
	}
	return g.with(pathSignIn, paramReturnTo, back)
}

// switchURL is where a refused visitor signs out, to sign in as somebody else
// and come back to where they are.
func (g *Gate) switchURL(r *http.Request) string { return g.with(pathSignOut, paramSwitch, g.here(r)) }

// here is the page a request is for, the start page if it is for none.
func (g *Gate) here(r *http.Request) string {
	requestURI, original := g.cfg.Original(r)
	if !browser.IsNavigation(r) || g.endpoint(original.Path) != nil {
		return "/"
	}
	return browser.ReturnPath(requestURI, g.cfg.Endpoints)
}

// with is an endpoint with a parameter.
func (g *Gate) with(endpoint, param, value string) string {
	return g.path(endpoint) + "?" + url.Values{param: {value}}.Encode()
}

// log writes one line per refusal: what an operator looks for at a level they
// see, what is everyday below it. The path is logged without its query.
func (g *Gate) log(r *http.Request, why refusal, reference string) {
	level := slog.LevelInfo
	switch {
	case why.reason == pages.NoSession, why.reason == pages.BadRequest && why.cause == nil && why.hint == "":
		level = slog.LevelDebug
	case why.reason.Status() >= http.StatusInternalServerError, why.hint != "":
		level = slog.LevelWarn
	}
	if !g.cfg.Log.Enabled(r.Context(), level) {
		return
	}
	_, original := g.cfg.Original(r)
	attrs := []slog.Attr{
		slog.String("reason", string(why.reason)), slog.String("method", r.Method), slog.String("path", original.Path),
		slog.String("reference", reference),
	}
	attrs = append(attrs, why.identity()...)
	if why.diagnosis != "" {
		attrs = append(attrs, slog.String("diagnosis", string(why.diagnosis)))
	}
	if why.hint != "" {
		attrs = append(attrs, slog.String("hint", why.hint))
	}
	if why.cause != nil {
		attrs = append(attrs, slog.Any("error", why.cause))
	}
	g.cfg.Log.LogAttrs(r.Context(), level, "refused", attrs...)
}

// logChallenge writes a line for a visitor who is sent to sign in though they
// brought a session: it answers why they were logged out. Whoever brought none is
// everyday.
func (g *Gate) logChallenge(r *http.Request, why refusal) {
	if why.name == (tokens.Name{}) {
		return
	}
	_, original := g.cfg.Original(r)
	attrs := append([]slog.Attr{slog.String("reason", string(why.reason)), slog.String("path", original.Path)}, why.identity()...)
	g.cfg.Log.LogAttrs(r.Context(), slog.LevelInfo, "sent to sign in again", attrs...)
}

// identity is what log lines say of a session, in this order everywhere.
func (why *refusal) identity() []slog.Attr {
	switch {
	case why.session != nil:
		return identity(why.session)
	case why.name != tokens.Name{}:
		return []slog.Attr{slog.String("session", why.name.Digest())}
	default:
		return nil
	}
}

func identity(session *tokens.Session) []slog.Attr {
	return []slog.Attr{slog.String("session", session.Name.Digest()), slog.String("user", session.User), slog.String("tenant", session.Tenant)}
}

// sessionRefusal is what a vault's error means to a visitor.
func sessionRefusal(err error) *refusal {
	var ended *tokens.Ended
	switch {
	case errors.Is(err, tokens.ErrAbsent):
		return &refusal{reason: pages.NoSession, challenge: true, clear: true}
	case errors.As(err, &ended):
		return &refusal{reason: pages.Reason(ended.Reason), challenge: true, clear: true, user: ended.User}
	default:
		return unavailable(err)
	}
}

// unavailable is for what is not known: neither signed in nor signed out.
func unavailable(err error) *refusal {
	var unavailable *tokens.Unavailable
	switch {
	case errors.Is(err, tokens.ErrFull):
		return &refusal{reason: pages.TooManySessions, cause: err}
	case errors.As(err, &unavailable) && unavailable.Part == tokens.PartProvider:
		return &refusal{reason: pages.ProviderUnavailable, retryAfter: unavailable.RetryAfter, cause: err}
	case errors.As(err, &unavailable):
		return &refusal{reason: pages.StoreUnavailable, retryAfter: unavailable.RetryAfter, cause: err}
	case errors.Is(err, context.Canceled):
		return &refusal{reason: pages.ProviderUnavailable} // nobody is there to read it
	default:
		return &refusal{reason: pages.StoreUnavailable, cause: err}
	}
}

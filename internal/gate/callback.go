package gate

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/browser"
	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/pkce"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	maxCallbackQuery = 8 << 10

	// signInTimeout bounds the exchange of a code with everything around it.
	signInTimeout = 30 * time.Second
)

// callbackQuery is what the provider sent the browser back with.
type callbackQuery struct {
	state, code string
	failed      string // the error code
	isError     bool
	issuers     []string
}

// callback finishes a sign-in (RFC 6749 §4.1.2).
func (g *Gate) callback(w http.ResponseWriter, r *http.Request) error {
	_, original := g.cfg.Original(r)
	query, ok := parseCallback(original.RawQuery)
	if !ok || !browser.MayStartSignIn(r) {
		return g.refuse(w, r, refusal{reason: pages.BadRequest})
	}
	if !isState(query.state) {
		return g.refuse(w, r, refusal{reason: pages.StateMismatch})
	}
	site, desk, refused := g.at(r)
	if refused != nil {
		return g.refuse(w, r, *refused)
	}
	flow, deriver, ok := desk.flow(r, site, query.state)
	switch {
	case !ok:
		return g.strayCallback(w, r, desk, site, query)
	case !g.cfg.Provider.CheckIssuer(r.Context(), query.issuers): // another provider's answer (RFC 9207)
		return g.refuse(w, r, refusal{reason: pages.StateMismatch})
	}
	f := finishing{desk: desk, site: site, flow: flow, deriver: deriver, query: query}
	if query.isError {
		return g.giveUp(w, r, f, refusal{reason: errorReason(query.failed)})
	}
	return g.finish(w, r, f)
}

// parseCallback reads the query strictly: everything at most once, nothing
// absurd.
func parseCallback(raw string) (callbackQuery, bool) {
	if len(raw) > maxCallbackQuery {
		return callbackQuery{}, false
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return callbackQuery{}, false
	}
	query := callbackQuery{issuers: values["iss"]}
	var okState, okCode, okError bool
	query.state, _, okState = single(values, "state")
	query.code, _, okCode = single(values, "code")
	query.failed, query.isError, okError = single(values, "error")
	return query, okState && okCode && okError && query.state != "" && (query.code != "" || query.isError)
}

// flow returns the flow of a state, if this browser began it and may still
// finish it.
func (d *desk) flow(r *http.Request, site cookies.Site, state string) (cookies.Flow, pkce.Deriver, bool) {
	flow, ok := d.jar.Flow(r, site, state)
	if !ok {
		return cookies.Flow{}, pkce.Deriver{}, false
	}
	deriver, _, ok := d.deriver(flow.KeyID)
	if !ok || !pkce.EqualState(flowState(deriver, flow), state) {
		return cookies.Flow{}, pkce.Deriver{}, false
	}
	return flow, deriver, true
}

// strayCallback is a callback no flow of this browser belongs to: late,
// repeated, of another browser, or forged. It never touches a session. Who is
// signed in is where they wanted to be; who is not starts over, once.
func (g *Gate) strayCallback(w http.ResponseWriter, r *http.Request, desk *desk, site cookies.Site, query callbackQuery) error {
	if query.isError || !browser.IsNavigation(r) {
		return g.refuse(w, r, refusal{reason: pages.StateMismatch})
	}
	if ticket, _ := desk.jar.Session(r, site); !ticket.IsZero() {
		_, err := desk.vault.Peek(r.Context(), g.realm(site), ticket)
		if why := sessionRefusal(err); err != nil && !why.challenge {
			return g.refuse(w, r, *why)
		}
		if err == nil {
			return g.homeAfterStray(w, r, desk, site, query.state)
		}
	}
	if isAgain(query.state) {
		return g.refuse(w, r, refusal{reason: pages.FlowExpired, diagnosis: diagnoseLostFlow(r, desk, site, query.state)})
	}
	return g.startSignIn(w, r, signInStart{returnTo: "/", again: true})
}

// errorReason sorts the error codes of RFC 6749 §4.1.2.1. Descriptions are not
// looked at: they are the sender's words, whoever that is.
func errorReason(code string) pages.Reason {
	switch code {
	case "access_denied":
		return pages.ConsentDenied
	case "temporarily_unavailable", "server_error":
		return pages.ProviderUnavailable
	case "":
		return pages.BadRequest
	default:
		return pages.ProviderError
	}
}

// finishing is a callback in order, about to become a session.
type finishing struct {
	desk    *desk
	site    cookies.Site
	flow    cookies.Flow
	deriver pkce.Deriver
	query   callbackQuery
}

// finish exchanges the code and signs the browser in.
func (g *Gate) finish(w http.ResponseWriter, r *http.Request, f finishing) error {
	client, found, err := g.cfg.Clients.ByID(r.Context(), f.flow.RedirectURI, f.flow.ClientID)
	switch {
	case err != nil:
		why := providerRefusal(err)
		why.signIn = g.signInAgain(f.flow)
		return g.refuse(w, r, why)
	case !found: // registered by a process that is gone
		return g.startOver(w, r, f, refusal{reason: pages.FlowExpired})
	}
	signedIn, err := g.signIns.once(r.Context(), f.query.state, g.cfg.Now, func(ctx context.Context) (*signedIn, error) {
		ctx, cancel := context.WithTimeout(ctx, signInTimeout)
		defer cancel()
		return g.exchange(ctx, client, f)
	})
	switch {
	case errors.Is(err, tokens.ErrClientUnknown):
		why := refusal{reason: pages.ProviderError, cause: err, hint: clientHint}
		if g.cfg.Clients.Forget(r.Context(), f.flow.RedirectURI, client.ID) {
			return g.startOver(w, r, f, why)
		}
		return g.giveUp(w, r, f, why)
	case err != nil:
		return g.giveUp(w, r, f, exchangeRefusal(err))
	}
	return g.welcome(w, r, f, signedIn)
}

// clientHint is for whoever set the client up.
const clientHint = "The provider does not accept the client: check client_id and client_secret."

// giveUp refuses an attempt that has failed. Another one, if the visitor wants it,
// ends where this one was to.
func (g *Gate) giveUp(w http.ResponseWriter, r *http.Request, f finishing, why refusal) error {
	g.clearFlow(w, r, f.desk, f.site, f.query.state)
	why.signIn = g.signInAgain(f.flow)
	return g.refuse(w, r, why)
}

// signInAgain is where a sign-in begins that ends where flow was to. A fragment is
// left out: it would stand in an address, and so in access logs.
func (g *Gate) signInAgain(flow cookies.Flow) string {
	if flow.Resume {
		return g.with(pathSignIn, paramResume, "1")
	}
	back, _, _ := strings.Cut(browser.ReturnPath(flow.ReturnTo, g.cfg.Endpoints), "#")
	return g.signInURL(back)
}

// startOver begins a new attempt in place of one that can't be finished,
// unless that was the second already.
func (g *Gate) startOver(w http.ResponseWriter, r *http.Request, f finishing, why refusal) error {
	if f.flow.Again {
		return g.giveUp(w, r, f, why)
	}
	g.clearFlow(w, r, f.desk, f.site, f.query.state)
	return g.startSignIn(w, r, signInStart{returnTo: g.returnURL(r, f), resume: f.flow.Resume, again: true})
}

// exchange turns the code into a stored session. The session is there before
// anybody is told of it.
func (g *Gate) exchange(ctx context.Context, client tokens.Client, f finishing) (*signedIn, error) {
	verifier := f.deriver.Verifier(f.flow.ID, f.flow.ClientID)
	set, err := g.cfg.Clients.Exchange(ctx, client, f.query.code, verifier, f.flow.RedirectURI)
	if err != nil {
		return nil, err
	}
	ticket, session, err := f.desk.vault.Create(ctx, g.realm(f.site), client, set)
	if err != nil {
		return nil, err
	}
	g.cfg.Log.Info("signed in", "session", session.Name.Digest(), "user", session.User, "tenant", session.Tenant, "client_id", client.ID)
	g.cfg.Observer.SignIn("ok", session)
	return &signedIn{ticket: ticket, session: session}, nil
}

// exchangeRefusal is what a failed exchange means to a visitor.
func exchangeRefusal(err error) refusal {
	switch {
	case errors.Is(err, tokens.ErrRejected): // too late, used before, or another browser's code
		return refusal{reason: pages.FlowExpired, cause: err}
	case errors.Is(err, tokens.ErrFull):
		return refusal{reason: pages.TooManySessions, cause: err}
	default:
		return providerRefusal(err)
	}
}

// welcome hands the browser its ticket, ends the session it had before, and
// sends it to where it was going.
func (g *Gate) welcome(w http.ResponseWriter, r *http.Request, f finishing, s *signedIn) error {
	if old, _ := f.desk.jar.Session(r, f.site); !old.IsZero() && old.Name() != s.session.Name {
		if err := f.desk.vault.Retire(context.WithoutCancel(r.Context()), old); err != nil {
			g.cfg.Log.Warn("the browser's earlier session was not ended", "session", old.Name().Digest(), "error", err)
		}
	}
	g.clearFlow(w, r, f.desk, f.site, f.query.state)
	age := s.session.Expires.Sub(g.cfg.Now())
	if err := f.desk.jar.SetSession(w.Header(), f.site, s.ticket, age); err != nil {
		return err
	}
	rounds := f.desk.jar.Rounds(r, f.site)
	rounds.Finished, rounds.Last = rounds.Finished+1, g.cfg.Now()
	if err := f.desk.jar.SetRounds(w.Header(), f.site, rounds); err != nil {
		return err
	}
	if f.desk.jar.NeedsContinuePage() {
		g.cfg.Pages.Continue(w, g.returnURL(r, f))
		return nil
	}
	redirect(w, g.returnURL(r, f), http.StatusFound)
	return nil
}

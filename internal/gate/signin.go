package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/Eyevinn/osc-gateway/internal/browser"
	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/pkce"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// Clients are the OAuth clients the gateway may act as; osc.Clients is one.
type Clients interface {
	For(ctx context.Context, redirectURI string) (tokens.Client, error)
	ByID(ctx context.Context, redirectURI, id string) (client tokens.Client, found bool, err error)
	Forget(ctx context.Context, redirectURI, id string) (dynamic bool)
	Exchange(ctx context.Context, client tokens.Client, code, verifier, redirectURI string) (tokens.Set, error)
}

// Provider is where people sign in; osc.Provider is one.
type Provider interface {
	AuthorizeURL(ctx context.Context, a osc.Authorization) string
	CheckIssuer(ctx context.Context, values []string) bool
}

// signIn starts a sign-in on request: GET /auth/signin?return_to=/path.
func (g *Gate) signIn(w http.ResponseWriter, r *http.Request) error {
	if !browser.MayStartSignIn(r) { // an image or a frame must not start, or clobber, a sign-in
		return g.refuse(w, r, refusal{reason: pages.BadRequest, status: http.StatusForbidden})
	}
	if stopped, err := g.countAsked(w, r); stopped || err != nil {
		return err
	}
	_, original := g.cfg.Original(r)
	returnTo, _, _ := single(original.Query(), paramReturnTo) // two of them are none
	resume, _, _ := single(original.Query(), paramResume)
	return g.startSignIn(w, r, signInStart{returnTo: returnTo, resume: resume == "1"})
}

// signInStart says how a sign-in begins.
type signInStart struct {
	returnTo     string
	again        bool         // because an earlier attempt failed
	because      pages.Reason // a page asked for it, not the visitor
	clearSession bool
	resume       bool // to come back for a form that waits in the tab
}

// startSignIn sends the browser to the provider. Everything the callback needs
// to know goes along in a sealed cookie; the server keeps nothing.
func (g *Gate) startSignIn(w http.ResponseWriter, r *http.Request, start signInStart) error {
	site, desk, refused := g.at(r)
	if refused != nil {
		return g.refuse(w, r, *refused)
	}
	if rounds := desk.jar.Rounds(r, site); start.because != "" && rounds.Finished >= maxRounds {
		return g.stopLoop(w, r, desk, site, g.diagnose(r, desk, site, rounds, start.because))
	}
	if wait := g.cfg.Starts.Take(g.cfg.Client(r), g.cfg.Now()); wait > 0 {
		return g.refuse(w, r, refusal{reason: pages.RateLimited, retryAfter: wait})
	}
	client, err := g.cfg.Clients.For(r.Context(), g.redirectURI(site))
	if err != nil {
		return g.refuse(w, r, startRefusal(err))
	}
	deriver, keyID, _ := desk.deriver("")
	flow, err := g.newFlow(r, site, start, client, keyID)
	if err != nil {
		return err
	}
	state := flowState(deriver, flow)
	if start.clearSession {
		desk.jar.ClearSession(w.Header(), site)
	}
	if err := desk.jar.SetFlow(w.Header(), r, site, state, flow); err != nil {
		return fmt.Errorf("sealing a sign-in: %w", err)
	}
	provider := g.cfg.Provider.AuthorizeURL(r.Context(), osc.Authorization{
		ClientID: client.ID, RedirectURI: flow.RedirectURI, State: state,
		Challenge: pkce.Challenge(deriver.Verifier(flow.ID, client.ID)), ChallengeMethod: pkce.Method,
	})
	if start.because == "" || !browser.IsDocumentLoad(r) {
		redirect(w, provider, http.StatusFound)
		return nil
	}
	g.leave(w, provider, desk.jar.FragmentCookie(site, state, g.path(pathCallback)))
	return nil
}

// redirectURI is where the provider sends the browsers of a site back to.
func (g *Gate) redirectURI(site cookies.Site) string { return site.Origin + g.path(pathCallback) }

// newFlow is what the callback has to know of a sign-in.
func (g *Gate) newFlow(r *http.Request, site cookies.Site, start signInStart, client tokens.Client, keyID string) (cookies.Flow, error) {
	flow := cookies.Flow{
		ID: make([]byte, cookies.FlowIDSize), RedirectURI: g.redirectURI(site), ClientID: client.ID, KeyID: keyID, Started: g.cfg.Now(),
		ReturnTo: browser.ReturnPath(start.returnTo, g.cfg.Endpoints), Again: start.again, Resume: start.resume,
	}
	flow.OtherHost, flow.OtherScheme = g.elsewhere(r, site)
	if _, err := io.ReadFull(g.cfg.Random, flow.ID); err != nil {
		return flow, fmt.Errorf("drawing a flow's id: %w", err)
	}
	return flow, nil
}

// leave has a page send the browser to the provider, one that certainly runs
// scripts: only the browser knows the fragment of the page that was asked for,
// and this page puts it into a cookie.
func (g *Gate) leave(w http.ResponseWriter, provider string, cookie cookies.ScriptCookie) {
	g.cfg.Pages.Leave(w, pages.Leaving{URL: provider, Cookie: cookie.Name, Attributes: cookie.Attributes, Limit: cookies.MaxFragment})
}

// returnURL is the place a sign-in ends at, checked once more: what a cookie
// says was right when it was sealed, under the configuration of then. The
// fragment the browser has kept goes with it.
func (g *Gate) returnURL(r *http.Request, f finishing) string {
	if f.flow.Resume { // the one endpoint that a sign-in may end at
		return g.path(pathResume)
	}
	back := browser.ReturnPath(f.flow.ReturnTo, g.cfg.Endpoints)
	raw, _ := f.desk.jar.Fragment(r, f.site, f.query.state)
	if fragment := browser.Fragment(raw); fragment != "" {
		back, _, _ = strings.Cut(back, "#")
		back += fragment
	}
	return back
}

// clearFlow takes a flow away from the browser, with what came with it.
func (g *Gate) clearFlow(w http.ResponseWriter, r *http.Request, desk *desk, site cookies.Site, state string) {
	desk.jar.ClearFlow(w.Header(), site, state)
	if _, sent := desk.jar.Fragment(r, site, state); sent {
		desk.jar.ClearFragment(w.Header(), site, state, g.path(pathCallback))
	}
}

// startRefusal is providerRefusal where no flow is lost by trying again.
func startRefusal(err error) refusal {
	why := providerRefusal(err)
	if why.reason == pages.ProviderError {
		why.reason = pages.ProviderUnavailable
	}
	return why
}

// providerRefusal is what a failed call to the provider, or to the store its
// clients are kept in, means to a visitor.
func providerRefusal(err error) refusal {
	var unavailable *tokens.Unavailable
	if errors.As(err, &unavailable) && unavailable.Part == tokens.PartStore {
		return refusal{reason: pages.StoreUnavailable, retryAfter: unavailable.RetryAfter, cause: err}
	}
	if osc.IsMalformed(err) {
		return refusal{reason: pages.ProviderError, cause: err}
	}
	return refusal{reason: pages.ProviderUnavailable, retryAfter: osc.RetryAfter(err), cause: err}
}

// single returns a query parameter's only value. ok is false where it is given
// more than once (RFC 6749 §3.1).
func single(query url.Values, name string) (value string, given, ok bool) {
	values, given := query[name]
	switch len(values) {
	case 0:
		return "", false, true
	case 1:
		return values[0], given, true
	default:
		return "", true, false
	}
}

package gate

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/browser"
	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// The gateway's own paths, under its prefix.
const (
	pathSignIn    = "/signin"
	pathCallback  = "/callback"
	pathSignOut   = "/signout"
	pathSignedOut = "/signed-out"
	pathSession   = "/session"
	pathEvents    = "/events"
	pathScript    = "/session.js"
	pathHealth    = "/health"
	pathLive      = "/health/live"
	pathReady     = "/health/ready"
	pathResume    = "/resume"

	paramReturnTo = "return_to"
	paramResume   = "resume"
	// paramSwitch of a sign-out is where to come back to as somebody else.
	paramSwitch = "switch"
)

func (g *Gate) path(endpoint string) string { return g.cfg.Endpoints + endpoint }

// IsCallback tells whether a path, as the browser sent it, is where the provider
// sends browsers back to. The query there holds an authorization code.
func (g *Gate) IsCallback(path string) bool {
	rest, ours := strings.CutPrefix(path, g.cfg.Endpoints)
	return ours && rest == pathCallback
}

// endpoint returns what serves one of the gateway's own paths, by the exact
// path the browser sent; nil for every other path.
func (g *Gate) endpoint(path string) func(http.ResponseWriter, *http.Request) error {
	rest, ours := strings.CutPrefix(path, g.cfg.Endpoints)
	if !ours {
		return nil
	}
	switch rest {
	case pathSignIn:
		return g.only(g.signIn, http.MethodGet, http.MethodHead)
	case pathCallback:
		return g.only(g.callback, http.MethodGet)
	case pathSignOut:
		return g.only(g.signOut, http.MethodGet, http.MethodHead, http.MethodPost)
	case pathSignedOut:
		return g.only(g.signedOut, http.MethodGet, http.MethodHead)
	case pathSession:
		return g.only(g.session, http.MethodGet, http.MethodHead)
	case pathResume:
		return g.only(g.resume, http.MethodGet, http.MethodPost)
	case pathEvents:
		return g.only(g.events, http.MethodGet)
	case pathScript:
		return g.only(g.script, http.MethodGet, http.MethodHead)
	case pathLive:
		return g.only(g.live, http.MethodGet, http.MethodHead)
	case pathHealth, pathReady:
		return g.only(g.health, http.MethodGet, http.MethodHead)
	default:
		return nil
	}
}

// only refuses other methods (RFC 9110 §15.5.6), and requests in TLS early
// data, which anybody could have recorded and sent again (RFC 8470 §5.2).
func (g *Gate) only(serve func(http.ResponseWriter, *http.Request) error, methods ...string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.TLS != nil && !r.TLS.HandshakeComplete || r.Header.Get("Early-Data") == "1" {
			return g.refuse(w, r, refusal{reason: pages.BadRequest, status: http.StatusTooEarly})
		}
		if slices.Contains(methods, r.Method) {
			return serve(w, r)
		}
		w.Header().Set("Allow", strings.Join(methods, ", "))
		return g.refuse(w, r, refusal{reason: pages.BadRequest, status: http.StatusMethodNotAllowed})
	}
}

// signOut ends the session, for a POST from the site itself; a GET shows a
// button, so that no link or image signs anybody out.
func (g *Gate) signOut(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		g.cfg.Pages.ConfirmSignOut(w, g.path(pathSignOut))
		return nil
	}
	site, desk, refused := g.at(r)
	if refused != nil {
		return g.refuse(w, r, *refused)
	}
	if browser.Cross(r, site.Origin, nil) != browser.SameOrigin {
		return g.refuse(w, r, refusal{reason: pages.CrossOrigin})
	}
	if ticket, _ := desk.jar.Session(r, site); !ticket.IsZero() {
		if err := desk.vault.Revoke(r.Context(), ticket); err != nil {
			// Not signed out unless it holds everywhere: the cookie stays, so
			// that trying again can end the session.
			return g.refuse(w, r, *unavailable(err))
		}
		g.cfg.Observer.SignedOut(ticket.Name())
	}
	desk.jar.ClearSession(w.Header(), site)
	if err := desk.jar.SetRounds(w.Header(), site, cookies.Rounds{}); err != nil {
		return err
	}
	// "cookies" here would clear those of the whole registrable domain, OSC's
	// own console among them.
	w.Header().Set("Clear-Site-Data", `"cache"`)
	next := g.path(pathSignedOut)
	if back := g.switching(r); back != "" {
		next = g.with(pathSignedOut, paramSwitch, back)
	}
	redirect(w, next, http.StatusSeeOther)
	return nil
}

// switching is where somebody who changes accounts comes back to; "" for those
// who don't.
func (g *Gate) switching(r *http.Request) string {
	_, original := g.cfg.Original(r)
	back, given, _ := single(original.Query(), paramSwitch)
	if !given {
		return ""
	}
	return browser.ReturnPath(back, g.cfg.Endpoints)
}

// signedOut says so. Browsers keep the page that was left, as it was, for the
// back button, but only once this one has taken its place. So this one loads
// once more, and that second answer clears what the first came too early for.
func (g *Gate) signedOut(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Clear-Site-Data", `"cache"`)
	if back := g.switching(r); back != "" {
		g.cfg.Pages.SwitchAccount(w, g.with(pathSignIn, paramReturnTo, back))
		return nil
	}
	if r.URL.RawQuery == "" {
		w.Header().Set("Refresh", "0; url="+g.path(pathSignedOut)+"?cleared")
	}
	g.cfg.Pages.SignedOut(w, g.path(pathSignIn))
	return nil
}

// healthTimeout bounds how long a health check waits for the store.
const healthTimeout = 2 * time.Second

type healthAnswer struct {
	Status string `json:"status"`
}

// live answers as long as the process serves, whatever is the matter around it:
// starting it again would not bring a store back.
func (g *Gate) live(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, healthAnswer{Status: "ok"})
}

// health tells whether visitors can be served: without a session and without
// the provider, which those who are signed in can do without for a while.
func (g *Gate) health(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	desk, err := g.open(ctx)
	if err == nil {
		err = desk.vault.Check(ctx)
	}
	if err != nil {
		return g.refuse(w, r, refusal{
			reason: pages.StoreUnavailable, hint: "The failing part is the " + string(tokens.PartStore) + ".", cause: err,
		})
	}
	return writeJSON(w, http.StatusOK, healthAnswer{Status: "ok"})
}

func writeJSON(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	h := w.Header()
	ownHeaders(h)
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
	return nil
}

// redirect sends the browser on. Unlike net/http's it writes no body, which
// would hold the address.
func redirect(w http.ResponseWriter, location string, status int) {
	ownHeaders(w.Header())
	w.Header().Set("Location", location)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

// ownHeaders are on everything the gateway answers itself that is not a page.
func ownHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

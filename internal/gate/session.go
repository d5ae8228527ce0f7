package gate

import (
	"net/http"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// sessionAnswer is what an app's script may know of the session: no token.
type sessionAnswer struct {
	SignedIn       bool         `json:"signed_in"`
	User           string       `json:"user,omitempty"`
	Tenant         string       `json:"tenant,omitempty"`
	TokenExpires   *time.Time   `json:"token_expires_at,omitempty"`
	IdleExpires    *time.Time   `json:"idle_expires_at,omitempty"` // if nobody uses it until then
	SessionExpires *time.Time   `json:"session_expires_at,omitempty"`
	Reason         pages.Reason `json:"reason,omitempty"`
	SignInURL      string       `json:"signin_url,omitempty"`
	SignOutURL     string       `json:"signout_url,omitempty"`
}

// session tells whether the browser is signed in. Asking neither refreshes
// anything nor counts as use: a page that polls must not keep a session alive.
func (g *Gate) session(w http.ResponseWriter, r *http.Request) error {
	desk, err := g.open(r.Context())
	if err != nil {
		return g.refuse(w, r, *unavailable(err))
	}
	site, err := g.cfg.Origins.Origin(r)
	if err != nil {
		return writeJSON(w, http.StatusOK, g.signedOutAnswer(pages.NoSession))
	}
	_, session, refused := g.glance(r, desk, site)
	switch {
	case refused == nil:
		return writeJSON(w, http.StatusOK, g.signedInAnswer(session))
	case refused.challenge:
		return writeJSON(w, http.StatusOK, g.signedOutAnswer(refused.reason))
	default:
		return g.refuse(w, r, *refused)
	}
}

// glance opens the session of a request without using it.
func (g *Gate) glance(r *http.Request, desk *desk, site cookies.Site) (tokens.Ticket, *tokens.Session, *refusal) {
	ticket, _ := desk.jar.Session(r, site)
	if ticket.IsZero() {
		return ticket, nil, &refusal{reason: pages.NoSession, challenge: true}
	}
	session, err := desk.vault.Peek(r.Context(), g.realm(site), ticket)
	if err != nil {
		return ticket, nil, sessionRefusal(err)
	}
	return ticket, session, nil
}

func (g *Gate) signedInAnswer(session *tokens.Session) sessionAnswer {
	return sessionAnswer{
		SignedIn: true, User: session.User, Tenant: session.Tenant, TokenExpires: inSeconds(session.TokenExpires),
		IdleExpires: inSeconds(session.Ends), SessionExpires: inSeconds(session.Expires), SignOutURL: g.path(pathSignOut),
	}
}

// signedOutAnswer says why, where there is more to it than that nobody is.
func (g *Gate) signedOutAnswer(reason pages.Reason) sessionAnswer {
	if reason == pages.NoSession {
		reason = ""
	}
	return sessionAnswer{Reason: reason, SignInURL: g.path(pathSignIn)}
}

func inSeconds(t time.Time) *time.Time {
	t = t.UTC().Truncate(time.Second)
	return &t
}

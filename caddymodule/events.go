package caddymodule

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// Events that are emitted. Their data is session (a digest), user, tenant and,
// where a session was lost, reason.
const (
	eventSignedIn    = "osc_auth.signed_in"
	eventSignedOut   = "osc_auth.signed_out"
	eventSessionLost = "osc_auth.session_lost"
)

// observer tells the rest of the server what happens: metrics, events, and the
// placeholders of a request. No token is ever in one: handlers could print it.
type observer struct {
	ctx    caddy.Context
	events *caddyevents.App
}

func newObserver(ctx caddy.Context) (*observer, error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, err
	}
	return &observer{ctx: ctx, events: app.(*caddyevents.App)}, nil
}

// emit runs behind whoever has something to tell: handlers may take their time.
func (o *observer) emit(event string, data map[string]any) {
	if o.events.ShouldEmit(event) {
		go o.events.Emit(o.ctx, event, data)
	}
}

// Entered sets {http.auth.user.*}; Caddy's access log takes user_id from it.
func (o *observer) Entered(r *http.Request, session *tokens.Session) {
	if replacer, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		replacer.Set("http.auth.user.id", session.User)
		replacer.Set("http.auth.user.tenant", session.Tenant)
	}
	caddyhttp.SetVar(r.Context(), enteredVar, entered{tenant: session.Tenant})
}

// enteredVar is the request's variable by which matchers know who was let in.
// Placeholders would not do: other handlers can set them.
const enteredVar = "osc_auth.entered"

type entered struct{ tenant string }

// enteredTenant is the workspace of whoever a gate has let in.
func enteredTenant(r *http.Request) (tenant string, signedIn bool) {
	found, signedIn := caddyhttp.GetVar(r.Context(), enteredVar).(entered)
	return found.tenant, signedIn
}

var errNoTenant = errors.New("osc_tenant: name at least one workspace")

// Refused sets {http.auth.osc.reason}.
func (o *observer) Refused(r *http.Request, reason pages.Reason) {
	if replacer, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		replacer.Set("http.auth.osc.reason", string(reason))
	}
}

// Request counts what came of a request.
func (o *observer) Request(policy, outcome string) {
	collectors.requests.WithLabelValues(policy, outcome).Inc()
}

// SignIn counts a sign-in and tells of one that succeeded.
func (o *observer) SignIn(result string, session *tokens.Session) {
	collectors.signIns.WithLabelValues(result).Inc()
	if session != nil {
		o.emit(eventSignedIn, map[string]any{"session": session.Name.Digest(), "user": session.User, "tenant": session.Tenant})
	}
}

// SignedOut counts and tells.
func (o *observer) SignedOut(name tokens.Name) {
	collectors.sessionEnds.WithLabelValues("signed_out").Inc()
	o.emit(eventSignedOut, map[string]any{"session": name.Digest()})
}

// Refreshed counts.
func (o *observer) Refreshed(result string) { collectors.refreshes.WithLabelValues(result).Inc() }

// SessionEnded counts and tells.
func (o *observer) SessionEnded(info tokens.Info) {
	collectors.sessionEnds.WithLabelValues(string(info.Ended)).Inc()
	o.emit(eventSessionLost, map[string]any{
		"session": info.Name.Digest(), "user": info.User, "tenant": info.Tenant, "reason": string(info.Ended),
	})
}

var _ tokens.Observer = (*observer)(nil)

// blankPlaceholders gives the placeholders of a request their value for nobody,
// so that where no one is signed in they read empty and not as written. What
// is set, here or by another authentication, comes first.
func blankPlaceholders(r *http.Request) {
	if replacer, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		replacer.Map(blankPlaceholder)
	}
}

func blankPlaceholder(name string) (any, bool) {
	switch name {
	case "http.auth.user.id", "http.auth.user.tenant", "http.auth.osc.reason":
		return "", true
	default:
		return nil, false
	}
}

package caddymodule

import (
	"errors"
	"net/http"
	"time"

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

// Entered makes {http.auth.user.*} those of the session; Caddy's access log takes
// user_id from it.
func (o *observer) Entered(r *http.Request, session *tokens.Session) {
	if v := visitorOf(r); v != nil {
		v.signedIn, v.user, v.tenant = true, session.User, session.Tenant
	}
	replacer, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	// What another authentication has set would come first, and must not pass for ours.
	replacer.Delete(placeholderUser)
	replacer.Delete(placeholderTenant)
}

const (
	placeholderUser   = "http.auth.user.id"
	placeholderTenant = "http.auth.user.tenant"
	placeholderReason = "http.auth.osc.reason"

	// visitorVar is the request's variable by which matchers know who was let in.
	// Placeholders would not do: other handlers can set them.
	visitorVar = "osc_auth.visitor"
)

// visitor is what is known of whoever sent a request.
type visitor struct {
	signedIn             bool
	user, tenant, reason string
}

// placeholder gives the placeholders of a request their values: for nobody empty
// ones, so that they do not read as written.
func (v *visitor) placeholder(name string) (any, bool) {
	switch name {
	case placeholderUser:
		return v.user, true
	case placeholderTenant:
		return v.tenant, true
	case placeholderReason:
		return v.reason, true
	default:
		return nil, false
	}
}

// note begins to know of a request's visitor, unless another gate of the site
// has begun.
func note(r *http.Request) {
	replacer, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok || visitorOf(r) != nil {
		return
	}
	v := new(visitor)
	caddyhttp.SetVar(r.Context(), visitorVar, v)
	replacer.Map(v.placeholder)
}

func visitorOf(r *http.Request) *visitor {
	v, _ := caddyhttp.GetVar(r.Context(), visitorVar).(*visitor)
	return v
}

// enteredTenant is the workspace of whoever a gate has let in.
func enteredTenant(r *http.Request) (tenant string, signedIn bool) {
	v := visitorOf(r)
	if v == nil {
		return "", false
	}
	return v.tenant, v.signedIn
}

var errNoTenant = errors.New("osc_tenant: name at least one workspace")

// Refused makes {http.auth.osc.reason} the reason, and counts.
func (o *observer) Refused(r *http.Request, reason pages.Reason) {
	if v := visitorOf(r); v != nil {
		v.reason = string(reason)
	}
	collectors.refusals.WithLabelValues(string(reason)).Inc()
}

// Request counts what came of a request.
func (o *observer) Request(policy, outcome string) {
	countRequest(policy, outcome)
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
	collectors.sessionEnds.WithLabelValues(string(tokens.EndSignedOut)).Inc()
	o.emit(eventSignedOut, map[string]any{"session": name.Digest()})
}

// Refreshed counts.
func (o *observer) Refreshed(result string) { collectors.refreshes.WithLabelValues(result).Inc() }

// Waited counts.
func (o *observer) Waited(took time.Duration) { collectors.refreshWaits.Observe(took.Seconds()) }

// SessionEnded counts and tells, of what was lost: who signed in anew lost
// nothing.
func (o *observer) SessionEnded(info tokens.Info) {
	collectors.sessionEnds.WithLabelValues(string(info.Ended)).Inc()
	if info.Ended == tokens.EndReplaced {
		return
	}
	o.emit(eventSessionLost, map[string]any{
		"session": info.Name.Digest(), "user": info.User, "tenant": info.Tenant, "reason": string(info.Ended),
	})
}

var _ tokens.Observer = (*observer)(nil)

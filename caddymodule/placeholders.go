package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// observer tells later handlers and logs, by placeholders, who the user is or
// why the gate refused. No token is ever in one: handlers could print it.
type observer struct{}

// SignedIn sets {http.auth.user.*}; Caddy's access log takes user_id from it.
func (observer) SignedIn(r *http.Request, session *tokens.Session) {
	if replacer, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		replacer.Set("http.auth.user.id", session.User)
		replacer.Set("http.auth.user.tenant", session.Tenant)
	}
}

// Refused sets {http.auth.osc.reason}.
func (observer) Refused(r *http.Request, reason pages.Reason) {
	if replacer, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		replacer.Set("http.auth.osc.reason", string(reason))
	}
}

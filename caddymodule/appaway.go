package caddymodule

import (
	"errors"
	"net"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// isAppAway tells whether an error means that the app could not be reached, and
// so was sent nothing and has answered nothing: it could not be dialled, or
// Caddy's health checks had found out before.
func isAppAway(err error) bool {
	var dial reverseproxy.DialError
	var operation *net.OpError
	var failure caddyhttp.HandlerError
	switch {
	case errors.As(err, &dial):
		return true
	case errors.As(err, &operation):
		return operation.Op == "dial"
	case errors.As(err, &failure):
		return failure.StatusCode == http.StatusServiceUnavailable && failure.Err != nil && failure.Err.Error() == noUpstream
	default:
		return false
	}
}

// noUpstream is what reverse_proxy says when all of its upstreams are known to be
// down; the error itself has no name.
const noUpstream = "no upstreams available"

// causeOf is what an operator needs of an error: Caddy wraps it in where in its
// own code it came up.
func causeOf(err error) error {
	var failure caddyhttp.HandlerError
	if errors.As(err, &failure) && failure.Err != nil {
		return failure.Err
	}
	return err
}

// hasErrorRoutes tells whether the site of a request has handle_errors, and so
// pages of its own. The routes of a server are those of all its sites.
func hasErrorRoutes(r *http.Request) bool {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Errors == nil {
		return false
	}
	for _, route := range server.Errors.Routes {
		if matched, err := route.MatcherSets.AnyMatchWithError(r); matched || err != nil {
			return true
		}
	}
	return false
}

// Package caddymodule is osc-gateway as Caddy modules, and the only code of the
// project that knows Caddy:
//
//   - osc_auth, an app: what all sites share (provider, client, store, keys)
//   - http.handlers.osc_auth, the gate in front of a site
//   - http.reverse_proxy.transport.osc, which puts the token on the wire
//   - osc_auth.stores.*, where sessions are kept
//
// In a Caddyfile these are the global option osc_auth and the directives
// osc_auth and osc_proxy; the README has a first one, docs/caddyfile.md all.
package caddymodule

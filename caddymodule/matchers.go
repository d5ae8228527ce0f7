package caddymodule

import (
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// MatchSignedIn matches requests that the gate let through for somebody who is
// signed in. It knows only what a gate earlier in the route has found out:
// before one, and on public routes, nobody is signed in.
type MatchSignedIn struct{}

// CaddyModule returns the module's id.
func (MatchSignedIn) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.osc_signed_in", New: func() caddy.Module { return new(MatchSignedIn) }}
}

// UnmarshalCaddyfile sets the matcher up from tokens. Syntax:
//
//	osc_signed_in
func (*MatchSignedIn) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		if err := atEnd(d); err != nil {
			return err
		}
	}
	return nil
}

// MatchWithError implements caddyhttp.RequestMatcherWithError.
func (*MatchSignedIn) MatchWithError(r *http.Request) (bool, error) {
	_, signedIn := enteredTenant(r)
	return signedIn, nil
}

// MatchTenant matches requests of somebody signed in with one of some OSC
// workspaces, by exact name.
type MatchTenant []string

// CaddyModule returns the module's id.
func (MatchTenant) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.osc_tenant", New: func() caddy.Module { return new(MatchTenant) }}
}

// UnmarshalCaddyfile sets the matcher up from tokens. Syntax:
//
//	osc_tenant <names...>
func (m *MatchTenant) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		names := d.RemainingArgs()
		if len(names) == 0 {
			return d.ArgErr()
		}
		for _, name := range names {
			if !tenantName.MatchString(name) {
				return d.Errf("osc_tenant: %q is not a workspace's name", name)
			}
		}
		*m = append(*m, names...)
		if err := atEnd(d); err != nil {
			return err
		}
	}
	return nil
}

// Validate refuses a matcher that names nobody.
func (m MatchTenant) Validate() error {
	if len(m) == 0 {
		return errNoTenant
	}
	return nil
}

// MatchWithError implements caddyhttp.RequestMatcherWithError.
func (m MatchTenant) MatchWithError(r *http.Request) (bool, error) {
	tenant, signedIn := enteredTenant(r)
	return signedIn && slices.Contains(m, tenant), nil
}

var (
	_ caddyhttp.RequestMatcherWithError = (*MatchSignedIn)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchTenant)(nil)
	_ caddyfile.Unmarshaler             = (*MatchSignedIn)(nil)
	_ caddyfile.Unmarshaler             = (*MatchTenant)(nil)
	_ caddy.Validator                   = (*MatchTenant)(nil)
)

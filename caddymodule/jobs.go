package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/pages"
)

// Jobs answers POST /token: it trades the handles that routes with jobs send
// their upstreams, in X-Osc-Job, for fresh tokens. It belongs on a site of its
// own at a loopback or private address, and answers nobody who comes by another.
type Jobs struct {
	desk *gate.Jobs
}

// CaddyModule returns the module's id.
func (Jobs) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.osc_jobs", New: func() caddy.Module { return new(Jobs) }}
}

// parseJobsDirective sets the handler up from the directive osc_jobs. Syntax:
//
//	osc_jobs [<matcher>]
func parseJobsDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	jobs := new(Jobs)
	return jobs, jobs.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile takes the directive's word alone.
func (*Jobs) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return atEnd(d)
}

// Provision refuses a site that is open to everybody.
func (j *Jobs) Provision(ctx caddy.Context) error {
	app, err := ctx.App("osc_auth")
	if err != nil {
		return err
	}
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		if err := checkPrivate(server); err != nil {
			return err
		}
	}
	ours := app.(*App)
	ours.safe.needJobs()
	j.desk = &gate.Jobs{
		Services: ours.services, Pages: pages.New(""), Now: time.Now, Log: ctx.Slogger(),
		Open: func(ctx context.Context) (gate.JobVault, error) {
			vault, _, err := ours.safe.Open(ctx)
			if err != nil {
				return nil, err
			}
			return vault.(gate.JobVault), nil
		},
	}
	return nil
}

// checkPrivate refuses a server that strangers can reach. One that listens at all
// addresses is let through where the site's hosts are private ones: whoever comes
// by another address all the same is turned away then.
func checkPrivate(server *caddyhttp.Server) error {
	for _, address := range server.Listen {
		parsed, err := caddy.ParseNetworkAddress(address)
		if err != nil {
			return err
		}
		everywhere := parsed.Host == "" || isUnspecified(parsed.Host)
		if parsed.IsUnixNetwork() || parsed.IsFdNetwork() || isPrivateHost(parsed.Host) || everywhere && hasPrivateHosts(server) {
			continue
		}
		return fmt.Errorf("osc_jobs: its site can be reached at %s, and not only from this machine or a private network, though "+
			"it answers with tokens: give it an address of its own, like `http://127.0.0.1:9900`, or `bind 127.0.0.1` within the site", address)
	}
	return nil
}

// hasPrivateHosts tells whether all routes of a server with osc_jobs are for
// private hosts by name.
func hasPrivateHosts(server *caddyhttp.Server) bool {
	for _, route := range server.Routes {
		if !slices.ContainsFunc(route.HandlersRaw, func(raw json.RawMessage) bool { return bytes.Contains(raw, []byte(`"osc_jobs"`)) }) {
			continue
		}
		if len(route.MatcherSets) == 0 || slices.ContainsFunc(route.MatcherSets, isForOthers) {
			return false
		}
	}
	return true
}

// isForOthers tells whether a matcher set matches a host that is not private.
func isForOthers(set caddyhttp.MatcherSet) bool {
	for _, matcher := range set {
		if hosts, ok := matcher.(*caddyhttp.MatchHost); ok {
			return slices.ContainsFunc(*hosts, func(host string) bool { return !isPrivateHost(hostOnly(host)) })
		}
	}
	return true
}

func isUnspecified(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsUnspecified()
}

// isPrivateHost tells whether only this machine or a private network (RFC 1918,
// RFC 4193) leads to a host.
func isPrivateHost(host string) bool {
	if osc.IsLoopback(host) {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast())
}

var errNotPrivate = errors.New("osc_jobs answers at loopback and private addresses only")

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (j *Jobs) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.URL.Path != gate.JobPath {
		return next.ServeHTTP(w, r)
	}
	if !cameByPrivateAddress(r) {
		return caddyhttp.Error(http.StatusForbidden, errNotPrivate)
	}
	return j.desk.ServeHTTP(w, r)
}

// cameByPrivateAddress goes by the address of this machine that the connection
// was made to, which nobody outside can make a private one. A site for this
// machine alone is not for the network it is in either.
func cameByPrivateAddress(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	if local.Network() == "unix" {
		return true
	}
	host := hostOnly(local.String())
	return isPrivateHost(host) && (osc.IsLoopback(host) || !osc.IsLoopback(hostOnly(r.Host)))
}

var (
	_ caddy.Provisioner           = (*Jobs)(nil)
	_ caddyfile.Unmarshaler       = (*Jobs)(nil)
	_ caddyhttp.MiddlewareHandler = (*Jobs)(nil)
)

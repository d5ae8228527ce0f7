package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/Eyevinn/osc-gateway/internal/gate"
)

// modes are the words for what a route asks.
var modes = map[string]gate.Mode{
	"public": gate.Public, "optional": gate.Optional, "required": gate.Required, "api": gate.API,
}

// Policy says what the routes it matches ask of a visitor.
type Policy struct {
	// public: nobody is asked. optional: the token goes along if the visitor is
	// signed in. required: signed in, or sent to sign in. api: signed in, or
	// refused with 401.
	Mode string `json:"mode"`

	// The requests it is for. Default: all.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// The workspaces let in; others get 403. Default: all.
	Tenants []string `json:"tenants,omitempty"`

	RouteOptions

	matchers caddyhttp.MatcherSets
}

// RouteOptions are what a route can say differently from its site.
type RouteOptions struct {
	// The header field the token is sent in. Default: x-pat-jwt, as Bearer.
	TokenHeader *TokenHeader `json:"token_header,omitempty"`

	// The OSC service whose token is sent instead of the user's own, like
	// eyevinn-intercom-manager. It goes in Authorization unless token_header says
	// otherwise. Default: none, the user's own token is sent.
	Service string `json:"service,omitempty"`

	// Whether X-Osc-User and X-Osc-Tenant are sent. Default: true.
	IdentityHeaders *bool `json:"identity_headers,omitempty"`

	// Other origins whose pages may send unsafe requests or open WebSockets.
	// Default: none.
	CrossOrigin []string `json:"cross_origin,omitempty"`

	// How long a WebSocket or another stream may last. It is opened with one
	// token, which the upstream keeps until the client connects again. Default: as
	// long as the session.
	Streams caddy.Duration `json:"streams,omitempty"`

	// How long after a request work that it began may still get tokens: the
	// upstream is sent a handle in X-Osc-Job, and trades it at a site with osc_jobs.
	// Default: no handle is sent.
	Jobs caddy.Duration `json:"jobs,omitempty"`

	// Whether programs may bring an OSC token of their own, in the field the route
	// sends tokens in. OSC is asked whether it is good. Default: false, what
	// clients send there is deleted.
	Passthrough *bool `json:"passthrough,omitempty"`
}

// TokenHeader is how the token is sent.
type TokenHeader struct {
	// The field's name, or off to send no token.
	Name string `json:"name"`

	// Send the bare token instead of "Bearer <token>".
	Raw bool `json:"raw,omitempty"`
}

const tokenHeaderOff = "off"

// wire is the token header as the gate takes it.
func (t *TokenHeader) wire() (gate.TokenHeader, error) {
	if t.Name == tokenHeaderOff {
		return gate.TokenHeader{}, nil
	}
	if err := checkTokenField(t.Name); err != nil {
		return gate.TokenHeader{}, fmt.Errorf("token_header: %w", err)
	}
	return gate.TokenHeader{Name: http.CanonicalHeaderKey(t.Name), Raw: t.Raw}, nil
}

// over fills what o leaves open from the site's options.
func (o RouteOptions) over(site RouteOptions) RouteOptions {
	if o.Service == "" {
		o.Service = site.Service
	} else if o.TokenHeader == nil {
		o.TokenHeader = &TokenHeader{Name: serviceTokenHeader}
	}
	if o.TokenHeader == nil {
		o.TokenHeader = site.TokenHeader
	}
	if o.IdentityHeaders == nil {
		o.IdentityHeaders = site.IdentityHeaders
	}
	if o.CrossOrigin == nil {
		o.CrossOrigin = site.CrossOrigin
	}
	setDefault(&o.Streams, site.Streams)
	setDefault(&o.Jobs, site.Jobs)
	if o.Passthrough == nil {
		o.Passthrough = site.Passthrough
	}
	return o
}

// route builds the gate's route.
func (o RouteOptions) route(mode gate.Mode, tenants []string) (*gate.Route, error) {
	token := gate.TokenHeader{Name: defaultTokenHeader}
	if o.Service != "" {
		if !serviceName.MatchString(o.Service) {
			return nil, fmt.Errorf("service %q: must be the id of an OSC service, like eyevinn-intercom-manager", o.Service)
		}
		token.Name = serviceTokenHeader
	}
	if o.TokenHeader != nil {
		var err error
		if token, err = o.TokenHeader.wire(); err != nil {
			return nil, err
		}
	}
	route := &gate.Route{
		Mode: mode, Tenants: tenants, Token: token, Service: o.Service, Identity: o.IdentityHeaders == nil || *o.IdentityHeaders,
		Streams: time.Duration(o.Streams), Jobs: time.Duration(o.Jobs), Passthrough: o.Passthrough != nil && *o.Passthrough,
	}
	switch {
	case o.Streams < 0 || o.Jobs < 0:
		return nil, errors.New("streams and jobs must not be negative")
	case route.Passthrough && token.Name == "":
		return nil, errors.New("passthrough: there is no field a token could be brought in while token_header is off")
	}
	for _, raw := range o.CrossOrigin {
		origin, err := checkOrigin(raw)
		if err != nil {
			return nil, fmt.Errorf("cross_origin: %w", err)
		}
		route.CrossOrigin = append(route.CrossOrigin, origin)
	}
	return route, nil
}

// provisionRoutes builds the table of routes and lists the fields tokens
// travel in on any of them.
func (h *Handler) provisionRoutes(ctx caddy.Context) (*gate.Table, []string, error) {
	otherwise, err := h.RouteOptions.route(gate.Required, nil)
	if err != nil {
		return nil, nil, err
	}
	otherwise.Name = "required, since no line matches"
	fields := []string{otherwise.Token.Name}
	h.hasJobs = otherwise.Jobs > 0
	table := gate.NewTable(otherwise, len(h.MatcherSetsRaw) > 0)
	if len(h.MatcherSetsRaw) > 0 {
		if h.outside, err = loadMatchers(ctx, h, "MatcherSetsRaw"); err != nil {
			return nil, nil, err
		}
		public, err := h.RouteOptions.route(gate.Public, nil)
		if err != nil {
			return nil, nil, err
		}
		public.Outside, public.Name = true, "public, outside of the directive's own matcher"
		table.Add(func(r *http.Request) (bool, error) {
			inside, err := h.outside.AnyMatchWithError(r)
			return !inside && err == nil, err
		}, public)
	}
	for i, policy := range h.Policies {
		route, err := policy.provision(ctx, h.RouteOptions)
		if err != nil {
			return nil, nil, fmt.Errorf("policy %d: %w", i+1, err)
		}
		table.Add(policy.matchers.AnyMatchWithError, route)
		if route.Mode != gate.Public {
			fields = append(fields, route.Token.Name)
			h.hasJobs = h.hasJobs || route.Jobs > 0
		}
	}
	return table, fields, nil
}

func (p *Policy) provision(ctx caddy.Context, site RouteOptions) (*gate.Route, error) {
	mode, known := modes[p.Mode]
	name := nameOf(p.Mode, p.MatcherSetsRaw) // before they are loaded
	if !known {
		return nil, fmt.Errorf("mode %q: must be public, optional, required or api", p.Mode)
	}
	if len(p.Tenants) > 0 && !mode.Protected() {
		return nil, fmt.Errorf("tenants on a %s route would keep nobody out: make it required or api", p.Mode)
	}
	tenants := make([]string, len(p.Tenants))
	var err error
	for i, tenant := range p.Tenants {
		if tenants[i], err = resolve("tenants", tenant); err != nil {
			return nil, err
		}
		if !tenantName.MatchString(tenants[i]) {
			return nil, fmt.Errorf("tenants: %q is not a workspace's name", tenants[i])
		}
	}
	if p.matchers, err = loadMatchers(ctx, p, "MatcherSetsRaw"); err != nil {
		return nil, err
	}
	route, err := p.RouteOptions.over(site).route(mode, tenants)
	if err != nil {
		return nil, err
	}
	route.Name = name
	return route, nil
}

// nameOf is a policy's line in a Caddyfile, near enough.
func nameOf(mode string, matchers caddyhttp.RawMatcherSets) string {
	name := mode
	for _, set := range matchers {
		for id, raw := range set {
			var paths []string
			if id == "path" && json.Unmarshal(raw, &paths) == nil {
				name += " " + strings.Join(paths, " ")
			} else {
				name += " " + id + " " + string(raw)
			}
		}
	}
	return name
}

// loadMatchers loads the matchers a field holds; none matches everything.
func loadMatchers(ctx caddy.Context, holder any, field string) (caddyhttp.MatcherSets, error) {
	loaded, err := ctx.LoadModule(holder, field)
	if err != nil {
		return nil, fmt.Errorf("loading matchers: %w", err)
	}
	var sets caddyhttp.MatcherSets
	if err := sets.FromInterface(loaded); err != nil {
		return nil, err
	}
	return sets, nil
}

func containsFold(list []string, value string) bool {
	for _, item := range list {
		if strings.EqualFold(item, value) {
			return true
		}
	}
	return false
}

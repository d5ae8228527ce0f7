package caddymodule

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/Eyevinn/osc-gateway/internal/doctor"
	"github.com/Eyevinn/osc-gateway/internal/osc"
)

// sitesOf are the sites that have the gate in front, by the order of their names.
// written are the servers as they were before nothing was to come of them.
func sitesOf(app, written *caddyhttp.App) []doctor.Site {
	var names []string
	for name := range app.Servers {
		names = append(names, name)
	}
	slices.Sort(names)
	var sites []doctor.Site
	for _, name := range names {
		if written.Servers[name] == nil {
			continue
		}
		server := &describedServer{Server: written.Servers[name], httpPort: written.HTTPPort}
		server.walk(app.Servers[name].Routes, nil)
		sites = append(sites, server.sites...)
	}
	return sites
}

// describedServer is a server whose sites are being found.
type describedServer struct {
	*caddyhttp.Server
	httpPort int
	sites    []doctor.Site
	scope    string // hosts of the routes that are walked
	proxied  int    // sites up to this one have their upstreams
}

// walk goes through routes, which are for the hosts given; nil is any.
func (s *describedServer) walk(routes caddyhttp.RouteList, hosts []string) {
	for _, route := range routes {
		narrowed := hosts
		if named := hostsOf(route); len(named) > 0 {
			narrowed = named
		}
		if scope := strings.Join(narrowed, " "); scope != s.scope { // another site
			s.scope, s.proxied = scope, len(s.sites)
		}
		for _, handler := range route.Handlers {
			switch handler := handler.(type) {
			case *caddyhttp.Subroute:
				s.walk(handler.Routes, narrowed)
			case *Handler:
				s.add(handler, narrowed)
			case *reverseproxy.Handler:
				s.proxy(handler)
			}
		}
	}
}

func hostsOf(route caddyhttp.Route) []string {
	var hosts []string
	for _, set := range route.MatcherSets {
		for _, matcher := range set {
			if named, ok := matcher.(*caddyhttp.MatchHost); ok {
				hosts = append(hosts, *named...)
			}
		}
	}
	return hosts
}

// add notes a gate, as a site for each address browsers reach it at.
func (s *describedServer) add(gate *Handler, hosts []string) {
	s.proxied = len(s.sites)
	base := doctor.Site{Endpoints: gate.Endpoints, Cookie: gate.Cookie, Listen: s.addresses(), Host: "localhost"}
	if len(hosts) > 0 {
		base.Host = hosts[0]
	}
	base.TLS = s.servesTLS(base.Host, len(hosts) > 0)
	for _, origin := range gate.PublicURLs {
		site := base
		site.Origin = origin
		s.sites = append(s.sites, site)
	}
	if len(gate.PublicURLs) > 0 {
		return
	}
	if len(hosts) == 0 {
		site := base
		site.Origin, site.AnyHost = s.origin("localhost", base.TLS), true
		s.sites = append(s.sites, site)
	}
	for _, host := range hosts {
		site := base
		site.Host, site.TLS = host, s.servesTLS(host, true)
		s.locate(&site)
		s.sites = append(s.sites, site)
	}
}

// locate finds where browsers reach a site without public_url, as origins does
// for a request.
func (s *describedServer) locate(site *doctor.Site) {
	switch {
	case strings.ContainsAny(site.Host, "*{"): // one of many, which only a request tells
	case site.TLS, osc.IsLoopback(site.Host):
		site.Origin = s.origin(site.Host, site.TLS)
	case s.TrustedProxiesRaw != nil:
		site.Origin = serializeOrigin("https", site.Host)
	default:
		site.Problem = "the site " + site.Host + " is served over http: nobody can sign in, since a session must not travel in the clear"
		site.Fix = "set public_url https://" + site.Host + " if TLS ends in front of the gateway, or serve the site over https"
	}
}

func (s *describedServer) origin(host string, secure bool) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	if net.ParseIP(host) != nil && strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	for _, address := range s.addresses() {
		if _, port, err := net.SplitHostPort(address); err == nil {
			return serializeOrigin(scheme, host+":"+port)
		}
	}
	return serializeOrigin(scheme, host)
}

// addresses are where the server listens for TCP, as host:port.
func (s *describedServer) addresses() []string {
	var addresses []string
	for _, listen := range s.Listen {
		if parsed, err := caddy.ParseNetworkAddress(listen); err == nil && strings.HasPrefix(parsed.Network, "tcp") {
			addresses = append(addresses, parsed.JoinHostPort(0))
		}
	}
	return addresses
}

// servesTLS tells whether Caddy serves a host over TLS: it does where it is told
// how, and of itself where there is a name to have a certificate for, unless
// that was switched off or the port is that for http.
func (s *describedServer) servesTLS(host string, named bool) bool {
	if len(s.TLSConnPolicies) > 0 {
		return true
	}
	if !named || s.AutoHTTPS != nil && (s.AutoHTTPS.Disabled || slices.Contains(s.AutoHTTPS.Skip, host)) {
		return false
	}
	httpPort := s.httpPort
	setDefault(&httpPort, caddyhttp.DefaultHTTPPort)
	return slices.ContainsFunc(s.addresses(), func(address string) bool {
		_, port, err := net.SplitHostPort(address)
		return err == nil && port != strconv.Itoa(httpPort)
	})
}

package caddymodule

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/osc"
)

// origins finds out where browsers reach the site. The answer decides where
// codes are sent, so it is never taken from what an untrusted client wrote: it
// is configured, or a host the site is configured for, or this machine.
type origins struct {
	public []cookies.Site // as configured
	hosts  []string       // of each, without port
	last   atomic.Pointer[derived]
}

// derived is where a site is that was asked for by a host. Most are asked for by
// one alone, and need not look for it with every request.
type derived struct {
	server       *caddyhttp.Server
	host, scheme string
	site         cookies.Site
}

func newOrigins(publicURLs []string) *origins {
	o := &origins{}
	for _, raw := range publicURLs {
		u, err := url.Parse(raw)
		if err != nil { // checked while provisioning
			continue
		}
		o.public = append(o.public, cookies.Site{Origin: raw, Secure: u.Scheme == "https"})
		o.hosts = append(o.hosts, u.Hostname())
	}
	return o
}

var (
	errNoHost = errors.New("Set public_url for this site, like `public_url https://app.example.com`: " +
		"it answers on any host, so the gateway can't know which one visitors use.")
	errBadHost = errors.New("The request's Host is not a host name.")
)

// Origin returns the site a request is for.
func (o *origins) Origin(r *http.Request) (cookies.Site, error) {
	switch len(o.public) {
	case 0:
		return o.derive(r)
	case 1:
		return o.public[0], nil
	}
	host := hostOnly(forwardedHost(r))
	for i, known := range o.hosts {
		if strings.EqualFold(host, known) {
			return o.public[i], nil
		}
	}
	return o.public[0], nil
}

// derive is for sites without public_url.
func (o *origins) derive(r *http.Request) (cookies.Site, error) {
	asked := derived{host: forwardedHost(r), scheme: forwardedScheme(r)}
	asked.server, _ = r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if last := o.last.Load(); last != nil && last.server == asked.server && last.host == asked.host && last.scheme == asked.scheme {
		return last.site, nil
	}
	var err error
	if asked.site, err = derivedOrigin(r, asked.scheme, asked.host); err == nil {
		found := asked // which makes only this one a matter of the heap
		o.last.Store(&found)
	}
	return asked.site, err
}

// forwardedScheme is how the site was asked: of a proxy that is trusted to say
// so, what it says.
func forwardedScheme(r *http.Request) string {
	if r.TLS != nil || isTrusted(r) && lastForwarded(r, "X-Forwarded-Proto") == "https" {
		return "https"
	}
	return "http"
}

func derivedOrigin(r *http.Request, scheme, hostport string) (cookies.Site, error) {
	host := hostOnly(hostport)
	if !isHost(hostport) {
		return cookies.Site{}, errBadHost
	}
	loopback := osc.IsLoopback(host)
	if !loopback && !isConfiguredHost(r, host) {
		return cookies.Site{}, errNoHost
	}
	if scheme == "http" && !loopback {
		return cookies.Site{}, fmt.Errorf("Set `public_url https://%s` if TLS ends in front of the gateway, "+
			"or serve the site over https: a session must not travel in the clear.", host)
	}
	return cookies.Site{Origin: serializeOrigin(scheme, hostport), Secure: scheme == "https"}, nil
}

// forwardedHost is the host that was asked for: of a proxy that is trusted to
// say so, what it says.
func forwardedHost(r *http.Request) string {
	if isTrusted(r) {
		if host := lastForwarded(r, "X-Forwarded-Host"); host != "" {
			return host
		}
	}
	return r.Host
}

// isTrusted tells whether the peer is one of the server's trusted_proxies.
func isTrusted(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

// lastForwarded is the value the nearest proxy wrote.
func lastForwarded(r *http.Request, field string) string {
	values := r.Header.Values(field)
	if len(values) == 0 {
		return ""
	}
	last := values[len(values)-1]
	return strings.ToLower(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]))
}

// isConfiguredHost tells whether a site of the server is configured for the
// host by name. A catch-all site is not.
func isConfiguredHost(r *http.Request, host string) bool {
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if server == nil {
		return false
	}
	asked := *r
	asked.Host = strings.TrimSuffix(host, ".")
	for _, route := range server.Routes {
		for _, set := range route.MatcherSets {
			for _, matcher := range set {
				hosts, ok := matcher.(*caddyhttp.MatchHost)
				if !ok {
					continue
				}
				if matched, err := hosts.MatchWithError(&asked); matched && err == nil {
					return true
				}
			}
		}
	}
	return false
}

func hostOnly(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// isHost tells whether a Host is a host name or address, maybe with a port, and
// nothing else.
func isHost(hostport string) bool {
	if hostport == "" || len(hostport) > 260 {
		return false
	}
	for i := range len(hostport) {
		c := hostport[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_', c == ':', c == '[', c == ']':
		default:
			return false
		}
	}
	if strings.ContainsAny(hostport, "[]") || strings.Count(hostport, ":") > 1 {
		u, err := url.Parse("//" + hostport)
		return err == nil && u.Host == hostport && net.ParseIP(u.Hostname()) != nil
	}
	host, port, _ := strings.Cut(hostport, ":")
	return host != "" && strings.Trim(port, "0123456789") == ""
}

package caddymodule

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/Eyevinn/osc-gateway/internal/doctor"
)

// proxy notes the upstreams of a reverse proxy behind the gate found last.
func (s *describedServer) proxy(proxy *reverseproxy.Handler) {
	if s.proxied == len(s.sites) { // behind no gate
		return
	}
	site := &s.sites[s.proxied] // of a gate's several addresses, one is enough
	if proxy.DynamicUpstreamsRaw != nil || proxy.DynamicUpstreams != nil {
		site.Upstreams = append(site.Upstreams, doctor.Upstream{Name: "the upstream", Why: "is found anew for each request"})
	}
	for _, upstream := range proxy.Upstreams {
		if !slices.ContainsFunc(site.Upstreams, func(known doctor.Upstream) bool { return known.Name == upstream.Dial }) {
			site.Upstreams = append(site.Upstreams, describedUpstream(proxy, upstream))
		}
	}
}

func describedUpstream(proxy *reverseproxy.Handler, upstream *reverseproxy.Upstream) doctor.Upstream {
	described := doctor.Upstream{Name: upstream.Dial}
	address, err := caddy.ParseNetworkAddress(caddy.NewReplacer().ReplaceAll(upstream.Dial, ""))
	wrapped := proxy.Transport
	if ours, ok := wrapped.(*Transport); ok {
		wrapped = ours.wrapped
	}
	speaking, isHTTP := wrapped.(*reverseproxy.HTTPTransport)
	switch {
	case requestPlaceholder.MatchString(upstream.Dial):
		described.Why = "is chosen by each request"
	case err != nil || address.PortRangeSize() != 1:
		described.Why = "is no address that can be asked by itself"
	case !isHTTP:
		described.Why = "does not speak http, so the app alone can tell whether it is well"
	default:
		described.Transport = &upstreamTransport{http: speaking, dial: reverseproxy.DialInfo{
			Upstream: upstream, Network: address.Network, Address: address.JoinHostPort(0),
			Host: address.Host, Port: strconv.Itoa(int(address.StartPort)),
		}}
	}
	return described
}

// upstreamTransport sends to an upstream as its reverse proxy would, TLS and all.
type upstreamTransport struct {
	http *reverseproxy.HTTPTransport
	dial reverseproxy.DialInfo
}

// dialInfoKey is where reverse_proxy leaves for its transport where to connect.
const dialInfoKey caddy.CtxKey = "reverse_proxy.dial_info"

// RoundTrip implements http.RoundTripper.
func (u *upstreamTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	// Caddy's error for a dial that failed does not say which way it did.
	conn, err := new(net.Dialer).DialContext(r.Context(), u.dial.Network, u.dial.Address)
	if err != nil {
		return nil, err
	}
	_ = conn.Close()
	ctx := context.WithValue(r.Context(), caddy.ReplacerCtxKey, caddy.NewReplacer())
	ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{})
	out := r.Clone(context.WithValue(ctx, dialInfoKey, u.dial))
	out.URL.Scheme, out.URL.Host = "", u.dial.Address
	if strings.HasPrefix(u.dial.Network, "unix") {
		out.URL.Host = "localhost"
	}
	return u.http.RoundTrip(out)
}

var _ http.RoundTripper = (*upstreamTransport)(nil)

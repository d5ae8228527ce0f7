package caddymodule

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// parseProxyDirective sets up the gate and a reverse proxy behind it from the
// directive osc_proxy. Syntax:
//
//	osc_proxy [<matcher>] <upstreams...> {
//	    <what osc_auth takes, but inject>
//	    <what reverse_proxy takes>
//	}
//
// It is short for
//
//	osc_auth [<matcher>] {
//	    inject transport
//	    ...
//	}
//	reverse_proxy [<matcher>] <upstreams...> {
//	    transport osc <the transport given, or http> { ... }
//	    stream_close_delay 7d
//	    ...
//	}
//
// at the place of reverse_proxy among the directives. What the matcher leaves
// out goes on to the next directive, the gateway's own endpoints excepted.
func parseProxyDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next()
	outer, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, h.WrapErr(err)
	}
	h.Next()
	ours, theirs := splitTokens(h.NextSegment())

	handler := &Handler{Inject: injectTransport}
	var outerSets caddyhttp.RawMatcherSets
	if outer != nil {
		outerSets = caddyhttp.RawMatcherSets{outer}
		handler.MatcherSetsRaw = outerSets
	}
	gateHelper := h
	gateHelper.Dispenser = caddyfile.NewDispenser(ours)
	gateHelper.Next()
	if err := handler.unmarshal(gateHelper, proxyWords); err != nil {
		return nil, err
	}
	proxy, err := unmarshalProxy(h, theirs)
	if err != nil {
		return nil, err
	}
	gate := caddyconfig.JSONModuleObject(handler, "handler", "osc_auth", nil)
	reverseProxy := caddyconfig.JSONModuleObject(proxy, "handler", "reverse_proxy", nil)
	if outer == nil { // no need for a subroute, which Caddy puts together for every request
		return []httpcaddyfile.ConfigValue{{
			Class: "route", Value: caddyhttp.Route{HandlersRaw: []json.RawMessage{gate, reverseProxy}},
		}}, nil
	}
	return h.NewRoute(nil, &caddyhttp.Subroute{Routes: caddyhttp.RouteList{
		{HandlersRaw: []json.RawMessage{gate}},
		{MatcherSetsRaw: outerSets, HandlersRaw: []json.RawMessage{reverseProxy}},
	}}), nil
}

// unmarshalProxy has reverse_proxy read what is its own, and puts our
// transport around the one it ends up with.
func unmarshalProxy(h httpcaddyfile.Helper, tokens []caddyfile.Token) (*reverseproxy.Handler, error) {
	proxy := new(reverseproxy.Handler)
	h.Dispenser = caddyfile.NewDispenser(tokens)
	if err := proxy.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	if err := proxy.FinalizeUnmarshalCaddyfile(h); err != nil {
		return nil, err
	}
	if len(proxy.Upstreams) == 0 && proxy.DynamicUpstreamsRaw == nil {
		return nil, h.Err("osc_proxy: no upstream given; write it like `osc_proxy localhost:3000`")
	}
	if err := checkUpstream(string(proxy.DynamicUpstreamsRaw)); err != nil {
		return nil, h.WrapErr(err)
	}
	for _, upstream := range proxy.Upstreams {
		if err := checkUpstream(upstream.Dial); err != nil {
			return nil, h.WrapErr(err)
		}
	}
	// By default Caddy cuts off WebSockets when a configuration is reloaded. The
	// gate ends them with their session, so nobody else has to.
	setDefault(&proxy.StreamCloseDelay, caddy.Duration(defaultSessionLifetime))
	proxy.TransportRaw = wrapTransport(proxy.TransportRaw)
	return proxy, nil
}

// wrapTransport puts the transport osc around another, unless it is there.
func wrapTransport(inner json.RawMessage) json.RawMessage {
	var named struct {
		Protocol string `json:"protocol"`
	}
	if len(inner) > 0 && json.Unmarshal(inner, &named) == nil && named.Protocol == "osc" {
		return inner
	}
	return caddyconfig.JSONModuleObject(Transport{TransportRaw: inner}, "protocol", "osc", nil)
}

// splitTokens divides a directive's tokens: the lines of its block that are the
// gate's, and all others with the arguments of the directive itself. What a
// line is, imports and all, is for Caddy's own dispenser to say.
func splitTokens(segment []caddyfile.Token) (ours, theirs []caddyfile.Token) {
	d := caddyfile.NewDispenser(segment)
	d.Next()
	ours, theirs = append(ours, d.Token()), append(theirs, d.Token())
	for d.NextArg() {
		theirs = append(theirs, d.Token())
	}
	open := len(theirs)
	if open == len(segment) {
		return ours, theirs
	}
	ours, theirs = append(ours, segment[open]), append(theirs, segment[open])
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		mine := isWord(proxyWords, d.Val())
		if line := d.NextSegment(); mine {
			ours = append(ours, line...)
		} else {
			theirs = append(theirs, line...)
		}
	}
	closing := segment[len(segment)-1]
	return append(ours, closing), append(theirs, closing)
}

var _ caddy.Module = (*caddyhttp.Subroute)(nil)

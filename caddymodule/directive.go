package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// parseAuthDirective sets the gate up from the directive osc_auth. Syntax:
//
//	osc_auth [<matcher>] {
//	    public_url       <url...>
//	    endpoints        <prefix>
//	    public           <matchers...>
//	    optional         <matchers...> [{ <route options> }]
//	    required         [<matchers...>] [{ <route options> }]
//	    api              <matchers...> [{ <route options> }]
//	    token_header     x-pat-jwt | authorization | off | <Field-Name> [bearer|raw]
//	    service          <id>
//	    identity_headers on|off
//	    cross_origin     <origins...>
//	    streams          <duration>
//	    jobs             <duration>
//	    passthrough      [on|off]
//	    cookie           <name>
//	    same_site        lax|strict
//	    pages            { name | logo | color | support | template ... }
//	    inject           request|transport
//	}
//
// Route options are token_header, service, identity_headers, cross_origin, streams,
// jobs and passthrough, and tenants <names...> on protected routes.
func parseAuthDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next()
	outer, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, h.WrapErr(err)
	}
	h.Next()
	handler := new(Handler)
	if outer != nil {
		handler.MatcherSetsRaw = caddyhttp.RawMatcherSets{outer}
	}
	if err := noMore(h.Dispenser); err != nil {
		return nil, h.Errf("osc_auth takes one matcher and a block; got %q", h.Val())
	}
	if err := handler.unmarshal(h, authWords); err != nil {
		return nil, err
	}
	return h.NewRoute(nil, handler), nil
}

// authWords are what the block of osc_auth may say, proxyWords what osc_proxy
// keeps for the gate and does not pass to reverse_proxy.
const (
	proxyWords = " public_url endpoints public optional required api token_header service identity_headers cross_origin streams jobs passthrough cookie same_site pages "
	authWords  = proxyWords + "inject "
)

func isWord(words, word string) bool {
	return !strings.Contains(word, " ") && strings.Contains(words, " "+word+" ")
}

// unmarshal reads the block of a directive.
func (h *Handler) unmarshal(helper httpcaddyfile.Helper, words string) error {
	given := onceOnly{}
	for nesting := helper.Nesting(); helper.NextBlock(nesting); {
		word := helper.Val()
		if !isWord(words, word) {
			return helper.Errf("unknown word %q; expected one of%s", word, strings.TrimSuffix(words, " "))
		}
		if _, isPolicy := modes[word]; isPolicy {
			if err := h.unmarshalPolicy(helper, word); err != nil {
				return err
			}
			continue
		}
		if err := given.note(helper.Dispenser, word); err != nil {
			return err
		}
		if word == "pages" {
			if err := h.unmarshalPages(helper); err != nil {
				return err
			}
			continue
		}
		if err := h.unmarshalWord(helper.Dispenser, word); err != nil {
			return err
		}
	}
	return nil
}

func (h *Handler) unmarshalWord(d *caddyfile.Dispenser, word string) error {
	switch word {
	case "public_url":
		return list(d, &h.PublicURLs, func(raw string) error {
			if isPlaceholder(raw) {
				return checkEnv(raw)
			}
			_, err := checkPublicURL(raw)
			return err
		})
	case "endpoints":
		return matching(d, &h.Endpoints, prefixPath.MatchString, "a path like /auth")
	case "cookie":
		return matching(d, &h.Cookie, cookieName.MatchString, "a name of letters, digits, - and _")
	case "same_site":
		return matching(d, &h.SameSite, oneOf(sameSiteLax, sameSiteStrict), "lax or strict")
	case "inject":
		return matching(d, &h.Inject, oneOf(injectRequest, injectTransport), "request or transport")
	default:
		return h.unmarshalRouteOption(d, word)
	}
}

// unmarshalPolicy reads one line of what routes ask: matchers, and maybe a
// block.
func (h *Handler) unmarshalPolicy(helper httpcaddyfile.Helper, mode string) error {
	policy := &Policy{Mode: mode}
	all := false
	for helper.NextArg() {
		helper.Prev()
		set, ok, err := helper.MatcherToken()
		if err != nil {
			return helper.WrapErr(err)
		}
		if !ok {
			return helper.Errf("%s: expected a matcher (a /path, *, or @name), got %q", mode, helper.Val())
		}
		if set == nil {
			all = true
			continue
		}
		policy.MatcherSetsRaw = append(policy.MatcherSetsRaw, set)
	}
	if all {
		policy.MatcherSetsRaw = nil
	}
	matchers, hasBlock := all || len(policy.MatcherSetsRaw) > 0, false
	if !matchers && mode != "required" {
		return helper.Errf("%s: expected a matcher (a /path, *, or @name)", mode)
	}
	given := onceOnly{}
	for nesting := helper.Nesting(); helper.NextBlock(nesting); hasBlock = true {
		word := helper.Val()
		if err := given.note(helper.Dispenser, word); err != nil {
			return err
		}
		if err := policy.unmarshalWord(helper.Dispenser, word); err != nil {
			return err
		}
	}
	if !matchers && !hasBlock {
		return helper.Errf("%s: expected a matcher (a /path, *, or @name), or a block with what it asks of every route", mode)
	}
	h.Policies = append(h.Policies, policy)
	return nil
}

func (p *Policy) unmarshalWord(d *caddyfile.Dispenser, word string) error {
	switch {
	case p.Mode == "public":
		return d.Errf("public: nobody is asked there, so %s means nothing; make it optional, required or api", word)
	case word == "tenants" && p.Mode == "optional":
		return d.Err("tenants on an optional route would keep nobody out; make it required or api")
	case word == "tenants":
		return list(d, &p.Tenants, func(name string) error {
			if !tenantName.MatchString(name) {
				return fmt.Errorf("%q is not a workspace's name", name)
			}
			return checkEnv(name)
		})
	default:
		return p.unmarshalRouteOption(d, word)
	}
}

func (o *RouteOptions) unmarshalRouteOption(d *caddyfile.Dispenser, word string) error {
	switch word {
	case "token_header":
		return o.unmarshalTokenHeader(d)
	case "service":
		return matching(d, &o.Service, serviceName.MatchString, "the id of an OSC service, like eyevinn-intercom-manager")
	case "identity_headers":
		return onOrOff(d, &o.IdentityHeaders)
	case "streams":
		return duration(d, &o.Streams)
	case "jobs":
		return duration(d, &o.Jobs)
	case "passthrough":
		if d.CountRemainingArgs() == 0 {
			on := true
			o.Passthrough = &on
			return atEnd(d)
		}
		return onOrOff(d, &o.Passthrough)
	case "cross_origin":
		return list(d, &o.CrossOrigin, func(raw string) error {
			_, err := checkOrigin(raw)
			return err
		})
	default:
		return d.Errf("unknown word %q; expected tenants, token_header, service, identity_headers, cross_origin, streams, jobs or passthrough", word)
	}
}

func onOrOff(d *caddyfile.Dispenser, value **bool) error {
	var word string
	if err := matching(d, &word, oneOf("on", "off"), "on or off"); err != nil {
		return err
	}
	on := word == "on"
	*value = &on
	return nil
}

func (o *RouteOptions) unmarshalTokenHeader(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 || len(args) > 2 {
		return d.ArgErr()
	}
	header := &TokenHeader{Name: args[0]}
	named := false
	switch strings.ToLower(args[0]) {
	case tokenHeaderOff:
		header.Name = tokenHeaderOff
	case "authorization", "x-pat-jwt":
		header.Name = strings.ToLower(args[0])
	default:
		named = true
		if err := checkTokenField(args[0]); err != nil {
			return d.Errf("token_header: %v", err)
		}
	}
	if len(args) == 2 {
		if !named || args[1] != "bearer" && args[1] != "raw" {
			return d.Errf("token_header: expected x-pat-jwt, authorization, off, or a field's name with bearer or raw; got %q", strings.Join(args, " "))
		}
		header.Raw = args[1] == "raw"
	}
	o.TokenHeader = header
	return atEnd(d)
}

// matching takes one argument that fits.
func matching(d *caddyfile.Dispenser, value *string, fits func(string) bool, expected string) error {
	if err := scalar(d, value); err != nil {
		return err
	}
	if !fits(*value) {
		return d.Errf("expected %s, got %q", expected, *value)
	}
	return nil
}

func oneOf(words ...string) func(string) bool {
	return func(value string) bool {
		return slices.Contains(words, value)
	}
}

// list takes one argument or more.
func list(d *caddyfile.Dispenser, values *[]string, check func(string) error) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	for _, arg := range args {
		if err := check(arg); err != nil {
			return d.WrapErr(err)
		}
	}
	*values = args
	return atEnd(d)
}

var _ caddy.Module = (*Handler)(nil)

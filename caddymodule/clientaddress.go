package caddymodule

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// clientAddress is the address a visitor comes from, zero where it may be that
// of many: of this machine and of private networks come proxies that nobody has
// named in trusted_proxies, and all their visitors with them.
//
// It is zero too where only the client may have said so: of the addresses that
// proxies forward Caddy takes the first, and anybody can write others in front of
// their own, unless it looks for the last that is no proxy's (trusted_proxies_strict).
func clientAddress(r *http.Request) netip.Addr {
	if isTrusted(r) && !isFromLastProxy(r) {
		return netip.Addr{}
	}
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	if address = address.Unmap(); !address.IsGlobalUnicast() || address.IsPrivate() || carrierGrade.Contains(address) {
		return netip.Addr{}
	}
	return address
}

// isFromLastProxy tells whether the address that came with a request is one that a
// trusted proxy has seen: all there is, or chosen by Caddy to be.
func isFromLastProxy(r *http.Request) bool {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.TrustedProxiesStrict > 0 {
		return ok
	}
	addresses := 0
	for _, field := range server.ClientIPHeaders {
		for _, value := range r.Header.Values(field) {
			addresses += 1 + strings.Count(value, ",")
		}
	}
	return addresses <= 1
}

// carrierGrade are the addresses providers share among their customers
// (RFC 6598), which some clouds number their balancers with.
var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")

package caddymodule

import (
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// clientAddress is the address a visitor comes from, zero where it may be that
// of many: of this machine and of private networks come proxies that nobody has
// named in trusted_proxies, and all their visitors with them.
func clientAddress(r *http.Request) netip.Addr {
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

// carrierGrade are the addresses providers share among their customers
// (RFC 6598), which some clouds number their balancers with.
var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")

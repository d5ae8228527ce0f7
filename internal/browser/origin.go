package browser

import (
	"net/http"
	"strings"
)

// Crossing says how a request that would carry a token relates to the site's
// own origin. Only SameOrigin and CrossOriginNavigation may be forwarded.
type Crossing int

const (
	// CrossOriginUnsafe is a request with side effects, or a WebSocket
	// handshake, that another origin made: refuse it. It is the zero value, so
	// that a forgotten assignment refuses.
	CrossOriginUnsafe Crossing = iota
	// CrossOriginResource is a sub-resource, frame or fetch that another origin
	// loads from the site: refuse it.
	CrossOriginResource
	// CrossOriginNavigation is a person following a link from elsewhere: fine.
	CrossOriginNavigation
	// SameOrigin is the site itself, the address bar, an allowed origin, or a
	// client that is no browser: fine.
	SameOrigin
)

// String returns the name of c for logs.
func (c Crossing) String() string {
	switch c {
	case SameOrigin:
		return "same_origin"
	case CrossOriginNavigation:
		return "cross_origin_navigation"
	case CrossOriginResource:
		return "cross_origin_resource"
	default:
		return "cross_origin_unsafe"
	}
}

// Cross reads from Origin and Fetch Metadata where r comes from. own is the
// site's origin as RFC 6454 §6.2 serializes it ("https://app.example.com"),
// allowed are the exact further origins the operator trusts like the site.
//
// Same-site is not same-origin: tenants of one platform share its registrable
// domain, and with it each other's SameSite cookies.
func Cross(r *http.Request, own string, allowed []string) Crossing {
	if !IsSafeMethod(r.Method) || IsWebSocket(r) {
		return crossUnsafe(r, own, allowed)
	}
	return crossSafe(r, own, allowed)
}

// crossUnsafe wants every witness to agree: whatever of Origin and
// Sec-Fetch-Site is there must name the own origin. Neither is what clients
// that are no browsers send; every browser sends Origin with these requests.
// An allowed origin stands alone, since for it Sec-Fetch-Site tells the truth
// about another host than ours.
func crossUnsafe(r *http.Request, own string, allowed []string) Crossing {
	origin, count := single(r.Header["Origin"])
	if count > 0 {
		if isAllowed(origin, allowed) {
			return SameOrigin
		}
		if !sameOrigin(origin, own) && !isWithheld(r, origin) {
			return CrossOriginUnsafe
		}
	}
	site, count := single(r.Header["Sec-Fetch-Site"])
	if count > 0 && !isOwnSite(site) {
		return CrossOriginUnsafe
	}
	return SameOrigin
}

// IsPreflight reports whether a browser asks, for a page of an allowed origin,
// what that may send (Fetch §4.8, CORS-preflight). Browsers send no cookies with
// it, so it can be answered for nobody alone.
func IsPreflight(r *http.Request, allowed []string) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	origin, _ := single(r.Header["Origin"])
	return isAllowed(origin, allowed)
}

// isWithheld reports whether the browser replaced the site's own origin by
// "null" because the page that sent the request has a Referrer-Policy of
// no-referrer, which much security middleware sets by default. Fetch does that
// to form posts and beacons, never to fetch() or WebSockets ("append a request
// Origin header"), and Sec-Fetch-Site still tells such a page from a stranger.
func isWithheld(r *http.Request, origin string) bool {
	site, _ := single(r.Header["Sec-Fetch-Site"])
	mode, _ := single(r.Header["Sec-Fetch-Mode"])
	return origin == "null" && site == "same-origin" && (mode == "navigate" || mode == "no-cors") && !IsWebSocket(r)
}

// crossSafe takes Sec-Fetch-Site's word where there is one, since a page cannot
// forge it; without it a foreign Origin still gives a cross-origin fetch away.
func crossSafe(r *http.Request, own string, allowed []string) Crossing {
	origin, origins := single(r.Header["Origin"])
	site, sites := single(r.Header["Sec-Fetch-Site"])
	switch {
	case sites > 0 && isOwnSite(site):
		return SameOrigin
	case sites == 0 && origins == 0:
		return SameOrigin
	case sites == 0 && sameOrigin(origin, own):
		return SameOrigin
	case isAllowed(origin, allowed):
		return SameOrigin
	case isTopLevel(r):
		return CrossOriginNavigation
	default:
		return CrossOriginResource
	}
}

// isTopLevel reports whether the browser calls r a navigation of a whole tab.
// Browsers of the first Fetch Metadata draft send no destination, but give
// frames another mode.
func isTopLevel(r *http.Request) bool {
	mode := r.Header["Sec-Fetch-Mode"]
	return isRead(r.Method) && len(mode) > 0 && onlySays(mode, "navigate") &&
		onlySays(r.Header["Sec-Fetch-Dest"], "document")
}

// single returns the one value of a field, and how many there are. Several have
// no meaning for the fields read here, so their value is one nothing equals.
func single(values []string) (string, int) {
	if len(values) == 1 {
		return values[0], 1
	}
	return "", len(values)
}

// isOwnSite reports whether site names the own origin or the user herself
// (address bar, bookmark), the two values of Sec-Fetch-Site nobody else causes.
func isOwnSite(site string) bool {
	return site == "same-origin" || site == "none"
}

// isAllowed reports whether origin is one of allowed.
func isAllowed(origin string, allowed []string) bool {
	for _, a := range allowed {
		if sameOrigin(origin, a) {
			return true
		}
	}
	return false
}

// sameOrigin compares two serialized origins (RFC 6454 §5): scheme, host and
// port, where case and a default port make no difference. The empty string and
// "null" (an opaque origin, §6.1) equal nothing, themselves included.
func sameOrigin(a, b string) bool {
	if a == "" || a == "null" {
		return false
	}
	if a == b {
		return true
	}
	a, b = withoutDefaultPort(a), withoutDefaultPort(b)
	// Equal lengths keep Unicode letters that fold to ASCII ones out.
	return len(a) == len(b) && strings.EqualFold(a, b)
}

// withoutDefaultPort drops :443 of https and :80 of http.
func withoutDefaultPort(origin string) string {
	scheme, rest, ok := strings.Cut(origin, "://")
	if !ok {
		return origin
	}
	port := ""
	switch {
	case strings.EqualFold(scheme, "https"):
		port = ":443"
	case strings.EqualFold(scheme, "http"):
		port = ":80"
	}
	if port == "" || len(rest) <= len(port) {
		return origin
	}
	return strings.TrimSuffix(origin, port)
}

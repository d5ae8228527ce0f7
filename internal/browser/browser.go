// Package browser reads what a browser's request says about itself: whether a
// person is looking at the page it loads, whether it came from the site's own
// origin, and where the person may be sent back to afterwards.
//
// Nothing here decides on a session; every function is a pure reading of the
// request, so the answers are the same on every route.
package browser

import (
	"net/http"
	"strings"
)

// IsSafeMethod reports whether method is exactly GET, HEAD or OPTIONS.
//
// Methods are case-sensitive (RFC 9110 §9.1): "get" is some other method whose
// effect is unknown, and TRACE, although safe by definition, has no use here.
func IsSafeMethod(method string) bool {
	return isRead(method) || method == http.MethodOptions
}

// isRead reports whether method asks for a representation, as page loads do.
func isRead(method string) bool {
	return method == http.MethodGet || method == http.MethodHead
}

// IsWebSocket reports whether r opens a WebSocket: an HTTP/1.1 Upgrade
// (RFC 6455 §4.1) or an extended CONNECT (RFC 8441 §4, RFC 9220 §3).
func IsWebSocket(r *http.Request) bool {
	if r.Method == http.MethodConnect {
		return isExtendedConnect(r)
	}
	return wantsUpgrade(r) && hasToken(r.Header["Upgrade"], "websocket")
}

// isExtendedConnect looks for the :protocol pseudo-header where Go keeps it:
// net/http leaves it in the header map, HTTP/3 servers put it in Proto.
func isExtendedConnect(r *http.Request) bool {
	for _, protocol := range r.Header[":protocol"] {
		if strings.EqualFold(protocol, "websocket") {
			return true
		}
	}
	return strings.EqualFold(r.Proto, "websocket")
}

// wantsUpgrade reports whether r asks to leave HTTP on this connection.
func wantsUpgrade(r *http.Request) bool {
	return hasToken(r.Header["Connection"], "upgrade")
}

// isSpeculative reports whether the browser fetches a page nobody has asked to
// see yet. Answering with a sign-in would start flows behind the user's back;
// a refusal makes the browser drop the copy and ask again when it is wanted.
func isSpeculative(r *http.Request) bool {
	for _, name := range speculationHeaders {
		for _, word := range speculationWords {
			if hasToken(r.Header[name], word) {
				return true
			}
		}
	}
	return false
}

// The standard header and those that older browsers and extensions send.
var (
	speculationHeaders = [...]string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"}
	speculationWords   = [...]string{"prefetch", "prerender", "preview"}
)

// hasToken reports whether any field line names token in its comma-separated
// list (RFC 9110 §5.6.1), in any case, with or without a version or parameters
// ("websocket/13", "prefetch;prerender"). Field lines are one list (§5.3).
func hasToken(lines []string, token string) bool {
	for _, rest := range lines {
		for more := true; more; {
			var item string
			item, rest, more = strings.Cut(rest, ",")
			if end := strings.IndexAny(item, ";/"); end >= 0 {
				item = item[:end]
			}
			if strings.EqualFold(strings.Trim(item, " \t"), token) {
				return true
			}
		}
	}
	return false
}

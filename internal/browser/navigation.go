package browser

import (
	"net/http"
	"strconv"
	"strings"
)

// IsNavigation reports whether r loads a top-level page that a person will see:
// the only kind of request that may be answered with a redirect to sign in, and
// the only kind that is shown a page when it is refused.
//
// Fetch Metadata decides where the browser sends it (W3C Fetch Metadata §2);
// older browsers are recognised by an Accept that asks for HTML.
func IsNavigation(r *http.Request) bool {
	if !MayStartSignIn(r) || isScripted(r) {
		return false
	}
	return hasFetchMetadata(r) || acceptsHTML(r.Header["Accept"])
}

// MayStartSignIn reports whether r may begin a sign-in flow. A browser must be
// loading a top-level page: images, frames, fetches and prefetches can neither
// start a flow nor push out one the person is in the middle of. A client that
// sends no Fetch Metadata (curl, an old browser) is let through.
func MayStartSignIn(r *http.Request) bool {
	return isRead(r.Method) &&
		!wantsUpgrade(r) &&
		!isSpeculative(r) &&
		onlySays(r.Header["Sec-Fetch-Mode"], "navigate") &&
		onlySays(r.Header["Sec-Fetch-Dest"], "document")
}

// IsDocumentLoad reports whether r is a browser loading a page into a tab, and
// certainly so: scripts will run in what it is answered. Programs that imitate
// Fetch Metadata do not go as far as Upgrade-Insecure-Requests, which all
// browsers send with every navigation (W3C Upgrade Insecure Requests §3.2.1).
func IsDocumentLoad(r *http.Request) bool {
	return r.Method == http.MethodGet && IsNavigation(r) && showsDocument(r)
}

// IsFormPost reports whether a person's browser sends a form of the site's own
// page, and certainly so, as IsDocumentLoad.
func IsFormPost(r *http.Request) bool {
	site, _ := single(r.Header["Sec-Fetch-Site"])
	return r.Method == http.MethodPost && site == "same-origin" && showsDocument(r) && !wantsUpgrade(r) && !isScripted(r)
}

// showsDocument reports whether the browser says that it is going to show the
// answer in a tab.
func showsDocument(r *http.Request) bool {
	mode, modes := single(r.Header["Sec-Fetch-Mode"])
	dest, dests := single(r.Header["Sec-Fetch-Dest"])
	upgrade, upgrades := single(r.Header["Upgrade-Insecure-Requests"])
	return modes == 1 && mode == "navigate" && dests == 1 && dest == "document" && upgrades == 1 && upgrade == "1"
}

// IsByHand reports whether a person led the browser to r, from the site itself or
// the address bar (W3C Fetch Metadata §2.4). A redirect keeps that a person
// pressed something, be it on the provider's page; but the way through there makes
// the request cross-site.
func IsByHand(r *http.Request) bool {
	user, _ := single(r.Header["Sec-Fetch-User"])
	site, _ := single(r.Header["Sec-Fetch-Site"])
	return user == "?1" && isOwnSite(site)
}

// IsForPrograms reports whether a path, as the browser sent it, is one that
// programs ask for by its well-known name: a sign-in page in its place is taken
// for what it should be. Robots index it, and a browser installs no app and no
// service worker: scripts of workers may not be redirected at all.
//
// Most browsers say what such a load is for, wherever the file lies. This is for
// the clients that do not, and for a name typed into the address bar.
func IsForPrograms(path string) bool {
	switch path {
	case "/manifest.webmanifest", "/manifest.json", "/site.webmanifest", "/sw.js", "/service-worker.js", "/favicon.ico", "/robots.txt":
		return true
	}
	return strings.HasPrefix(path, "/.well-known/") ||
		strings.HasPrefix(path, "/apple-touch-icon") && strings.HasSuffix(path, ".png") && strings.Count(path, "/") == 1
}

// hasFetchMetadata reports whether the browser said what the load is for.
func hasFetchMetadata(r *http.Request) bool {
	return len(r.Header["Sec-Fetch-Mode"]) > 0 || len(r.Header["Sec-Fetch-Dest"]) > 0
}

// onlySays reports whether no value differs from want; an absent field says nothing.
func onlySays(values []string, want string) bool {
	for _, value := range values {
		if value != want {
			return false
		}
	}
	return true
}

// isScripted reports whether a script or a worker made the request, by the
// marks that also clients without Fetch Metadata leave. Android's WebView puts
// the app's name into X-Requested-With of real navigations, hence the value.
func isScripted(r *http.Request) bool {
	return hasToken(r.Header["X-Requested-With"], "XMLHttpRequest") ||
		hasToken(r.Header["Service-Worker"], "script")
}

// acceptsHTML reports whether an Accept field names text/html with a weight
// above zero (RFC 9110 §12.5.1). Wildcards do not count: everything sends them.
func acceptsHTML(lines []string) bool {
	for _, rest := range lines {
		for more := true; more; {
			var item string
			item, rest, more = strings.Cut(rest, ",")
			kind, params, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.Trim(kind, " \t"), "text/html") && weight(params) > 0 {
				return true
			}
		}
	}
	return false
}

// weight returns the q parameter among params, 1 without one, and 0 for a
// value that is no number between 0 and 1 (RFC 9110 §12.4.2).
func weight(params string) float64 {
	for more := true; more; {
		var param string
		param, params, more = strings.Cut(params, ";")
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.Trim(name, " \t"), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.Trim(value, " \t"), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}

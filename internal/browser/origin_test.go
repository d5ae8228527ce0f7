package browser

import (
	"net/http"
	"testing"
)

const (
	own   = "https://app.example.com"
	other = "https://other.example.com"
)

var upgrade = []string{"Connection", "Upgrade", "Upgrade", "websocket"}

func TestRequestsWithSideEffects(t *testing.T) {
	const origin, site = "Origin", "Sec-Fetch-Site"
	tests := []struct {
		name    string
		headers []string
		want    Crossing
	}{
		{"a client that is no browser", nil, SameOrigin},
		{"the site itself", []string{origin, own, site, "same-origin"}, SameOrigin},
		{"an old browser on the site", []string{origin, own}, SameOrigin},
		{"the site, scheme and host in other case", []string{origin, "HTTPS://App.Example.COM"}, SameOrigin},
		{"the site, default port spelled out", []string{origin, own + ":443"}, SameOrigin},
		{"the person herself", []string{site, "none"}, SameOrigin},
		{"the person herself, with an Origin", []string{origin, own, site, "none"}, SameOrigin},
		{"an allowed origin", []string{origin, other, site, "same-site"}, SameOrigin},
		{"an allowed origin on an old browser", []string{origin, other}, SameOrigin},
		{"an allowed origin that proxies to us", []string{origin, other, site, "same-origin"}, SameOrigin},
		{"another site", []string{origin, "https://evil.example", site, "cross-site"}, CrossOriginUnsafe},
		{"another tenant of the same site", []string{origin, "https://tenant.example.com", site, "same-site"}, CrossOriginUnsafe},
		{"another tenant, old browser", []string{origin, "https://tenant.example.com"}, CrossOriginUnsafe},
		{"same site without Origin", []string{site, "same-site"}, CrossOriginUnsafe},
		{"cross site without Origin", []string{site, "cross-site"}, CrossOriginUnsafe},
		{"an opaque origin", []string{origin, "null"}, CrossOriginUnsafe},
		{"an opaque origin that claims to be ours", []string{origin, "null", site, "same-origin"}, CrossOriginUnsafe},
		{"an empty Origin", []string{origin, ""}, CrossOriginUnsafe},
		{"our host on plain http", []string{origin, "http://app.example.com"}, CrossOriginUnsafe},
		{"our host on plain http with https's port", []string{origin, "http://app.example.com:443"}, CrossOriginUnsafe},
		{"our host on another port", []string{origin, own + ":8443"}, CrossOriginUnsafe},
		{"our host with a trailing dot", []string{origin, own + "."}, CrossOriginUnsafe},
		{"a URL instead of an origin", []string{origin, own + "/"}, CrossOriginUnsafe},
		{"our host as a prefix", []string{origin, own + ".evil.example"}, CrossOriginUnsafe},
		{"our host as a suffix", []string{origin, "https://evilapp.example.com"}, CrossOriginUnsafe},
		{"two Origins", []string{origin, own, origin, own}, CrossOriginUnsafe},
		{"two origins in one field", []string{origin, own + " " + own}, CrossOriginUnsafe},
		{"Origin ours, browser says cross-site", []string{origin, own, site, "cross-site"}, CrossOriginUnsafe},
		{"Origin ours, browser says same-site", []string{origin, own, site, "same-site"}, CrossOriginUnsafe},
		{"Origin foreign, browser says same-origin", []string{origin, "https://evil.example", site, "same-origin"}, CrossOriginUnsafe},
		{"two Sec-Fetch-Site", []string{origin, own, site, "same-origin", site, "same-origin"}, CrossOriginUnsafe},
		{"an unknown Sec-Fetch-Site", []string{site, "neighbour"}, CrossOriginUnsafe},
		{"an empty Sec-Fetch-Site", []string{site, ""}, CrossOriginUnsafe},
		{"a navigation does not excuse it", []string{site, "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, CrossOriginUnsafe},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "post", "get", "TRACE", "FOO"} {
				if got := Cross(request(method, tt.headers...), own, []string{other}); got != tt.want {
					t.Errorf("%s: got %v, want %v", method, got, tt.want)
				}
			}
			if got := Cross(request("GET", append(upgrade, tt.headers...)...), own, []string{other}); got != tt.want {
				t.Errorf("WebSocket: got %v, want %v", got, tt.want)
			}
			if got := Cross(request("CONNECT", append([]string{":protocol", "websocket"}, tt.headers...)...), own, []string{other}); got != tt.want {
				t.Errorf("WebSocket over HTTP/2: got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAFormOnAPageWithoutReferrerIsTheSiteItself(t *testing.T) {
	const origin, site, mode, dest = "Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"
	tests := []struct {
		name    string
		headers []string
		want    Crossing
	}{
		{"a form", []string{origin, "null", site, "same-origin", mode, "navigate", dest, "document"}, SameOrigin},
		{"a form into a frame", []string{origin, "null", site, "same-origin", mode, "navigate", dest, "iframe"}, SameOrigin},
		{"a beacon", []string{origin, "null", site, "same-origin", mode, "no-cors", dest, "empty"}, SameOrigin},
		{"a form on another page like that", []string{origin, "null", site, "cross-site", mode, "navigate"}, CrossOriginUnsafe},
		{"a form on a neighbour's page like that", []string{origin, "null", site, "same-site", mode, "navigate"}, CrossOriginUnsafe},
		{"a form from nowhere", []string{origin, "null", site, "none", mode, "navigate"}, CrossOriginUnsafe},
		{"fetch() keeps its Origin", []string{origin, "null", site, "same-origin", mode, "cors"}, CrossOriginUnsafe},
		{"WebSockets keep theirs", append([]string{origin, "null", site, "same-origin", mode, "no-cors"}, upgrade...), CrossOriginUnsafe},
		{"two of them", []string{origin, "null", origin, "null", site, "same-origin", mode, "navigate"}, CrossOriginUnsafe},
		{"another origin", []string{origin, "https://evil.example", site, "same-origin", mode, "navigate"}, CrossOriginUnsafe},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Cross(request("POST", tt.headers...), own, nil); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRequestsWithoutSideEffects(t *testing.T) {
	const origin, site, mode, dest = "Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"
	tests := []struct {
		name   string
		method string
		pairs  []string
		want   Crossing
	}{
		{"a client that is no browser", "GET", nil, SameOrigin},
		{"the site's own fetch", "GET", []string{site, "same-origin", mode, "cors", dest, "empty"}, SameOrigin},
		{"the address bar", "GET", []string{site, "none", mode, "navigate", dest, "document"}, SameOrigin},
		{"an old browser's own module script", "GET", []string{origin, own}, SameOrigin},
		{"the site's own font behind a rewriting proxy", "GET", []string{origin, "http://localhost:5173", site, "same-origin"}, SameOrigin},
		{"a link from another site", "GET", []string{site, "cross-site", mode, "navigate", dest, "document"}, CrossOriginNavigation},
		{"a link from a neighbour", "HEAD", []string{site, "same-site", mode, "navigate", dest, "document"}, CrossOriginNavigation},
		{"a link, before destinations were sent", "GET", []string{site, "cross-site", mode, "navigate"}, CrossOriginNavigation},
		{"a frame on another site", "GET", []string{site, "cross-site", mode, "navigate", dest, "iframe"}, CrossOriginResource},
		{"an object on a neighbour", "GET", []string{site, "same-site", mode, "navigate", dest, "object"}, CrossOriginResource},
		{"an embed on another site", "GET", []string{site, "cross-site", mode, "navigate", dest, "embed"}, CrossOriginResource},
		{"a script on another site", "GET", []string{site, "cross-site", mode, "no-cors", dest, "script"}, CrossOriginResource},
		{"a fetch of a neighbour", "GET", []string{origin, "https://tenant.example.com", site, "same-site", mode, "cors", dest, "empty"}, CrossOriginResource},
		{"a fetch of an old neighbour", "GET", []string{origin, "https://tenant.example.com"}, CrossOriginResource},
		{"a sandboxed frame's fetch", "GET", []string{origin, "null"}, CrossOriginResource},
		{"a fetch of an allowed origin", "GET", []string{origin, other, site, "same-site", mode, "cors"}, SameOrigin},
		{"a preflight of an allowed origin", "OPTIONS", []string{origin, other, site, "cross-site", mode, "cors"}, SameOrigin},
		{"a preflight of another origin", "OPTIONS", []string{origin, "https://evil.example", site, "cross-site", mode, "cors"}, CrossOriginResource},
		{"OPTIONS is no page load", "OPTIONS", []string{site, "cross-site", mode, "navigate", dest, "document"}, CrossOriginResource},
		{"cross-site without a mode", "GET", []string{site, "cross-site"}, CrossOriginResource},
		{"two Sec-Fetch-Site", "GET", []string{site, "same-origin", site, "none"}, CrossOriginResource},
		{"two allowed Origins", "GET", []string{origin, other, origin, other, site, "cross-site"}, CrossOriginResource},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Cross(request(tt.method, tt.pairs...), own, []string{other}); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestOriginsOfOtherShapes(t *testing.T) {
	tests := []struct {
		name, origin, own string
		same              bool
	}{
		{"localhost with a port", "http://localhost:8080", "http://localhost:8080", true},
		{"http's default port", "http://localhost:80", "http://localhost", true},
		{"https's port on http is kept", "http://localhost:443", "http://localhost", false},
		{"an IPv6 address", "https://[2001:DB8::1]:443", "https://[2001:db8::1]", true},
		{"an IPv6 address that ends like a port", "https://[2001:db8::443]", "https://[2001:db8:]", false},
		{"an unknown own origin", "https://app.example.com", "", false},
		{"an own origin that is opaque", "null", "null", false},
		{"a letter that folds to an ASCII one", "https://\u212aey.example", "https://key.example", false},
		{"a port twice", "https://app.example.com:443:443", own, false},
		{"a port without a host", "https://:443", "https://", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Cross(request("POST", "Origin", tt.origin), tt.own, nil)
			if (got == SameOrigin) != tt.same {
				t.Errorf("got %v, want same %v", got, tt.same)
			}
		})
	}
}

func TestReadingARequestAllocatesNothing(t *testing.T) {
	pageLoad := request("GET", "Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document",
		"Accept", chromiumAccept, "Connection", "keep-alive")
	post := request("POST", "Origin", own, "Sec-Fetch-Site", "same-origin", "Connection", "keep-alive")
	allowed := []string{other}
	allocs := testing.AllocsPerRun(100, func() {
		IsNavigation(pageLoad)
		Cross(pageLoad, own, allowed)
		Cross(post, own, allowed)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestAForgottenCrossingRefuses(t *testing.T) {
	var c Crossing
	if c != CrossOriginUnsafe {
		t.Errorf("the zero value is %v", c)
	}
	seen := map[string]bool{}
	for _, c := range []Crossing{CrossOriginUnsafe, CrossOriginResource, CrossOriginNavigation, SameOrigin} {
		seen[c.String()] = true
	}
	if len(seen) != 4 {
		t.Errorf("names are not distinct: %v", seen)
	}
}

func FuzzCross(f *testing.F) {
	f.Add("POST", own, "same-origin", "cors", "empty", own)
	f.Add("GET", "null", "cross-site", "navigate", "iframe", "http://localhost:8080")
	f.Add("CONNECT", "https://:443", "", "websocket", "", "://")
	f.Fuzz(func(t *testing.T, method, origin, site, mode, dest, own string) {
		r := request(method, "Origin", origin, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", dest)
		got := Cross(r, own, nil)
		refused := site != "same-origin" && site != "none"
		if refused && got == SameOrigin {
			t.Errorf("%s from %q, site %q, counts as same origin", method, origin, site)
		}
		if got == CrossOriginNavigation && method != http.MethodGet && method != http.MethodHead {
			t.Errorf("%s counts as a navigation", method)
		}
		if !IsSafeMethod(method) && origin == "null" && site != "same-origin" && got != CrossOriginUnsafe {
			t.Errorf("%s from an opaque origin is %v", method, got)
		}
	})
}

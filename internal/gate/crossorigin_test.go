package gate_test

import (
	"net/http"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/pages"
)

func TestARequestOfAnotherOriginDoesNotGetTheToken(t *testing.T) {
	socket := func(from string) headers {
		return headers{"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Origin": from}
	}
	tests := []struct {
		name, method string
		with         headers
		passes       bool
		resource     bool // anonymous on optional routes
	}{
		{"a cross-site POST", "POST", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "https://evil.example"}, false, false},
		{"a POST of a neighbour on the same platform", "POST", headers{"Sec-Fetch-Site": "same-site", "Origin": "https://other.apps.example.com"}, false, false},
		{"a POST of an opaque origin", "POST", headers{"Origin": "null"}, false, false},
		{"a POST of a neighbour without Fetch Metadata", "POST", headers{"Origin": "https://other.apps.example.com"}, false, false},
		{"a POST of the same host over http", "POST", headers{"Origin": "http://app.example.com"}, false, false},
		{"a POST of another port", "POST", headers{"Origin": origin + ":8443"}, false, false},
		{"a POST of a name that begins alike", "POST", headers{"Origin": origin + ".evil.example"}, false, false},
		{"a same-site PUT", "PUT", headers{"Sec-Fetch-Site": "same-site"}, false, false},
		{"a same-site DELETE", "DELETE", headers{"Sec-Fetch-Site": "same-site"}, false, false},
		{"a same-site PATCH", "PATCH", headers{"Sec-Fetch-Site": "same-site"}, false, false},
		{"a lower-case post", "post", headers{"Sec-Fetch-Site": "same-site"}, false, false},
		{"an unknown method", "FOO", headers{"Sec-Fetch-Site": "same-site"}, false, false},
		{"a form posted from elsewhere", "POST", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Origin": "https://evil.example"}, false, false},
		{"a neighbour's WebSocket", "GET", socket("https://other.apps.example.com"), false, false},
		{"an opaque origin's WebSocket", "GET", socket("null"), false, false},
		{"a cross-site script", "GET", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, false, true},
		{"a neighbour's fetch", "GET", headers{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Origin": "https://other.apps.example.com"}, false, true},
		{"a cross-site image", "GET", image, false, true},
		{"a cross-site frame", "GET", iframe, false, true},

		{"the site's own POST", "POST", headers{"Sec-Fetch-Site": "same-origin", "Origin": origin}, true, false},
		{"the site's own POST without Fetch Metadata", "POST", headers{"Origin": origin}, true, false},
		{"a POST of no browser", "POST", bare, true, false},
		{"the site's own WebSocket", "GET", socket(origin), true, false},
		{"a link on another site", "GET", fromAway, true, false},
		{"the address bar", "GET", headers{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, true, false},
		{"the site's own fetch", "GET", scripted, true, false},
		{"no browser", "GET", bare, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			b := r.signedIn("ada", "acme")
			for _, target := range []string{"/app/x", "/api/x", "/maybe/x", "/friends/x"} {
				a := b.do(tt.method, target, tt.with)
				switch {
				case tt.passes:
					if !a.passed || r.app.last().header.Get("X-Pat-Jwt") != bearer("ada") {
						t.Errorf("%s: %d", target, a.Code)
					}
				case tt.resource && target == "/maybe/x":
					if !a.passed || r.app.last().header.Get("X-Pat-Jwt") != "" || r.app.last().header.Get("X-Osc-User") != "" {
						t.Errorf("%s: %d, passed %t", target, a.Code, a.passed)
					}
				case a.passed || a.Code != http.StatusForbidden || r.observer.last() != pages.CrossOrigin:
					t.Errorf("%s: %d %s", target, a.Code, r.observer.last())
				}
				if len(a.Header()["Set-Cookie"]) != 0 {
					t.Errorf("%s: cookies %v", target, a.Header()["Set-Cookie"])
				}
			}
			b.works("ada")
		})
	}
}

func TestAnOriginTheRouteNamesMayPostAndOpenWebSockets(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	post := headers{"Origin": "https://friend.example", "Sec-Fetch-Site": "cross-site"}
	socket := headers{"Origin": "https://friend.example", "Connection": "Upgrade", "Upgrade": "websocket"}
	if !b.do("POST", "/friends/x", post).passed || !b.do("GET", "/friends/x", socket).passed {
		t.Error("a named origin was refused")
	}
	for _, target := range []string{"/app/x", "/api/x", "/maybe/x"} {
		if b.do("POST", target, post).passed || b.do("GET", target, socket).passed {
			t.Errorf("%s: an origin named elsewhere passed", target)
		}
	}
}

func TestAForeignPostOnAPublicRouteCarriesNothing(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	a := b.do("POST", "/assets/x", headers{"Origin": "https://evil.example", "X-Pat-Jwt": "Bearer EVIL", "X-Osc-User": "root"})
	got := r.app.last().header
	if !a.passed || got.Get("X-Pat-Jwt") != "" || got.Get("X-Osc-User") != "" || got.Get("Cookie") != "" {
		t.Errorf("%d %v", a.Code, got)
	}
	if n := r.vault.count("Fresh") + r.vault.count("Peek"); n != 0 {
		t.Errorf("the store was asked %d times for a public route", n)
	}
}

func TestAPreflightReachesTheApplicationForAllowedOriginsAndForNobody(t *testing.T) {
	preflight := func(from string) headers {
		return headers{
			"Origin": from, "Access-Control-Request-Method": "POST", "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors",
			"X-Pat-Jwt": "Bearer EVIL", "Authorization": "Bearer EVIL", "X-Osc-User": "root",
		}
	}
	for _, tt := range []struct {
		name, method, target string
		with                 headers
		passes               bool
	}{
		{"of an allowed origin", "OPTIONS", "/friends/x", preflight("https://friend.example"), true},
		{"of another origin", "OPTIONS", "/friends/x", preflight("https://evil.example"), false},
		{"on a route that allows none", "OPTIONS", "/app/x", preflight("https://friend.example"), false},
		{"that is none", "OPTIONS", "/friends/x", headers{"Origin": "https://friend.example"}, false},
		{"by another method", "POST", "/friends/x", preflight("https://friend.example"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			a := r.serve(request(t, tt.method, tt.target, tt.with))
			if a.passed != tt.passes || !tt.passes && a.Code != http.StatusUnauthorized {
				t.Fatalf("passed %t, %d", a.passed, a.Code)
			}
			if !a.passed {
				return
			}
			got := r.app.last().header
			if got.Get("X-Pat-Jwt")+got.Get("Authorization")+got.Get("X-Osc-User") != "" || got.Get("Origin") == "" {
				t.Errorf("%v", got)
			}
			if a.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Error("the gateway answered for the application")
			}
		})
	}
}

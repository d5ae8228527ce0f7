package browser

import (
	"net/http"
	"testing"
)

const chromiumAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

func TestNavigations(t *testing.T) {
	const mode, dest, site, accept = "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-Site", "Accept"
	tests := []struct {
		name         string
		r            *http.Request
		navigation   bool
		startsSignIn bool
	}{
		{"a page load", request("GET", mode, "navigate", dest, "document", site, "none", accept, chromiumAccept), true, true},
		{"a link from another site", request("GET", mode, "navigate", dest, "document", site, "cross-site"), true, true},
		{"HEAD of a page", request("HEAD", mode, "navigate", dest, "document"), true, true},
		{"Fetch Metadata outweighs Accept", request("GET", mode, "navigate", dest, "document", accept, "application/json"), true, true},
		{"a browser that sends no destination yet", request("GET", mode, "navigate"), true, true},
		{"a form being posted", request("POST", mode, "navigate", dest, "document", accept, chromiumAccept), false, false},
		{"lower-case get is no GET", request("get", mode, "navigate", dest, "document"), false, false},
		{"OPTIONS", request("OPTIONS", accept, "text/html"), false, false},
		{"fetch()", request("GET", mode, "cors", dest, "empty", accept, "*/*"), false, false},
		{"fetch() that asks for HTML", request("GET", mode, "same-origin", dest, "empty", accept, "text/html"), false, false},
		{"an image", request("GET", mode, "no-cors", dest, "image", accept, chromiumAccept), false, false},
		{"a frame", request("GET", mode, "navigate", dest, "iframe", accept, chromiumAccept), false, false},
		{"an object", request("GET", mode, "navigate", dest, "object"), false, false},
		{"a destination without a mode that is no page", request("GET", dest, "script", accept, "text/html"), false, false},
		{"contradicting values", request("GET", mode, "navigate", mode, "cors", dest, "document"), false, false},
		{"an empty mode says something else", request("GET", mode, "", accept, "text/html"), false, false},
		{"prefetch", request("GET", mode, "navigate", dest, "document", "Sec-Purpose", "prefetch"), false, false},
		{"prerender", request("GET", mode, "navigate", dest, "document", "Sec-Purpose", "prefetch;prerender"), false, false},
		{"old prefetch", request("GET", accept, "text/html", "Purpose", "prefetch"), false, false},
		{"Firefox's old prefetch", request("GET", accept, "text/html", "X-Moz", "prefetch"), false, false},
		{"Safari's preview", request("GET", accept, "text/html", "X-Purpose", "preview"), false, false},
		{"some other purpose", request("GET", accept, "text/html", "Purpose", "reading"), true, true},
		{"XMLHttpRequest", request("GET", accept, "text/html", "X-Requested-With", "xmlhttprequest"), false, true},
		{"a page in an Android app", request("GET", accept, "text/html", "X-Requested-With", "com.example.app"), true, true},
		{"a service worker's script", request("GET", accept, "text/html", "Service-Worker", "script"), false, true},
		{"a WebSocket", request("GET", accept, "text/html", "Connection", "Upgrade", "Upgrade", "websocket"), false, false},
		{"any other upgrade", request("GET", mode, "navigate", dest, "document", "Connection", "upgrade", "Upgrade", "h2c"), false, false},
		{"extended CONNECT", request("CONNECT", ":protocol", "websocket", accept, "text/html"), false, false},
		{"an old browser", request("GET", accept, chromiumAccept), true, true},
		{"an old browser whose scheme gives only the site", request("GET", site, "none", accept, chromiumAccept), true, true},
		{"curl", request("GET", accept, "*/*"), false, true},
		{"no Accept", request("GET"), false, true},
		{"any text", request("GET", accept, "text/*"), false, true},
		{"HTML refused", request("GET", accept, "text/html;q=0, */*"), false, true},
		{"HTML refused with decimals", request("GET", accept, "text/html; Q = 0.000"), false, true},
		{"HTML barely welcome", request("GET", accept, "application/json, TEXT/HTML ; level=1 ; q=0.001"), true, true},
		{"HTML on a second line", request("GET", accept, "application/json", accept, "text/html"), true, true},
		{"a weight that is no number", request("GET", accept, "text/html;q=high"), false, true},
		{"a weight out of range", request("GET", accept, "text/html;q=7"), false, true},
		{"a weight that is not a number by name", request("GET", accept, "text/html;q=NaN"), false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := IsNavigation(tt.r); got != tt.navigation {
				t.Errorf("IsNavigation = %v, want %v", got, tt.navigation)
			}
			if got := MayStartSignIn(tt.r); got != tt.startsSignIn {
				t.Errorf("MayStartSignIn = %v, want %v", got, tt.startsSignIn)
			}
		})
	}
}

func FuzzIsNavigation(f *testing.F) {
	f.Add("GET", "navigate", "document", chromiumAccept, "keep-alive", "prefetch;prerender")
	f.Add("GET", "", "", "text/html;q=0.5;q=1,,;=,", "upgrade,", ",;/")
	f.Add("HEAD", "cors", "empty", "*/*", "", "")
	f.Fuzz(func(t *testing.T, method, mode, dest, accept, connection, purpose string) {
		r := request(method, "Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", dest, "Accept", accept,
			"Connection", connection, "Sec-Purpose", purpose)
		if !IsNavigation(r) {
			return
		}
		if method != "GET" && method != "HEAD" || mode != "navigate" || dest != "document" || !MayStartSignIn(r) || IsWebSocket(r) {
			t.Errorf("%s mode=%q dest=%q connection=%q counts as a navigation", method, mode, dest, connection)
		}
	})
}

func TestWellKnownNamesAreForPrograms(t *testing.T) {
	for path, want := range map[string]bool{
		"/manifest.webmanifest": true, "/manifest.json": true, "/site.webmanifest": true, "/sw.js": true, "/service-worker.js": true,
		"/favicon.ico": true, "/robots.txt": true, "/apple-touch-icon.png": true, "/apple-touch-icon-180x180-precomposed.png": true,
		"/.well-known/security.txt": true, "/.well-known/": true,
		"/": false, "/.well-known": false, "/.well-knowns/a": false, "/files/robots.txt": false, "/Robots.txt": false,
		"/apple-touch-icon": false, "/apple-touch-icons/a.png": false, "/sw.js/": false, "/app/manifest.json": false,
	} {
		if got := IsForPrograms(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestADocumentLoadIsCertain(t *testing.T) {
	const mode, dest, upgrade = "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Upgrade-Insecure-Requests"
	for name, tt := range map[string]struct {
		r    *http.Request
		want bool
	}{
		"a browser":                  {request("GET", mode, "navigate", dest, "document", upgrade, "1"), true},
		"a program that imitates it": {request("GET", mode, "navigate", dest, "document"), false},
		"an old browser":             {request("GET", "Accept", "text/html", upgrade, "1"), false},
		"no destination":             {request("GET", mode, "navigate", upgrade, "1"), false},
		"a frame":                    {request("GET", mode, "navigate", dest, "iframe", upgrade, "1"), false},
		"HEAD":                       {request("HEAD", mode, "navigate", dest, "document", upgrade, "1"), false},
		"a form":                     {request("POST", mode, "navigate", dest, "document", upgrade, "1"), false},
		"a prefetch":                 {request("GET", mode, "navigate", dest, "document", upgrade, "1", "Sec-Purpose", "prefetch"), false},
		"a script":                   {request("GET", mode, "navigate", dest, "document", upgrade, "1", "X-Requested-With", "XMLHttpRequest"), false},
		"another value":              {request("GET", mode, "navigate", dest, "document", upgrade, "0"), false},
		"said twice":                 {request("GET", mode, "navigate", dest, "document", upgrade, "1", upgrade, "1"), false},
	} {
		if got := IsDocumentLoad(tt.r); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhatIsDoneByHand(t *testing.T) {
	const user, site = "Sec-Fetch-User", "Sec-Fetch-Site"
	for name, tt := range map[string]struct {
		r    *http.Request
		want bool
	}{
		"a link of the site":               {request("GET", user, "?1", site, "same-origin"), true},
		"the address bar":                  {request("GET", user, "?1", site, "none"), true},
		"a redirect out of the provider":   {request("GET", user, "?1", site, "cross-site"), false},
		"a script of the site":             {request("GET", site, "same-origin"), false},
		"a program":                        {request("GET"), false},
		"another value":                    {request("GET", user, "?0", site, "none"), false},
		"a person, and nobody knows where": {request("GET", user, "?1"), false},
	} {
		if got := IsByHand(tt.r); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAFormOfTheSitesOwnPage(t *testing.T) {
	const mode, dest, site, upgrade = "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-Site", "Upgrade-Insecure-Requests"
	for name, tt := range map[string]struct {
		r    *http.Request
		want bool
	}{
		"a form":                  {request("POST", mode, "navigate", dest, "document", site, "same-origin", upgrade, "1"), true},
		"one of a neighbour":      {request("POST", mode, "navigate", dest, "document", site, "same-site", upgrade, "1"), false},
		"one of a stranger":       {request("POST", mode, "navigate", dest, "document", site, "cross-site", upgrade, "1"), false},
		"one of nobody's":         {request("POST", mode, "navigate", dest, "document", site, "none", upgrade, "1"), false},
		"one that says two sites": {request("POST", mode, "navigate", dest, "document", site, "same-origin", site, "same-origin", upgrade, "1"), false},
		"fetch()":                 {request("POST", mode, "cors", dest, "empty", site, "same-origin"), false},
		"a frame's":               {request("POST", mode, "navigate", dest, "iframe", site, "same-origin", upgrade, "1"), false},
		"a program's":             {request("POST", mode, "navigate", dest, "document", site, "same-origin"), false},
		"a script's":              {request("POST", mode, "navigate", dest, "document", site, "same-origin", upgrade, "1", "X-Requested-With", "XMLHttpRequest"), false},
		"PUT":                     {request("PUT", mode, "navigate", dest, "document", site, "same-origin", upgrade, "1"), false},
	} {
		if got := IsFormPost(tt.r); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

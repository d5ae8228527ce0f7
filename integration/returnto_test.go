package integration

import (
	"net/url"
	"testing"
)

func TestASignInNeverEndsOutsideTheSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	for _, evil := range []string{
		"https://elsewhere.example/", "//elsewhere.example", "///elsewhere.example", `/\elsewhere.example`, `\\elsewhere.example`,
		`\/elsewhere.example`, "/\t/elsewhere.example", "/\n/elsewhere.example", "/\r\nSet-Cookie: a=b", "\t//elsewhere.example",
		" //elsewhere.example", "/%09/elsewhere.example", "/%2f/elsewhere.example", "/%2Felsewhere.example", "/%5celsewhere.example",
		"/%255celsewhere.example", "javascript:alert(1)", "data:text/html,x", "elsewhere.example", "?x", "#x", "", "/./", "/../",
		"/.//elsewhere.example", "/a/..//elsewhere.example", "/%2e%2e//elsewhere.example", "http:elsewhere.example", "http:///elsewhere.example",
		"/auth/signin", "/auth/signout", "/AUTH/signout", "/auth;x/signout", "/%61uth/signout", "/auth/callback?code=a&state=b",
		"/\u2028/elsewhere.example", "/／elsewhere.example", "https:/elsewhere.example", "//user@elsewhere.example:80/",
	} {
		v := w.visitor()
		got := v.open(v.toCallback(v.open("/auth/signin?" + url.Values{"return_to": {evil}}.Encode())))
		if location := got.Header.Get("Location"); location != "/" {
			t.Errorf("%q leads to %q", evil, location)
		}
	}
}

func TestASignInEndsWhereItWasAskedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	for _, good := range []string{"/", "/studio", "/studio/?room=1&x=%2F", "/a%20b", "/search?q=https://elsewhere.example/"} {
		v := w.visitor()
		got := v.open(v.toCallback(v.open("/auth/signin?" + url.Values{"return_to": {good}}.Encode())))
		if location := got.Header.Get("Location"); location != good {
			t.Errorf("%q leads to %q", good, location)
		}
	}
}

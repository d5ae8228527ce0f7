package integration

import (
	"net/http"
	"testing"
)

// attackHosts are requests for another host than the site's, or for the site's
// in other words.
var attackHosts = []struct {
	name    string
	request string
}{
	{name: "PA-021 a whole URL of another host", request: "GET http://elsewhere.example/studio/x HTTP/1.1\r\nHost: {host}\r\n"},
	{name: "PA-022 CONNECT to another host", request: "CONNECT app.example.com:443 HTTP/1.1\r\nHost: {host}\r\n"},
	{name: "PA-036 in capitals", request: "GET /studio/x HTTP/1.1\r\nHost: {HOST}\r\n"},
	{name: "PA-036 with a dot at its end", request: "GET /studio/x HTTP/1.1\r\nHost: localhost.\r\n"},
	{name: "PA-036 with another port", request: "GET /studio/x HTTP/1.1\r\nHost: localhost:9999\r\n"},
	{name: "PA-036 with a tab", request: "GET /studio/x HTTP/1.1\r\nHost: {host}\t\r\n"},
	{name: "PA-036 none", request: "GET /studio/x HTTP/1.1\r\nHost:\r\n"},
	{name: "PA-036 two in one", request: "GET /studio/x HTTP/1.1\r\nHost: {host},elsewhere.example\r\n"},
	{name: "PA-036 two", request: "GET /studio/x HTTP/1.1\r\nHost: {host}\r\nHost: elsewhere.example\r\n"},
	{name: "PA-036 another", request: "GET /studio/x HTTP/1.1\r\nHost: elsewhere.example\r\n"},
	{name: "PA-036 this machine's address", request: "GET /studio/x HTTP/1.1\r\nHost: 127.0.0.1\r\n"},
}

func TestAttacksByTheNameOfAHostReachNothing(t *testing.T) {
	t.Parallel()
	const origin = "https://app.example.com"
	named := newAttackRig(t, attackSetup{policies: "\t\tpublic_url " + origin + "\n" + attackPublicPart})
	named.origin = origin
	whatever := newAttackProxy(t, origin)
	for _, row := range attackHosts {
		t.Run(row.name, func(t *testing.T) {
			if got := named.send(t, row.request+attackPerson+attackEnd); !named.isNobody(got) {
				named.checkHost(t, got)
			}
			whatever.checkHost(t, whatever.send(t, row.request+attackPerson+attackEnd))
			for _, a := range []*attackRig{named, whatever} {
				if requests := a.upstream.take(); len(requests) != 0 {
					t.Errorf("the app got %q", requests)
				}
				a.alive(t)
			}
		})
	}
}

// isNobody tells whether the server has no site for the host that was
// asked for: it is not the gateway that says nothing then.
func (a *attackRig) isNobody(got answer) bool {
	return got.Status == http.StatusOK && got.Body == "" && got.Header["Set-Cookie"] == nil && got.Header["Location"] == nil
}

// checkHost checks that a person is sent to sign in, for the site that is
// configured, or refused.
func (a *attackRig) checkHost(t *testing.T, got answer) {
	t.Helper()
	switch {
	case a.toProvider(got):
		a.answered(t, got)
	case got.Status/100 != 4 || got.Header["Location"] != nil:
		t.Error(got)
	}
}

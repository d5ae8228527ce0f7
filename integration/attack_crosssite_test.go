package integration

import (
	"net/http"
	"strings"
	"testing"
)

// Headers of pages elsewhere. Tenants of one platform are same-site to each
// other, and nothing more.
const (
	attackElsewhere = "Origin: https://elsewhere.example\r\n"
	attackNeighbour = "Origin: https://other-tenant.apps.osaas.io\r\n"
	attackFetched   = "Accept: */*\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n"
)

// attackCrossing is a request that a page somewhere makes a browser send.
type attackCrossing struct {
	name   string
	lines  []string // requests, each a method, a path and headers
	status int
	passed bool // reaches the app, with the token
	asked  bool // leads to the provider
}

// attackRequest is a request without what ends its header.
func attackRequest(method, path, lines string) string { return attackHead(method, path) + lines }

var attackCrossings = []attackCrossing{
	{name: "CS-001 a post from another site", status: http.StatusForbidden, lines: []string{
		attackRequest("POST", "/studio", attackCookie+attackElsewhere+"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n"),
	}},
	{name: "CS-002 a post from a neighbour", status: http.StatusForbidden, lines: []string{
		attackRequest("POST", "/studio", attackCookie+attackNeighbour+"Sec-Fetch-Site: same-site\r\n"),
	}},
	{name: "CS-003 a post from nowhere", status: http.StatusForbidden, lines: []string{
		attackRequest("POST", "/studio", attackCookie+"Origin: null\r\n"),
		attackRequest("POST", "/studio", attackCookie+"Origin: null\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"),
	}},
	{name: "CS-004 a neighbour's post in an old browser", status: http.StatusForbidden, lines: []string{
		attackRequest("POST", "/studio", attackCookie+attackNeighbour),
	}},
	{name: "CS-005 any unsafe method from a neighbour", status: http.StatusForbidden, lines: []string{
		attackRequest("PUT", "/studio", attackCookie+"Sec-Fetch-Site: same-site\r\n"),
		attackRequest("PATCH", "/studio", attackCookie+"Sec-Fetch-Site: same-site\r\n"),
		attackRequest("DELETE", "/studio", attackCookie+"Sec-Fetch-Site: same-site\r\n"),
		attackRequest("post", "/studio", attackCookie+"Sec-Fetch-Site: same-site\r\n"),
		attackRequest("get", "/studio", attackCookie+"Sec-Fetch-Site: same-site\r\n"),
		attackRequest("FOO", "/studio", attackCookie+"Sec-Fetch-Site: same-site\r\n"),
	}},
	{name: "CS-006 a sign-out from another site", status: http.StatusForbidden, lines: []string{
		attackRequest("POST", "/auth/signout", attackCookie+attackElsewhere+"Sec-Fetch-Site: cross-site\r\n"),
		attackRequest("POST", "/auth/signout", attackCookie+attackNeighbour+"Sec-Fetch-Site: same-site\r\n"),
	}},
	{name: "CS-007 an image that would sign out", status: http.StatusOK, lines: []string{ // a page with a button
		attackRequest("GET", "/auth/signout", attackCookie+"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n"),
	}},
	{name: "CS-008 a script element of another site", status: http.StatusForbidden, lines: []string{
		attackRequest("GET", "/api/rooms", attackCookie+"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n"),
		attackRequest("GET", "/studio", attackCookie+"Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n"),
	}},
	{name: "CS-009 a post from the site itself", status: http.StatusOK, passed: true, lines: []string{
		attackRequest("POST", "/studio", attackCookie+attackOrigin+"Sec-Fetch-Site: same-origin\r\n"),
	}},
	{name: "CS-010 a link on another site", status: http.StatusOK, passed: true, lines: []string{
		attackRequest("GET", "/studio", attackCookie+"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"),
	}},
	{name: "CS-011 a fetch of somebody signed out", status: http.StatusUnauthorized, lines: []string{
		attackRequest("GET", "/api/rooms", attackFetched), attackRequest("GET", "/studio", attackFetched),
	}},
	{name: "CS-012 a page that somebody signed out opens", status: http.StatusFound, asked: true, lines: []string{
		attackRequest("GET", "/studio", attackPerson),
	}},
	{name: "CS-013 a form of somebody signed out", status: http.StatusUnauthorized, lines: []string{
		attackRequest("POST", "/studio", "Sec-Fetch-Mode: navigate\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n"),
	}},
	{name: "CS-014 a preflight", status: http.StatusUnauthorized, lines: []string{
		attackRequest("OPTIONS", "/api/rooms", attackElsewhere+"Access-Control-Request-Method: POST\r\nX-Pat-Jwt: Bearer forged\r\n"),
	}},
	{name: "CS-015 the site's origin in other words", status: http.StatusForbidden, lines: []string{
		attackRequest("POST", "/studio", attackCookie+"Origin: https://{host}\r\n"),
		attackRequest("POST", "/studio", attackCookie+"Origin: http://localhost\r\n"),
		attackRequest("POST", "/studio", attackCookie+"Origin: {origin}.elsewhere.example\r\n"),
		attackRequest("POST", "/studio", attackCookie+attackOrigin+attackElsewhere),
	}},
}

func TestAttacksByOtherSitesDoNothingInAUsersName(t *testing.T) {
	t.Parallel()
	a := newAttackRig(t, attackSetup{policies: "\t\tapi /api/*\n"})
	a.signIn("/")
	for _, row := range attackCrossings {
		t.Run(row.name, func(t *testing.T) {
			for _, request := range row.lines {
				a.checkCrossing(t, row, request)
			}
			a.checkSignedIn(t)
		})
	}
}

func (a *attackRig) checkCrossing(t *testing.T, row attackCrossing, request string) {
	t.Helper()
	got, requests := a.send(t, request+attackEnd), a.upstream.take()
	request, _, _ = strings.Cut(request, " HTTP")
	if got.Status != row.status || a.toProvider(got) != row.asked || (len(got.Header["Set-Cookie"]) > 0) != row.asked {
		t.Errorf("%s: %v %v", request, got, got.Header)
	}
	tokens := a.forwarded(t, requests)
	if row.passed {
		if len(requests) != 1 || tokens != 1 {
			t.Errorf("%s: the app got %q", request, requests)
		}
		return
	}
	a.answered(t, got)
	if len(requests) != 0 {
		t.Errorf("%s: the app got %q", request, requests)
	}
	for name := range got.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s: answered with %s", request, name)
		}
	}
}

// checkSignedIn checks that alice still is.
func (a *attackRig) checkSignedIn(t *testing.T) {
	t.Helper()
	got, requests := a.send(t, attackHead("GET", "/studio")+attackCookie+attackPerson+attackEnd), a.upstream.take()
	if got.Status != http.StatusOK || a.forwarded(t, requests) != 1 {
		t.Errorf("no longer signed in: %v", got)
	}
}

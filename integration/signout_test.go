package integration

import (
	"net/http"
	"strings"
	"testing"
)

func TestSigningOutEndsTheSessionAndStartsNoFlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	v := w.visitor()
	v.signIn("/")
	stolen := v.session()

	if got := v.open("/auth/signout"); got.Status != http.StatusOK || !strings.Contains(got.Body, `method="post"`) {
		t.Errorf("GET: %v", got)
	}
	if got := v.open("/"); got.Status != http.StatusOK {
		t.Fatalf("a GET of the sign-out page signed out: %d", got.Status)
	}
	done := v.signOut()
	if done.Status != http.StatusSeeOther || done.location(t).Path != "/auth/signed-out" {
		t.Fatalf("%d %v", done.Status, done.Header)
	}
	if kept := v.cookies(); len(kept) != 0 {
		t.Errorf("the browser still keeps %v", kept)
	}
	before := w.osc.Counters().Authorizations
	if page := v.follow(done); page.Status != http.StatusOK || page.Header["Set-Cookie"] != nil || strings.Contains(page.Body, "http-equiv") {
		t.Errorf("the page: %d %v %s", page.Status, page.Header, page.Body)
	}
	calls := w.app.calls()
	for what, got := range map[string]answer{
		"the browser":           v.open("/"),
		"who copied the cookie": w.visitor().withCookie("osc_session=" + stolen).open("/"),
	} {
		if got.Status != http.StatusFound || !strings.HasPrefix(got.Header.Get("Location"), w.osc.URL) {
			t.Errorf("%s, afterwards: %d", what, got.Status)
		}
	}
	if w.app.calls() != calls || w.osc.Counters().Authorizations != before {
		t.Error("the app was called, or a flow began by itself")
	}
}

func TestAnotherSiteCannotSignAnybodyOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	v := w.visitor()
	v.signIn("/")
	for name, headers := range map[string]http.Header{
		"another site":      {"Origin": {"https://elsewhere.example"}, "Sec-Fetch-Site": {"cross-site"}},
		"a neighbour":       {"Origin": {"http://neighbour.localhost"}, "Sec-Fetch-Site": {"same-site"}},
		"a sandboxed frame": {"Origin": {"null"}},
		"an old browser":    {"Origin": {"https://elsewhere.example"}},
	} {
		if got := v.send(http.MethodPost, "/auth/signout", headers, ""); got.Status != http.StatusForbidden || got.Header["Set-Cookie"] != nil {
			t.Errorf("%s: %d %v", name, got.Status, got.Header)
		}
	}
	if got := v.open("/"); got.Status != http.StatusOK {
		t.Errorf("signed out all the same: %d", got.Status)
	}
}

func TestUnsafeRequestsOfOtherOriginsCarryNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	v := w.visitor()
	v.signIn("/")
	calls := w.app.calls()
	for _, headers := range []http.Header{
		{"Origin": {"https://elsewhere.example"}, "Sec-Fetch-Site": {"cross-site"}},
		{"Origin": {"http://neighbour.localhost"}, "Sec-Fetch-Site": {"same-site"}},
	} {
		got := v.send(http.MethodPost, "/api/rooms", headers, "a=b")
		if got.Status != http.StatusForbidden || readProblem(t, got).Reason != "cross_origin" {
			t.Errorf("%v: %d %s", headers, got.Status, got.Body)
		}
	}
	if w.app.calls() != calls {
		t.Error("the app was called")
	}
	if got := v.fetch(http.MethodPost, "/api/rooms"); got.Status != http.StatusOK {
		t.Errorf("of the site itself: %d", got.Status)
	}
}

package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// attack2Refresh is a session whose refreshes are answered in a way of their
// own.
type attack2Refresh struct {
	id, what string
	begin    []string // members of the first response
	refresh  func(name string, n int) attack2Reply
	after    func(*testing.T, *attack2, *visitor, *attack2Grant)
}

// attack2Short is a token that ends soon.
var attack2Short = []string{"expires_in", "3"}

func attack2Always(reply func(string) attack2Reply) func(string, int) attack2Reply {
	return func(name string, _ int) attack2Reply { return reply(name) }
}

func attack2Status(status int, body string) func(string, int) attack2Reply {
	return attack2Always(func(string) attack2Reply { return attack2Reply{status: status, body: body} })
}

// attack2For is a refresh response with a token of somebody.
func attack2For(user, tenant string) func(string, int) attack2Reply {
	return func(name string, n int) attack2Reply {
		return attack2Pair(name, n, "access_token", attack2JWT(attack2Claims(user, tenant, name, n)))
	}
}

func attack2Claims(user, tenant, grant string, n int) string {
	return fmt.Sprintf(`{"userId":%q,"tenantId":%q,"patId":"%s-%d"}`, user, tenant, grant, n)
}

func attack2Refreshes(canary string) []attack2Refresh {
	alice := append([]string{"access_token", attack2JWT(attack2Claims("alice", "acme", "the first", 0))}, attack2Short...)
	// A client that is not known may be a provider amid a change: it counts when
	// the token has ended.
	unknownClient := endsAfter(4, http.StatusServiceUnavailable)
	return []attack2Refresh{
		{"TE-003", "a refusal", attack2Short, attack2Status(http.StatusBadRequest, `{"error":"invalid_grant"}`), endsAfter(1)},
		{"TE-004", "500", attack2Short, attack2Status(http.StatusInternalServerError, ""), keptInTrouble},
		{"TE-004", "500 that says invalid_grant", attack2Short, attack2Status(http.StatusInternalServerError, `{"error":"invalid_grant"}`), keptInTrouble},
		{"TE-001", "a page", attack2Short, attack2Status(http.StatusOK, "<html>"+marker+"</html>"), keptInTrouble},
		{"TE-010", "a redirect", attack2Short, attack2Always(func(string) attack2Reply {
			return attack2Reply{status: http.StatusTemporaryRedirect, header: http.Header{"Location": {canary}}}
		}), keptInTrouble},
		{"TE-020", "a field behind the token", attack2Short, func(name string, n int) attack2Reply {
			return attack2Pair(name, n, "access_token", `"`+marker+`\r\nX-Admin: 1"`)
		}, keptInTrouble},
		{"TE-023", "a token twice", attack2Short, attack2Status(http.StatusOK, `{"access_token":"`+marker+`-1","access_token":"`+marker+`-2","token_type":"Bearer"}`), keptInTrouble},
		{"TE-015", "no refresh token at sign-in", append([]string{"refresh_token", ""}, attack2Short...), attack2Status(http.StatusBadRequest, "{}"), endsUnasked},
		{"TE-016", "no refresh token at refresh", attack2Short, func(name string, n int) attack2Reply {
			return attack2Pair(name, n, "refresh_token", "", "expires_in", "3")
		}, goesOnWithTheFirst},
		{"TE-026", "a client that is not known", attack2Short, attack2Status(http.StatusUnauthorized, `{"error":"invalid_client"}`), unknownClient},
		{"TE-029", "somebody else's token", alice, attack2For("bob", "acme"), endsAfter(1)},
		{"TE-037", "a token for another workspace", alice, attack2For("alice", "beta"), endsAfter(1)},
		{"TE-037", "a token of the same person", alice, attack2For("alice", "acme"), staysSignedIn},
		{"TE-017", "a lifetime of nothing", []string{"expires_in", "0"}, attack2Lived("0"), notForEveryRequest},
		{"TE-017", "a lifetime below nothing", []string{"expires_in", "-1"}, attack2Lived("-1"), notForEveryRequest},
		{"TE-017", "a second", []string{"expires_in", "1"}, attack2Lived("1"), notForEveryRequest},
		{"TE-017", "the least number there is", []string{"expires_in", "-9223372036854775808"}, attack2Lived("-9223372036854775808"), notForEveryRequest},
		{"TE-030", "ten seconds", []string{"expires_in", "10"}, attack2Lived("10"), notForEveryRequest},
	}
}

func attack2Lived(seconds string) func(string, int) attack2Reply {
	return func(name string, n int) attack2Reply { return attack2Pair(name, n, "expires_in", seconds) }
}

func attack2RefreshRows(t *testing.T) {
	a := newAttack2(t, setup{})
	a.canaries.note(planted, marker)
	grants := a.grants()
	rows := map[string]func(*testing.T){}
	for i, c := range attack2Refreshes(a.osc.URL + "/_simulator/canary") {
		name, v := fmt.Sprint("refresh", i), a.browser(t)
		grant := &attack2Grant{name: name, begin: attack2Pair(name, 0, c.begin...), refresh: func(n int) attack2Reply { return c.refresh(name, n) }}
		if grants.signIn(a, v, grant); a.held(v) == "" {
			t.Fatalf("%s: not signed in", c.what)
		}
		if got := v.fetch(http.MethodGet, "/"+name); strings.HasSuffix(grant.begin.body, `"expires_in":3}`) && got.Status != http.StatusOK {
			t.Errorf("%s: at first: %v", c.what, got)
		}
		rows[c.id+" "+c.what] = func(t *testing.T) { c.after(t, a, v, grant) }
	}
	attack2AtOnce(t, rows)
	if n := a.osc.Counters().CanaryHits; n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// until asks for the grant's page, as a script, until the answer is of a status,
// and fails for any status but that, 200 and those that may come before.
func (a *attack2) until(t *testing.T, v *visitor, grant *attack2Grant, status int, before ...int) (got answer) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s gets %d", grant.name, status), func() bool {
		got = v.fetch(http.MethodGet, "/"+grant.name)
		if got.Status != status && got.Status != http.StatusOK && !slices.Contains(before, got.Status) {
			t.Fatalf("%v", got)
		}
		return got.Status == status
	})
	return got
}

// onlyTheFirst checks that the app was sent the first token and no other.
func (a *attack2) onlyTheFirst(t *testing.T, grant *attack2Grant) {
	t.Helper()
	for _, token := range a.tokensOf("/" + grant.name) {
		if !strings.Contains(grant.begin.body, token) {
			t.Errorf("the app got %q", token)
		}
	}
}

// endsAfter wants the session to end, the provider to be asked so many times at
// most, and the cookie to be taken away.
func endsAfter(most int, before ...int) func(*testing.T, *attack2, *visitor, *attack2Grant) {
	return func(t *testing.T, a *attack2, v *visitor, grant *attack2Grant) {
		got := a.until(t, v, grant, http.StatusUnauthorized, before...)
		if why := readProblem(t, got).Reason; why != "refresh_rejected" {
			t.Errorf("the reason is %s", why)
		}
		asked := len(grant.refreshes())
		if asked == 0 || asked > most {
			t.Errorf("the provider was asked %d times", asked)
		}
		for range 3 {
			v.fetch(http.MethodGet, "/"+grant.name)
		}
		page := v.open("/" + grant.name)
		if page.Status != http.StatusFound || a.held(v) != "" {
			t.Errorf("a page: %v, and the cookie is %q", page, a.held(v))
		}
		if n := len(grant.refreshes()); n != asked {
			t.Errorf("the provider was asked %d times more", n-asked)
		}
		a.onlyTheFirst(t, grant)
	}
}

// keptInTrouble wants the token to be used while it lives, then 503, with the
// provider asked once a second at most and the cookie kept.
func keptInTrouble(t *testing.T, a *attack2, v *visitor, grant *attack2Grant) {
	held, begun := a.held(v), time.Now()
	got := a.until(t, v, grant, http.StatusServiceUnavailable)
	if why := readProblem(t, got).Reason; why != "provider_unavailable" && why != "provider_error" || got.Header.Get("Retry-After") == "" || got.Header["Set-Cookie"] != nil {
		t.Errorf("%v %v", got, got.Header)
	}
	for range 20 {
		if got := v.fetch(http.MethodGet, "/"+grant.name); got.Status != http.StatusServiceUnavailable {
			t.Errorf("%v", got)
		}
	}
	atMostOnceASecond(t, grant, begun)
	a.onlyTheFirst(t, grant)
	grant.mu.Lock()
	grant.refresh = func(n int) attack2Reply { return attack2Pair(grant.name, 1000+n) }
	grant.mu.Unlock()
	eventually(t, "the session works again", func() bool { return v.fetch(http.MethodGet, "/"+grant.name).Status == http.StatusOK })
	if a.held(v) != held {
		t.Error("the cookie is another one")
	}
}

func atMostOnceASecond(t *testing.T, grant *attack2Grant, since time.Time) {
	t.Helper()
	if n, most := len(grant.refreshes()), 1+int(time.Since(since)/time.Second)+1; n == 0 || n > most {
		t.Errorf("the provider was asked %d times in %v", n, time.Since(since))
	}
}

// endsUnasked wants a session without a refresh token to last as long as its
// token does.
func endsUnasked(t *testing.T, a *attack2, v *visitor, grant *attack2Grant) {
	got := a.until(t, v, grant, http.StatusUnauthorized)
	if why := readProblem(t, got).Reason; why != "session_expired" || len(grant.refreshes()) != 0 {
		t.Errorf("%s, and %d refreshes", why, len(grant.refreshes()))
	}
	for _, call := range a.asked.at(attack2Token) {
		if form := call.form(); form.Get("grant_type") == "refresh_token" && form.Get("refresh_token") == "" {
			t.Error("a refresh without a token was sent")
		}
	}
}

// goesOnWithTheFirst wants the refresh token of the sign-in to be used again
// and again.
func goesOnWithTheFirst(t *testing.T, a *attack2, v *visitor, grant *attack2Grant) {
	held := a.held(v)
	eventually(t, "two refreshes", func() bool {
		if got := v.fetch(http.MethodGet, "/"+grant.name); got.Status != http.StatusOK {
			t.Fatal(got)
		}
		return len(grant.refreshes()) >= 2
	})
	for _, token := range grant.refreshes() {
		if !strings.Contains(grant.begin.body, token) {
			t.Errorf("refreshed with %q", token)
		}
	}
	if a.held(v) != held {
		t.Error("the cookie is another one")
	}
}

// staysSignedIn wants a refresh to be taken.
func staysSignedIn(t *testing.T, a *attack2, v *visitor, grant *attack2Grant) {
	eventually(t, "the app gets the second token", func() bool {
		if got := v.fetch(http.MethodGet, "/"+grant.name); got.Status != http.StatusOK {
			t.Fatal(got)
		}
		tokens := a.tokensOf("/" + grant.name)
		return len(tokens) > 0 && tokens[len(tokens)-1] != tokens[0]
	})
	grant.usedOnce(t)
}

// notForEveryRequest wants a provider that grants next to nothing to be asked
// once a second at most.
func notForEveryRequest(t *testing.T, a *attack2, v *visitor, grant *attack2Grant) {
	begun := time.Now()
	for range 100 {
		if got := v.fetch(http.MethodGet, "/"+grant.name); got.Status != http.StatusOK && got.Status != http.StatusServiceUnavailable {
			t.Fatalf("%v", got)
		}
	}
	if n, most := len(grant.refreshes()), 1+int(time.Since(begun)/time.Second)+1; n > most {
		t.Errorf("100 requests made %d refreshes in %v", n, time.Since(begun))
	}
	if life := a.tokenLife(t, v); life > 11*time.Second {
		t.Errorf("the token is believed to live for %v", life)
	}
	grant.usedOnce(t)
}

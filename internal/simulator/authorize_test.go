package simulator

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func location(t *testing.T, a answer) *url.URL {
	t.Helper()
	if a.status != http.StatusFound {
		t.Fatalf("got %d %q, want 302", a.status, a.body)
	}
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestABadClientOrRedirectURIIsAPageAndNeverARedirect(t *testing.T) {
	w := newWorld(t, Config{})
	q := authorizeQuery(w.client().Get("client_id"))
	for name, query := range map[string]string{
		"no client":               with(q, "client_id", "").Encode(),
		"an unknown client":       with(q, "client_id", "osc_nobody").Encode(),
		"two clients":             q.Encode() + "&client_id=x",
		"no redirect URI":         with(q, "redirect_uri", "").Encode(),
		"two redirect URIs":       q.Encode() + "&redirect_uri=" + url.QueryEscape(testRedirect),
		"a trailing slash":        with(q, "redirect_uri", testRedirect+"/").Encode(),
		"an added query":          with(q, "redirect_uri", testRedirect+"?x=1").Encode(),
		"another port":            with(q, "redirect_uri", "https://app.example.com:444/auth/callback").Encode(),
		"another case":            with(q, "redirect_uri", "https://app.example.com/Auth/callback").Encode(),
		"a malformed query":       q.Encode() + "&x=%zz",
		"a semicolon":             q.Encode() + ";x=1",
		"cli with a far host":     with(q, "client_id", "cli", "redirect_uri", "http://evil.example/callback").Encode(),
		"cli with another path":   with(q, "client_id", "cli", "redirect_uri", "http://localhost:1/cb").Encode(),
		"cli with a fragment":     with(q, "client_id", "cli", "redirect_uri", "http://localhost:1/callback#x").Encode(),
		"cli with a user":         with(q, "client_id", "cli", "redirect_uri", "http://a@localhost:1/callback").Encode(),
		"cli with https loopback": with(q, "client_id", "cli", "redirect_uri", "https://localhost:1/callback").Encode(),
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			for _, method := range []string{"GET", "POST"} {
				a := w.call(method, "/api/connect/authorize?"+query, "")
				if a.status != 400 || a.header.Get("Location") != "" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
					t.Errorf("%s: %d %v", method, a.status, a.header)
				}
			}
		})
	}
}

func TestOtherErrorsGoBackToTheClient(t *testing.T) {
	w := newWorld(t, Config{})
	q := authorizeQuery(w.client().Get("client_id"))
	for name, tc := range map[string]struct{ query, code string }{
		"no response type":    {with(q, "response_type", "").Encode(), "invalid_request"},
		"an implicit one":     {with(q, "response_type", "token").Encode(), "unsupported_response_type"},
		"no challenge":        {with(q, "code_challenge", "").Encode(), "invalid_request"},
		"plain":               {with(q, "code_challenge_method", "plain").Encode(), "invalid_request"},
		"no method":           {with(q, "code_challenge_method", "").Encode(), "invalid_request"},
		"a short challenge":   {with(q, "code_challenge", "abc").Encode(), "invalid_request"},
		"a repeated scope":    {q.Encode() + "&scope=a&scope=b", "invalid_request"},
		"a repeated response": {q.Encode() + "&response_type=code", "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			got := location(t, w.call("GET", "/api/connect/authorize?"+tc.query, "")).Query()
			if got.Get("error") != tc.code || got.Get("state") != "st4te" || got.Has("code") {
				t.Errorf("answer %v", got)
			}
		})
	}
	w.T = t
	if got := location(t, w.call("GET", "/api/connect/authorize?"+q.Encode()+"&state=other", "")).Query(); got.Has("state") || got.Get("error") != "invalid_request" {
		t.Errorf("two states: %v", got)
	}
}

func TestTheBuiltInClientMayUseAnyLoopbackPort(t *testing.T) {
	w := newWorld(t, Config{})
	w.knobs(func(k *Knobs) { k.Authorize.AutoUser, k.Authorize.AutoApprove = "bob", true })
	for _, uri := range []string{"http://localhost:1234/callback", "http://127.0.0.1:9/callback", "http://[::1]:9/callback"} {
		q := with(authorizeQuery("cli"), "redirect_uri", uri, "state", "")
		to := location(t, w.call("GET", "/api/connect/authorize?"+q.Encode(), ""))
		if to.Query().Has("state") {
			t.Errorf("a state nobody sent: %v", to)
		}
		a := w.token(url.Values{"grant_type": {"authorization_code"}, "client_id": {"cli"}, "code": {to.Query().Get("code")},
			"redirect_uri": {uri}, "code_verifier": {testVerifier}})
		w.wantStatus(a, 200)
	}
}

func TestAnOAuthAppMadeByHand(t *testing.T) {
	w := newWorld(t, Config{Clients: []Client{{ID: "osc_byhand", Secret: "s", RedirectURIs: []string{testRedirect + "?a=b"}}}})
	w.knobs(func(k *Knobs) { k.Authorize.AutoUser, k.Authorize.AutoApprove = "bob", true })
	w.sim.ForgetClients()
	to := location(t, w.call("GET", "/api/connect/authorize?"+with(authorizeQuery("osc_byhand"), "redirect_uri", testRedirect+"?a=b").Encode(), ""))
	if to.Query().Get("a") != "b" || to.Query().Get("code") == "" {
		t.Errorf("the redirect URI's own query is lost: %v", to)
	}
}

func TestTheLoginIsRememberedAndCanBeChanged(t *testing.T) {
	w := newWorld(t, Config{})
	path := "/api/connect/authorize?" + authorizeQuery(w.client().Get("client_id")).Encode()
	login := w.call("GET", path, "")
	w.wantStatus(w.submit(login, "login", "user", "Not A Name!"), 400)
	w.wantStatus(w.submit(login, "accounts", "account", "alice"), 303)
	consent := w.call("GET", path, "")
	if !strings.Contains(consent.body, `id="who">alice<`) || strings.Contains(consent.body, `id="workspace"`) {
		t.Fatalf("consent page: %s", consent.body)
	}
	w.wantStatus(w.submit(consent, "consent", "decision", "switch"), 303)
	login = w.call("GET", path, "")
	w.wantStatus(w.submit(login, "login", "user", "Erin"), 303)
	to := location(t, w.submit(w.call("GET", path, ""), "consent", "decision", "allow"))
	if to.Query().Get("code") == "" {
		t.Fatalf("no code: %v", to)
	}
	w.advance(loginLifetime)
	if again := w.call("GET", path, ""); !strings.Contains(again.body, `id="login"`) {
		t.Error("the login outlived its cookie's lifetime")
	}
	if gone := w.submit(consent, "consent", "decision", "allow"); !strings.Contains(gone.body, `id="login"`) {
		t.Error("a consent without a login was taken")
	}
}

func TestADeclinedConsentIsAccessDenied(t *testing.T) {
	w := newWorld(t, Config{})
	path := "/api/connect/authorize?" + authorizeQuery(w.client().Get("client_id")).Encode()
	w.submit(w.call("GET", path, ""), "accounts", "account", "dave")
	got := location(t, w.submit(w.call("GET", path, ""), "consent", "decision", "deny")).Query()
	if got.Get("error") != "access_denied" || got.Get("state") != "st4te" || got.Has("code") {
		t.Errorf("answer %v", got)
	}
	if c := w.sim.Counters(); c.ConsentsDenied != 1 || c.ConsentsAllowed != 0 {
		t.Errorf("counters %+v", c)
	}
}

func TestFormsAreBoundToTheirBrowser(t *testing.T) {
	w := newWorld(t, Config{})
	path := "/api/connect/authorize?" + authorizeQuery(w.client().Get("client_id")).Encode()
	w.wantStatus(w.call("POST", path, "user=alice", formType), 403)
	page := w.call("GET", path, "")
	w.wantStatus(w.call("POST", path, "user=alice&csrf=wrong", formType), 403)
	w.browser.Jar = nil
	w.wantStatus(w.submit(page, "login", "user", "alice"), 403)
	w.wantStatus(w.call("GET", path, "", "Cookie: osc_sim=alice.9999999999.forged"), 200)
	if a := w.call("GET", path, "", "Cookie: osc_sim=alice.9999999999.forged"); !strings.Contains(a.body, `id="login"`) {
		t.Error("a forged login cookie signed in")
	}
}

func TestAuthorizeKnobs(t *testing.T) {
	w := newWorld(t, Config{})
	client := w.client()
	path := "/api/connect/authorize?" + authorizeQuery(client.Get("client_id")).Encode()
	get := func(change func(*AuthorizeKnobs)) url.Values {
		w.knobs(func(k *Knobs) {
			k.Authorize = AuthorizeKnobs{AutoUser: "carol", AutoApprove: true}
			change(&k.Authorize)
		})
		return location(t, w.call("GET", path, "")).Query()
	}
	if got := get(func(k *AuthorizeKnobs) { k.AutoTenant = "beta" }); claimsOf(t, w.exchange(client, got.Get("code")).json(t)["access_token"])["tenantId"] != "beta" {
		t.Errorf("auto_tenant: %v", got)
	}
	if got := get(func(k *AuthorizeKnobs) { k.Deny = true }); got.Get("error") != "access_denied" {
		t.Errorf("deny: %v", got)
	}
	if got := get(func(k *AuthorizeKnobs) { k.Iss = "on" }); got.Get("iss") != w.url {
		t.Errorf("iss on: %v", got)
	}
	if got := get(func(k *AuthorizeKnobs) { k.Iss = "wrong" }); got.Get("iss") != wrongIssuer {
		t.Errorf("iss wrong: %v", got)
	}
	if got := get(func(k *AuthorizeKnobs) { k.DropState = true }); got.Has("state") || got.Get("code") == "" {
		t.Errorf("drop_state: %v", got)
	}
	got := get(func(k *AuthorizeKnobs) { k.CodeLifetimeSeconds = 5 })
	w.advance(5 * time.Second)
	w.wantError(w.exchange(client, got.Get("code")), 400, "invalid_grant")
	if got := get(func(k *AuthorizeKnobs) { k.AutoApprove, k.RememberConsent = false, true }); got.Get("code") == "" {
		t.Errorf("remember_consent: %v", got)
	}
	w.knobs(func(k *Knobs) { k.Authorize.RememberConsent = false })
	w.wantStatus(w.call("GET", path, ""), 200)
}

func TestAnExpiredClientIsNotKnown(t *testing.T) {
	w := newWorld(t, Config{Knobs: Knobs{Registration: RegistrationKnobs{ClientLifetimeSeconds: 60}}})
	client, tokens := w.signIn("alice", "acme")
	w.advance(time.Minute)
	w.wantStatus(w.call("GET", "/api/connect/authorize?"+authorizeQuery(client.Get("client_id")).Encode(), ""), 400)
	w.wantError(w.refresh(client, tokens["refresh_token"].(string)), 401, "invalid_client")
	w.knobs(func(k *Knobs) { k.Registration.ExpiredClientsRefresh = true })
	w.wantStatus(w.refresh(client, tokens["refresh_token"].(string)), 200)
	w.wantError(w.exchange(client, "code"), 401, "invalid_client")
}

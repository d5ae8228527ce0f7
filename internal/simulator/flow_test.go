package simulator

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestASignInFromDiscoveryToReuse(t *testing.T) {
	w := newWorld(t, Config{})
	meta := w.call("GET", "/.well-known/oauth-authorization-server", "").json(t)
	if meta["issuer"] != w.url {
		t.Fatalf("issuer %v, want %v", meta["issuer"], w.url)
	}
	m := w.register("")
	client := url.Values{"client_id": {m["client_id"].(string)}, "client_secret": {m["client_secret"].(string)}}

	state := "a/b+c d&e=é%00\n\t;'\""
	got := w.authorizeInBrowser(meta["authorization_endpoint"].(string) + "?" +
		with(authorizeQuery(client.Get("client_id")), "state", state, "resource", "https://unknown.example").Encode())
	if got.Get("state") != state || got.Has("iss") {
		t.Errorf("answer %q, want the state %q and no iss", got, state)
	}

	exchange := w.exchange(client, got.Get("code"))
	tokens := w.wantStatus(exchange, 200).json(t)
	if exchange.header.Get("Cache-Control") != "no-store" || exchange.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", exchange.header)
	}
	if len(tokens) != 5 || tokens["token_type"] != "Bearer" || tokens["expires_in"] != 3600.0 || tokens["scope"] != "claudeai" {
		t.Errorf("token response %v", tokens)
	}
	claims := claimsOf(t, tokens["access_token"])
	if claims["userId"] != "carol" || claims["tenantId"] != "beta" || claims["type"] != "oauth" || claims["iss"] != "token.osaas.eyevinn.se" {
		t.Errorf("claims %v", claims)
	}
	if claims["exp"].(float64)-claims["iat"].(float64) != 3600 || len(claims) != 7 {
		t.Errorf("claims %v", claims)
	}

	w.refreshAndReuse(client, tokens)
	c := w.sim.Counters()
	if c.Discovery != 1 || c.Registrations != 1 || c.Authorizations != 1 || c.ConsentsAllowed != 1 ||
		c.CodeExchanges != 1 || c.CodeExchangesOK != 1 || c.Refreshes != 3 || c.RefreshesOK != 1 ||
		c.RefreshRejected != 2 || c.ReuseDetected != 1 || c.LiveFamilies != 0 || len(c.RefreshesPerFamily) != 1 {
		t.Errorf("counters %+v", c)
	}
}

// refreshAndReuse proves that the first token, come again, ends the second too.
func (w *world) refreshAndReuse(client url.Values, tokens map[string]any) {
	w.Helper()
	first := tokens["refresh_token"].(string)
	again := w.wantStatus(w.refresh(client, first), 200).json(w.T)
	if again["refresh_token"] == first || again["access_token"] == tokens["access_token"] {
		w.Error("refresh returned what was there before")
	}
	w.wantError(w.refresh(client, first), 400, "invalid_grant")
	w.wantError(w.refresh(client, again["refresh_token"].(string)), 400, "invalid_grant")
}

// authorizeInBrowser signs carol in, for beta, on the pages.
func (w *world) authorizeInBrowser(authorize string) url.Values {
	w.Helper()
	login := w.wantStatus(w.call("GET", authorize, ""), 200)
	if !strings.Contains(login.body, "Test app") || !strings.Contains(login.body, `id="user"`) || !strings.Contains(login.body, `id="login-submit"`) {
		w.Fatalf("sign-in page: %s", login.body)
	}
	if csp := login.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		w.Errorf("content policy %q", csp)
	}
	after := w.wantStatus(w.submit(login, "login", "user", "carol"), 303)
	consent := w.wantStatus(w.call("GET", after.header.Get("Location"), ""), 200)
	for _, want := range []string{`id="workspace"`, `value="acme"`, `value="beta"`, `id="allow"`, `id="deny"`, `id="switch"`, "create service", "modify service", "remove service", "Test app"} {
		if !strings.Contains(consent.body, want) {
			w.Errorf("consent page lacks %q", want)
		}
	}
	w.wantStatus(w.submit(consent, "consent", "decision", "allow", "workspace", "gamma"), 400)
	w.wantStatus(w.submit(consent, "consent", "decision", "maybe"), 400)
	return location(w.T, w.submit(consent, "consent", "decision", "allow", "workspace", "beta")).Query()
}

func TestDiscoveryIsTheKnownDocument(t *testing.T) {
	w := newWorld(t, Config{Issuer: "https://app.osaas.io/"})
	a := w.call("GET", "/.well-known/oauth-authorization-server", "")
	want := `{"issuer":"https://app.osaas.io","authorization_endpoint":"https://app.osaas.io/api/connect/authorize",` +
		`"token_endpoint":"https://app.osaas.io/api/connect/token","registration_endpoint":"https://app.osaas.io/api/connect/register",` +
		`"grant_types_supported":["authorization_code","client_credentials"],"response_types_supported":["code"],"code_challenge_methods_supported":["S256"]}`
	if a.body != want || len(a.body) != 377 {
		t.Errorf("%d bytes: %s", len(a.body), a.body)
	}
}

func TestDiscoveryKnobs(t *testing.T) {
	w := newWorld(t, Config{})
	get := func(change func(*DiscoveryKnobs)) answer {
		w.knobs(func(k *Knobs) { k.Discovery = DiscoveryKnobs{}; change(&k.Discovery) })
		return w.call("GET", "/.well-known/oauth-authorization-server", "")
	}
	mode := func(m string) answer { return get(func(k *DiscoveryKnobs) { k.Mode = m }) }
	w.wantStatus(mode("404"), 404)
	w.wantStatus(mode("500"), 500)
	if a := mode("html"); a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("html: %+v", a)
	}
	if m := mode("wrong_issuer").json(t); m["issuer"] != wrongIssuer {
		t.Errorf("wrong_issuer: %v", m)
	}
	if m := mode("extra_fields").json(t); m["x_unknown_extension"] == nil || m["issuer"] != w.url {
		t.Errorf("extra_fields: %v", m)
	}
	w.wantStatus(mode("slow"), 200)
	if p := w.pauses(); len(p) != 1 || p[0].Milliseconds() != 5000 {
		t.Errorf("slow waited %v", p)
	}
	if m := get(func(k *DiscoveryKnobs) { k.AdvertiseIss = true }).json(t); m["authorization_response_iss_parameter_supported"] != true {
		t.Errorf("iss: %v", m)
	}
	for knob, want := range map[string]string{"post": "[client_secret_post]", "basic": "[client_secret_basic]", "both": "[client_secret_basic client_secret_post]", "none": "[none]"} {
		w.knobs(func(k *Knobs) { k.Token.ClientAuth = knob })
		m := get(func(k *DiscoveryKnobs) { k.AdvertiseAuthMethods = true }).json(t)
		var got []string
		for _, v := range m["token_endpoint_auth_methods_supported"].([]any) {
			got = append(got, v.(string))
		}
		if "["+strings.Join(got, " ")+"]" != want {
			t.Errorf("%s: %v", knob, got)
		}
	}
}

func TestNothingElseIsAdvertised(t *testing.T) {
	w := newWorld(t, Config{})
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/jwks.json", "/jwks", "/userinfo", "/revoke",
		"/api/connect/userinfo", "/api/connect/revoke", "/api/connect/jwks", "/api/connect/introspect", "/api/connect/logout", "/nothing"} {
		w.wantStatus(w.call("GET", path, ""), 404)
	}
	w.wantStatus(w.call("GET", "/api/connect/token", ""), 405)
	w.wantStatus(w.call("GET", "/api/connect/register", ""), 405)
}

func TestRegistrationAnswersWithAClient(t *testing.T) {
	w := newWorld(t, Config{})
	m := w.register(`{"client_name":"Näme","redirect_uris":["http://localhost:5000/cb","https://a.example/cb"],"unknown":{"x":1}}`)
	if !regexp.MustCompile(`^osc_[0-9a-f]{24}$`).MatchString(m["client_id"].(string)) ||
		!regexp.MustCompile(`^osc_secret_[0-9a-f]{64}$`).MatchString(m["client_secret"].(string)) {
		t.Errorf("credentials %v", m)
	}
	if m["client_secret_expires_at"] != 0.0 || m["client_name"] != "Näme" || m["token_endpoint_auth_method"] != "client_secret_post" || len(m["redirect_uris"].([]any)) != 2 {
		t.Errorf("echo %v", m)
	}
	public := w.register(`{"redirect_uris":["http://127.0.0.1:1/cb"],"grant_types":["authorization_code","refresh_token"],"token_endpoint_auth_method":"none"}`)
	if public["client_secret"] != nil || public["client_secret_expires_at"] != nil || public["token_endpoint_auth_method"] != "none" {
		t.Errorf("public client %v", public)
	}
}

func TestRegistrationRefusals(t *testing.T) {
	w := newWorld(t, Config{})
	uri := `"redirect_uris":["https://a.example/cb"]`
	for name, tc := range map[string]struct{ contentType, body, code string }{
		"a form":                  {formType, "a=b", "invalid_client_metadata"},
		"no JSON":                 {jsonType, "{", "invalid_client_metadata"},
		"an array":                {jsonType, "[]", "invalid_client_metadata"},
		"two documents":           {jsonType, "{" + uri + "} {}", "invalid_client_metadata"},
		"no redirect URI":         {jsonType, "{}", "invalid_redirect_uri"},
		"a relative one":          {jsonType, `{"redirect_uris":["/cb"]}`, "invalid_redirect_uri"},
		"one with a fragment":     {jsonType, `{"redirect_uris":["https://a.example/cb#"]}`, "invalid_redirect_uri"},
		"http beyond loopback":    {jsonType, `{"redirect_uris":["http://a.example/cb"]}`, "invalid_redirect_uri"},
		"a script":                {jsonType, `{"redirect_uris":["javascript://a.example/"]}`, "invalid_redirect_uri"},
		"an unknown grant":        {jsonType, `{` + uri + `,"grant_types":["password"]}`, "invalid_client_metadata"},
		"no code grant":           {jsonType, `{` + uri + `,"grant_types":["refresh_token"]}`, "invalid_client_metadata"},
		"an implicit response":    {jsonType, `{` + uri + `,"response_types":["token"]}`, "invalid_client_metadata"},
		"an unknown method":       {jsonType, `{` + uri + `,"token_endpoint_auth_method":"private_key_jwt"}`, "invalid_client_metadata"},
		"a name without an end":   {jsonType, `{` + uri + `,"client_name":"` + strings.Repeat("x", 3000) + `"}`, "invalid_client_metadata"},
		"more URIs than sensible": {jsonType, `{"redirect_uris":[` + strings.Repeat(`"https://a.example/",`, 10) + `"https://a.example/"]}`, "invalid_redirect_uri"},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			w.wantError(w.call("POST", "/api/connect/register", tc.body, tc.contentType), 400, tc.code)
		})
	}
	w.T = t
	w.wantStatus(w.call("POST", "/api/connect/register", strings.Repeat(" ", maxBody+1), jsonType), 413)
}

func TestRegistrationKnobs(t *testing.T) {
	w := newWorld(t, Config{})
	body := `{"redirect_uris":["http://a.example/cb"],"token_endpoint_auth_method":"none"}`
	try := func(change func(*RegistrationKnobs)) answer {
		w.knobs(func(k *Knobs) { k.Registration = RegistrationKnobs{AllowHTTP: true}; change(&k.Registration) })
		return w.call("POST", "/api/connect/register", body, jsonType)
	}
	fault := func(f string) answer { return try(func(k *RegistrationKnobs) { k.Fault = f }) }
	w.wantError(fault("400"), 400, "invalid_redirect_uri")
	w.wantStatus(fault("403"), 403)
	if a := w.wantStatus(fault("429"), 429); a.header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	w.wantStatus(fault("500"), 500)
	w.wantStatus(fault("html"), 200)
	w.wantError(try(func(k *RegistrationKnobs) { k.RefusePublicClients = true }), 400, "invalid_client_metadata")
	if m := try(func(k *RegistrationKnobs) { k.EchoWrongRedirectURIs = true }).json(t); m["redirect_uris"].([]any)[0] == "http://a.example/cb" {
		t.Errorf("echo %v", m)
	}
	body = `{"redirect_uris":["http://a.example/cb"]}`
	if m := try(func(k *RegistrationKnobs) { k.ClientLifetimeSeconds = 60 }).json(t); int64(m["client_secret_expires_at"].(float64)) != w.now().Unix()+60 {
		t.Errorf("expiry %v", m)
	}
	if m := try(func(k *RegistrationKnobs) { k.OmitExpiresAt = true }).json(t); m["client_secret_expires_at"] != nil {
		t.Errorf("expiry %v", m)
	}
	w.sim.Close()
	w.knobs(func(k *Knobs) { k.Registration.Fault = "hang" })
	if _, err := w.trySend(w.request("POST", "/api/connect/register", body, jsonType)); err == nil {
		t.Error("a hang was answered")
	}
}

func TestTokenResponseKeepsItsOrder(t *testing.T) {
	w := newWorld(t, Config{})
	client := w.client()
	a := w.exchange(client, w.code(client, "alice", "acme"))
	var order []string
	dec := json.NewDecoder(strings.NewReader(a.body))
	for {
		token, err := dec.Token()
		if err != nil {
			break
		}
		if s, ok := token.(string); ok && len(order) < 5 && !strings.Contains(s, ".") && regexp.MustCompile(`^(access_token|refresh_token|token_type|expires_in|scope)$`).MatchString(s) {
			order = append(order, s)
		}
	}
	if got := strings.Join(order, " "); got != "access_token refresh_token token_type expires_in scope" || a.status != http.StatusOK {
		t.Errorf("order %q in %s", got, a.body)
	}
}

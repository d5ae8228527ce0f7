package simulator

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestTheTokenEndpointIsStrictAboutItsForm(t *testing.T) {
	w := newWorld(t, Config{})
	client, tokens := w.signIn("alice", "acme")
	good := with(client, "grant_type", "refresh_token", "refresh_token", tokens["refresh_token"].(string))
	post := func(path, body string, headers ...string) answer { return w.call("POST", path, body, headers...) }
	const path = "/api/connect/token"
	w.wantError(post(path, `{"grant_type":"refresh_token"}`, jsonType), 400, "invalid_request")
	w.wantError(post(path, good.Encode()), 400, "invalid_request")
	w.wantError(post(path+"?client_id=x", good.Encode(), formType), 400, "invalid_request")
	w.wantError(post(path, good.Encode()+"&client_id=x", formType), 400, "invalid_request")
	w.wantError(post(path, good.Encode()+"&x=1&x=1", formType), 400, "invalid_request")
	w.wantError(post(path, good.Encode()+";", formType), 400, "invalid_request")
	w.wantError(w.token(with(good, "grant_type", "")), 400, "invalid_request")
	w.wantError(w.token(with(good, "grant_type", "password")), 400, "unsupported_grant_type")
	w.wantError(w.token(with(good, "grant_type", "client_credentials")), 400, "unauthorized_client")
	w.wantError(w.token(with(good, "refresh_token", "")), 400, "invalid_request")
	w.wantError(w.token(with(good, "client_id", "")), 400, "invalid_request")
	w.wantStatus(post(path, good.Encode(), formType+"; charset=utf-8"), 200)
}

func TestClientAuthentication(t *testing.T) {
	w := newWorld(t, Config{})
	client, tokens := w.signIn("alice", "acme")
	w.knobs(func(k *Knobs) { k.Token.Rotation = RotationNone })
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}}
	basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(client.Get("client_id")+":"+client.Get("client_secret")))
	posted := with(form, "client_id", client.Get("client_id"), "client_secret", client.Get("client_secret"))
	bare := with(form, "client_id", client.Get("client_id"))
	for name, tc := range map[string]struct {
		knob   string
		form   url.Values
		header []string
		code   string
	}{
		"the secret in the form":         {"post", posted, nil, ""},
		"a wrong secret":                 {"post", with(posted, "client_secret", "x"), nil, "invalid_client"},
		"no secret":                      {"post", bare, nil, "invalid_client"},
		"an unknown client":              {"post", with(posted, "client_id", "osc_x"), nil, "invalid_client"},
		"Basic where it is not taken":    {"post", form, []string{basic}, "invalid_client"},
		"Basic where it is":              {"basic", form, []string{basic}, ""},
		"the form where Basic is wanted": {"basic", posted, nil, "invalid_client"},
		"Basic where both are":           {"both", bare, []string{basic}, ""},
		"the form where both are":        {"both", posted, nil, ""},
		"both at once":                   {"both", posted, []string{basic}, "invalid_request"},
		"two different ids":              {"both", with(form, "client_id", "osc_x"), []string{basic}, "invalid_request"},
		"a header that is not Basic":     {"both", form, []string{"Authorization: Bearer x"}, "invalid_client"},
		"a header not form-encoded":      {"both", form, []string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("%zz:x"))}, "invalid_client"},
		"no secret where none is needed": {"none", bare, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			w.knobs(func(k *Knobs) { k.Token.ClientAuth = tc.knob })
			a := w.token(tc.form, tc.header...)
			if tc.code == "" {
				w.wantStatus(a, 200)
				return
			}
			got := a.json(t)["error"]
			if got != tc.code || len(tc.header) > 0 && tc.code == "invalid_client" && (a.status != 401 || a.header.Get("WWW-Authenticate") == "") {
				t.Errorf("got %d %v %v, want %s, and Basic offered where it was tried", a.status, got, a.header, tc.code)
			}
		})
	}
}

func TestAPublicClientJustNamesItself(t *testing.T) {
	w := newWorld(t, Config{})
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"unknown"}}
	public := w.register(`{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"none"}`)["client_id"].(string)
	w.wantError(w.token(with(form, "client_id", public, "client_secret", "x")), 401, "invalid_client")
	w.wantError(w.token(with(form, "client_id", public)), 400, "invalid_grant")
}

func TestACodeIsBoundToWhatItWasIssuedFor(t *testing.T) {
	w := newWorld(t, Config{})
	client, other := w.client(), w.client()
	form := func(pairs ...string) url.Values {
		return with(with(client, "grant_type", "authorization_code", "code", w.code(client, "alice", "acme"),
			"redirect_uri", testRedirect, "code_verifier", testVerifier), pairs...)
	}
	for name, tc := range map[string]struct {
		pairs []string
		code  string
	}{
		"an unknown code":      {[]string{"code", "osc_code_x"}, "invalid_grant"},
		"no code":              {[]string{"code", ""}, "invalid_request"},
		"no redirect URI":      {[]string{"redirect_uri", ""}, "invalid_request"},
		"another redirect URI": {[]string{"redirect_uri", testRedirect + "/"}, "invalid_grant"},
		"no verifier":          {[]string{"code_verifier", ""}, "invalid_request"},
		"another verifier":     {[]string{"code_verifier", strings.Repeat("x", 43)}, "invalid_grant"},
		"a short verifier":     {[]string{"code_verifier", "x"}, "invalid_grant"},
		"another client":       {[]string{"client_id", other.Get("client_id"), "client_secret", other.Get("client_secret")}, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			w.wantError(w.token(form(tc.pairs...)), 400, tc.code)
		})
	}
	w.T = t
	spent := form("code_verifier", strings.Repeat("x", 43))
	w.wantError(w.token(spent), 400, "invalid_grant")
	w.wantError(w.token(with(spent, "code_verifier", testVerifier)), 400, "invalid_grant")
	late := form()
	w.advance(600 * time.Second)
	w.wantError(w.token(late), 400, "invalid_grant")
}

func TestACodeWorksOnce(t *testing.T) {
	w := newWorld(t, Config{})
	client := w.client()
	code := w.code(client, "alice", "acme")
	tokens := w.wantStatus(w.exchange(client, code), 200).json(t)
	w.wantError(w.exchange(client, code), 400, "invalid_grant")
	tokens = w.wantStatus(w.refresh(client, tokens["refresh_token"].(string)), 200).json(t)
	w.knobs(func(k *Knobs) { k.Token.CodeReuseRevokes = true })
	w.wantError(w.exchange(client, code), 400, "invalid_grant")
	w.wantError(w.refresh(client, tokens["refresh_token"].(string)), 400, "invalid_grant")
	if c := w.sim.Counters(); c.CodeReuse != 2 {
		t.Errorf("counters %+v", c)
	}
}

func TestExpiresInKnob(t *testing.T) {
	w := newWorld(t, Config{Knobs: Knobs{Token: TokenKnobs{AccessLifetimeSeconds: 90}}})
	for mode, want := range map[string]string{"number": "90", "string": `"90"`, "fraction": "90.5", "huge": "9223372036854775807", "negative": "-1", "raw": `{"a":[]}`, "absent": ""} {
		w.knobs(func(k *Knobs) { k.Token.ExpiresIn, k.Token.ExpiresInRaw = mode, `{"a":[]}` })
		client := w.client()
		var m map[string]json.RawMessage
		if err := json.Unmarshal([]byte(w.exchange(client, w.code(client, "alice", "acme")).body), &m); err != nil {
			t.Fatal(err)
		}
		if got := string(m["expires_in"]); got != want {
			t.Errorf("%s: %s, want %s", mode, got, want)
		}
	}
}

func TestPATKnobs(t *testing.T) {
	w := newWorld(t, Config{})
	issue := func(k PATKnobs) string {
		w.knobs(func(all *Knobs) { all.PAT = k })
		_, tokens := w.signIn("alice", "acme")
		return tokens["access_token"].(string)
	}
	valid := func(token string) bool {
		return w.call("GET", "/catalog/mysubscriptions", "", "x-pat-jwt: Bearer "+token).status == 200
	}
	opaque := issue(PATKnobs{Opaque: true, PadBytes: 500})
	if strings.Contains(opaque, ".") || len(opaque) != 500 || !valid(opaque) {
		t.Errorf("opaque: %q", opaque)
	}
	if token := issue(PATKnobs{PadBytes: 6000}); len(token) < 6000 || !valid(token) {
		t.Errorf("padded: %d bytes", len(token))
	}
	if claims := claimsOf(t, issue(PATKnobs{ExpOffsetSeconds: -3000})); claims["exp"].(float64)-claims["iat"].(float64) != 600 {
		t.Errorf("offset: %v", claims)
	}
	eternal := issue(PATKnobs{OmitExp: true})
	if claimsOf(t, eternal)["exp"] != nil {
		t.Error("exp is there")
	}
	plain := issue(PATKnobs{})
	w.advance(2 * time.Hour)
	if valid(plain) || valid(opaque) || !valid(eternal) {
		t.Error("expiry is not what the token says")
	}
	w.sim.ExpireAccessTokens()
	if valid(eternal) {
		t.Error("a token survived ExpireAccessTokens")
	}
	_, dave := w.signIn("dave", "")
	if claimsOf(t, dave["access_token"])["tenantId"] != nil {
		t.Error("a tenant for a user without one")
	}
}

package simulator

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const service = "eyevinn-intercom-manager"

func (w *world) pat(user, tenant string) string {
	w.Helper()
	return "x-pat-jwt: Bearer " + w.sim.IssuePAT(user, tenant)
}

func (w *world) serviceToken(pat string) string {
	w.Helper()
	w.wantStatus(w.call("POST", "/catalog/mysubscriptions", `{"services":["`+service+`"]}`, jsonType, pat), 200)
	m := w.wantStatus(w.call("POST", "/token/servicetoken", `{"serviceId":"`+service+`"}`, jsonType, pat), 200).json(w.T)
	if m["serviceId"] != service || int64(m["expiry"].(float64)) <= w.now().Unix() || len(m) != 3 {
		w.Fatalf("service token %v", m)
	}
	return m["token"].(string)
}

func TestThePlatformWantsOneValidPATInItsOwnHeader(t *testing.T) {
	w := newWorld(t, Config{})
	good := w.sim.IssuePAT("alice", "acme")
	stranger := New(Config{}).IssuePAT("alice", "acme")
	parts := strings.Split(good, ".")
	for name, headers := range map[string][]string{
		"nothing":                {},
		"Authorization":          {"Authorization: Bearer " + good},
		"no Bearer":              {"x-pat-jwt: " + good},
		"lower-case bearer":      {"x-pat-jwt: bearer " + good},
		"two spaces":             {"x-pat-jwt: Bearer  " + good},
		"two headers":            {"x-pat-jwt: Bearer " + good, "x-pat-jwt: Bearer " + good},
		"two in one":             {"x-pat-jwt: Bearer " + good + ", Bearer " + good},
		"somebody else's":        {"x-pat-jwt: Bearer " + stranger},
		"no signature":           {"x-pat-jwt: Bearer " + parts[0] + "." + parts[1] + "."},
		"another header":         {"x-pat-jwt: Bearer eyJhbGciOiJub25lIn0." + parts[1] + "." + parts[2]},
		"four parts":             {"x-pat-jwt: Bearer " + good + ".x"},
		"no base64":              {"x-pat-jwt: Bearer a.b.c"},
		"a service token's name": {"x-jwt: Bearer " + good},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			for _, path := range []string{"/catalog/mysubscriptions", "/deploy/myapps", "/deploy/terraform/mydeployments", "/money/mytenantplan"} {
				a := w.wantStatus(w.call("GET", path, "", headers...), 401)
				if a.json(t)["reason"] == nil {
					t.Errorf("%s: %s", path, a.body)
				}
			}
		})
	}
	w.T = t
	w.wantStatus(w.call("GET", "/money/mytenantplan", "", "x-pat-jwt: Bearer "+good, "Authorization: Basic x"), 200)
	w.knobs(func(k *Knobs) { k.Platform.AcceptAuthorization = true })
	w.wantStatus(w.call("GET", "/money/mytenantplan", "", "Authorization: Bearer "+good), 200)
	w.advance(time.Hour)
	w.wantStatus(w.call("GET", "/money/mytenantplan", "", "x-pat-jwt: Bearer "+good), 401)
}

func TestThePlatformShowsEachWorkspaceItsOwn(t *testing.T) {
	w := newWorld(t, Config{})
	acme, beta := w.pat("alice", "acme"), w.pat("bob", "beta")
	w.wantStatus(w.call("POST", "/catalog/mysubscriptions", `{"services":["`+service+`","valkey-io-valkey"]}`, jsonType, acme), 200)
	if a := w.call("GET", "/catalog/mysubscriptions", "", acme); !strings.Contains(a.body, `"serviceId":"`+service+`"`) || !strings.Contains(a.body, `"serviceType":"instance"`) {
		t.Errorf("acme: %s", a.body)
	}
	if a := w.call("GET", "/catalog/mysubscriptions", "", beta); a.body != "[]" {
		t.Errorf("beta: %s", a.body)
	}
	w.wantStatus(w.call("POST", "/catalog/mysubscriptions", `{"services":["No Service"]}`, jsonType, acme), 404)
	w.wantStatus(w.call("DELETE", "/catalog/mysubscriptions", `{"services":["`+service+`"]}`, jsonType, acme), 200)
	w.wantStatus(w.call("POST", "/token/servicetoken", `{"serviceId":"`+service+`"}`, jsonType, acme), 403)
	w.knobs(func(k *Knobs) { k.Platform.UnsubscribedStatus = 404 })
	w.wantStatus(w.call("POST", "/token/servicetoken", `{"serviceId":"`+service+`"}`, jsonType, acme), 404)
	w.wantStatus(w.call("POST", "/token/servicetoken", `{}`, jsonType, acme), 400)
	w.wantStatus(w.call("GET", "/money/mytenantplan", "", w.pat("dave", "")), 403)
	w.knobs(func(k *Knobs) { k.Platform.Plan = "BUSINESS" })
	if a := w.call("GET", "/money/mytenantplan", "", acme); a.body != `{"planType":"BUSINESS"}` {
		t.Errorf("plan %s", a.body)
	}
	if a := w.call("GET", "/deploy/terraform/mydeployments", "", acme); a.body != "[]" {
		t.Errorf("deployments %s", a.body)
	}
}

func TestMyApps(t *testing.T) {
	w := newWorld(t, Config{})
	acme, beta := w.pat("alice", "acme"), w.pat("bob", "beta")
	w.wantStatus(w.call("POST", "/deploy/myapps", `{"name":"Not Ok","type":"golang","gitHubUrl":"x"}`, jsonType, acme), 400)
	m := w.wantStatus(w.call("POST", "/deploy/myapps", `{"name":"myapp","type":"golang","gitHubUrl":"https://github.com/a/b"}`, jsonType, acme), 201).json(t)
	if m["tenantId"] != "acme" || m["buildStatus"] != "running" || m["url"] == "" {
		t.Errorf("app %v", m)
	}
	path := "/deploy/myapps/" + m["id"].(string)
	w.wantStatus(w.call("GET", path, "", acme), 200)
	w.wantStatus(w.call("GET", path, "", beta), 404)
	w.wantStatus(w.call("DELETE", path, "", beta), 404)
	w.wantStatus(w.call("DELETE", path, "", jsonType, acme), 400) // JSON announced, none sent
	if a := w.call("GET", "/deploy/myapps", "", acme, jsonType); !strings.Contains(a.body, `"name":"myapp"`) {
		t.Errorf("list %s", a.body)
	}
	w.wantStatus(w.call("DELETE", path, "", acme), 204)
	w.wantStatus(w.call("POST", "/deploy/myapps", "a=b", formType, acme), 415)
	w.wantStatus(w.call("POST", "/deploy/myapps", "{", jsonType, acme), 400)
	if m := w.wantStatus(w.call("POST", "/deploy/myapps", "", jsonType, acme), 400).json(t); m["code"] != "FST_ERR_CTP_EMPTY_JSON_BODY" {
		t.Errorf("error %v", m)
	}
}

func TestInstancesWantTheirOwnServiceToken(t *testing.T) {
	w := newWorld(t, Config{Knobs: Knobs{Platform: PlatformKnobs{ServiceTokenLifetimeSeconds: 60}}})
	pat := w.pat("alice", "acme")
	sat := w.serviceToken(pat)
	path := "/instance/" + service + "/live/x"
	for name, headers := range map[string][]string{
		"nothing":              {},
		"a PAT":                {"Authorization: Bearer " + strings.TrimPrefix(pat, "x-pat-jwt: Bearer ")},
		"the other header":     {"x-jwt: Bearer " + sat},
		"another's cookie":     {"Cookie: other-service.sat=Bearer " + sat},
		"a cookie, no Bearer":  {"Cookie: " + service + ".sat=" + sat},
		"two cookies":          {"Cookie: " + service + ".sat=Bearer " + sat + "; " + service + ".sat=Bearer " + sat},
		"a bad header, cookie": {"Authorization: Bearer x", "Cookie: " + service + ".sat=Bearer " + sat},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			a := w.wantStatus(w.call("GET", path, "", headers...), 401)
			if !strings.Contains(a.body, "<center>nginx</center>") || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
				t.Errorf("answer %s", a.body)
			}
		})
	}
	w.T = t
	for _, header := range []string{"Authorization: Bearer " + sat, "Cookie: " + service + ".sat=Bearer " + sat, "Cookie: " + service + ".sat=Bearer%20" + sat} {
		m := w.wantStatus(w.call("POST", path, "", header), 200).json(t)
		if m["tenantId"] != "acme" || m["serviceId"] != service || m["path"] != "/live/x" || m["method"] != "POST" {
			t.Errorf("%s: %v", header[:10], m)
		}
	}
	if a := w.call("GET", path, "", "Authorization: Bearer "+sat, "Accept: text/html"); !strings.Contains(a.body, `id="tenant">acme<`) {
		t.Errorf("page %s", a.body)
	}
	w.wantStatus(w.call("GET", "/instance/other-service/", "", "Authorization: Bearer "+sat), 401)
	w.advance(time.Minute)
	w.wantStatus(w.call("GET", path, "", "Authorization: Bearer "+sat), 401)
	if c := w.sim.Counters(); c.ServiceTokens != 1 || c.Endpoints[EndpointServiceToken] != 1 {
		t.Errorf("counters %+v", c)
	}
}

func TestTheServiceAPIWantsItInXJWT(t *testing.T) {
	w := newWorld(t, Config{})
	sat := w.serviceToken(w.pat("alice", "acme"))
	api := "/instance-api/" + service + "/config"
	w.wantStatus(w.call("GET", api, "", "Authorization: Bearer "+sat), 401)
	w.wantStatus(w.call("GET", "/instance-api/other-service/", "", "x-jwt: Bearer "+sat), 401)
	if m := w.wantStatus(w.call("GET", api, "", "x-jwt: Bearer "+sat), 200).json(t); m["tenantId"] != "acme" {
		t.Errorf("api %v", m)
	}
	w.wantStatus(w.call("GET", "/instance-api/"+service+"/health", "", "x-jwt: Bearer "+sat), 200)
	w.wantStatus(w.call("POST", api, "", "x-jwt: Bearer "+sat, jsonType), 400)
}

func TestDelegateAndRunnerTokens(t *testing.T) {
	w := newWorld(t, Config{})
	pat := w.pat("alice", "acme")
	if m := w.wantStatus(w.call("POST", "/token/delegate/"+service, `{"redirectUrl":"https://x.example/"}`, jsonType, pat), 200).json(t); m["shareUrl"] == nil {
		t.Errorf("delegate %v", m)
	}
	w.wantStatus(w.call("POST", "/token/delegate/"+service, `{}`, jsonType, pat), 400)
	refresh := func(token string) answer {
		return w.call("POST", "/token/runner-token/refresh", `{"token":"`+token+`"}`, jsonType)
	}
	runner := w.sim.IssueRunnerToken("alice", "acme")
	issued := w.wantStatus(refresh(runner), 200).json(t)["token"].(string)
	w.wantStatus(w.call("GET", "/money/mytenantplan", "", "x-pat-jwt: Bearer "+issued), 200)
	code := func(token string) any { return w.wantStatus(refresh(token), 401).json(t)["code"] }
	if got := code("x" + runner); got != "refresh_token_invalid" {
		t.Errorf("invalid: %v", got)
	}
	w.sim.RevokeUser("alice")
	if got := code(runner); got != "refresh_token_revoked" {
		t.Errorf("revoked: %v", got)
	}
	w.advance(runnerLifetime)
	if got := code(runner); got != "refresh_token_expired" {
		t.Errorf("expired: %v", got)
	}
	w.wantStatus(w.call("POST", "/token/runner-token/refresh", "", jsonType), 400)
}

func TestMCPTakesAuthorizationOnly(t *testing.T) {
	w := newWorld(t, Config{})
	token := w.sim.IssuePAT("alice", "acme")
	a := w.wantStatus(w.call("POST", "/mcp", "{}", jsonType), 401)
	if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer ") || !strings.Contains(got, `resource_metadata="`+w.url+`/.well-known/oauth-protected-resource/mcp"`) {
		t.Errorf("challenge %q", got)
	}
	w.wantStatus(w.call("POST", "/mcp", "{}", jsonType, "x-pat-jwt: Bearer "+token), 401)
	w.wantStatus(w.call("POST", "/mcp", "{}", jsonType, "Authorization: Bearer x"), 401)
	auth := "Authorization: Bearer " + token
	for body, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize"}`:      "protocolVersion",
		`{"jsonrpc":"2.0","id":"a","method":"tools/list"}`:    `"tools":[]`,
		`{"jsonrpc":"2.0","id":1,"method":"ping"}`:            `"result":{}`,
		`{"jsonrpc":"2.0","id":1,"method":"unknown"}`:         "-32601",
		`{"jsonrpc":"2.0","method":"notifications/whatever"}`: "",
	} {
		if a := w.call("POST", "/mcp", body, jsonType, auth); a.status >= 300 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	w.wantStatus(w.call("GET", "/mcp", "", auth), http.StatusMethodNotAllowed)
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"} {
		want := `{"resource":"` + w.url + `/mcp","authorization_servers":["` + w.url + `"],"bearer_methods_supported":["header"]}`
		if a := w.call("GET", path, ""); a.body != want {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func TestTheSameHandlersByHostName(t *testing.T) {
	w := newWorld(t, Config{})
	pat := w.pat("alice", "acme")
	sat := w.serviceToken(pat)
	for name, tc := range map[string]struct {
		host, path, header string
		status             int
	}{
		"app":                    {"app.localhost:9090", "/.well-known/oauth-authorization-server", "", 200},
		"catalog":                {"catalog.svc.prod.osaas.io", "/mysubscriptions", pat, 200},
		"deploy":                 {"deploy.svc.dev.localhost:1", "/myapps", pat, 200},
		"money":                  {"MONEY.svc.prod.osaas.io", "/mytenantplan", pat, 200},
		"an api":                 {"api-" + service + ".auto.prod.osaas.io", "/health", "x-jwt: Bearer " + sat, 200},
		"mcp":                    {"mcp.osaas.io", "/mcp", "", 401},
		"a service nobody knows": {"maker.svc.prod.osaas.io", "/mysubscriptions", pat, 404},
		"no service host":        {"catalog.prod.osaas.io", "/mysubscriptions", pat, 404},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			headers := []string{"Host: " + tc.host}
			if tc.header != "" {
				headers = append(headers, tc.header)
			}
			w.wantStatus(w.call("GET", tc.path, "", headers...), tc.status)
		})
	}
	w.T = t
	a := w.call("POST", "/servicetoken", `{"serviceId":"`+service+`"}`, "Host: token.svc.prod.osaas.io", jsonType, pat)
	w.wantStatus(a, 200)
	m := w.call("GET", "/.well-known/oauth-authorization-server", "", "Host: app.localhost:9090").json(t)
	if m["issuer"] != "http://app.localhost:9090" {
		t.Errorf("issuer %v", m["issuer"])
	}
	if u, err := url.Parse(m["token_endpoint"].(string)); err != nil || u.Host != "app.localhost:9090" {
		t.Errorf("token endpoint %v", u)
	}
}

package caddymodule

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// Configurations written in JSON meet the same checks as Caddyfiles.
func TestJSONIsCheckedWhenItIsLoaded(t *testing.T) {
	for name, c := range map[string]struct{ app, handler, want string }{
		"an unknown environment":             {app: `{"environment":"production"}`, want: `environment "production": must be prod, stage or dev`},
		"an issuer in the clear":             {app: `{"issuer":"http://issuer.example.com"}`, want: "must begin with https://"},
		"a token service in the clear":       {app: `{"token_service":"http://token.example.com"}`, want: "token_service: "},
		"a negative timeout":                 {app: `{"idle_timeout":-1}`, want: "must not be negative"},
		"a negative lifetime":                {app: `{"session_lifetime":-1}`, want: "must not be negative"},
		"an unknown store":                   {app: `{"store":{"backend":"postgres"}}`, want: "osc_auth.stores.postgres"},
		"a store without backend":            {app: `{"store":{}}`, want: "store: "},
		"a store that is no object":          {app: `{"store":[]}`, want: "store: "},
		"a short key":                        {app: `{"keys":["0101"]}`, want: "bytes, must have 32"},
		"an unset key":                       {app: `{"keys":["{env.OSC_TEST_UNSET}"]}`, want: "OSC_TEST_UNSET"},
		"an unset client":                    {app: `{"client_id":"{env.OSC_TEST_UNSET}"}`, want: "client_id: "},
		"a secret without client":            {app: `{"client_secret":"x"}`, want: "without client_id"},
		"an unknown member of the app":       {app: `{"isuer":"https://issuer.example.com"}`, want: `unknown field "isuer"`},
		"an unknown member of the handler":   {handler: `"endpoint":"/auth"`, want: `unknown field "endpoint"`},
		"an unknown member of a policy":      {handler: `"policies":[{"mode":"required","tenant":["a"]}]`, want: `unknown field "tenant"`},
		"endpoints at the root":              {handler: `"endpoints":"/"`, want: `endpoints "/": must be a path like /auth`},
		"a cookie with a prefix":             {handler: `"cookie":"__Host-x"`, want: `cookie "__Host-x"`},
		"same_site none":                     {handler: `"same_site":"none"`, want: "must be lax or strict"},
		"another way to inject":              {handler: `"inject":"header"`, want: "must be request or transport"},
		"a public URL in the clear":          {handler: `"public_urls":["http://app.example.com"]`, want: "public_url: http://app.example.com must begin with https://"},
		"an unset public URL":                {handler: `"public_urls":["https://{env.OSC_TEST_UNSET}"]`, want: "public_url: "},
		"an origin with a path":              {handler: `"cross_origin":["https://a.example.com/x"]`, want: "cross_origin: "},
		"a page's link that runs":            {handler: `"pages":{"support":"javascript:alert(1)"}`, want: "pages: support javascript:"},
		"a page's unset name":                {handler: `"pages":{"name":"{env.OSC_TEST_UNSET}"}`, want: "pages: name: "},
		"a page's colour that is none":       {handler: `"pages":{"color":"red"}`, want: "pages: color red: "},
		"an unknown member of the pages":     {handler: `"pages":{"colour":"fd0"}`, want: `unknown field "colour"`},
		"a token in Cookie":                  {handler: `"token_header":{"name":"Cookie"}`, want: "token_header: Cookie has a meaning of its own"},
		"an unknown mode":                    {handler: `"policies":[{"mode":"private"}]`, want: `policy 1: mode "private": must be public, optional, required or api`},
		"a policy without mode":              {handler: `"policies":[{}]`, want: `policy 1: mode ""`},
		"tenants on a public route":          {handler: `"policies":[{"mode":"api"},{"mode":"public","tenants":["a"]}]`, want: "policy 2: tenants on a public route would keep nobody out"},
		"tenants on an optional route":       {handler: `"policies":[{"mode":"optional","tenants":["a"]}]`, want: "would keep nobody out"},
		"a tenant with a space":              {handler: `"policies":[{"mode":"required","tenants":["a b"]}]`, want: "is not a workspace's name"},
		"an unset tenant":                    {handler: `"policies":[{"mode":"required","tenants":["{env.OSC_TEST_UNSET}"]}]`, want: "policy 1: tenants: "},
		"a policy's token in X-Osc-User":     {handler: `"policies":[{"mode":"required","token_header":{"name":"X-Osc-User"}}]`, want: "policy 1: token_header: "},
		"a policy's unknown matcher":         {handler: `"policies":[{"mode":"public","match":[{"pth":["/a"]}]}]`, want: "http.matchers.pth"},
		"an unknown matcher of the handler":  {handler: `"match":[{"pth":["/a"]}]`, want: "http.matchers.pth"},
		"a transport that wraps itself":      {handler: `"inject":"transport"},{"handler":"reverse_proxy","upstreams":[{"dial":":1"}],"transport":{"protocol":"osc","transport":{"protocol":"osc"}}`, want: "can't wrap itself"},
		"a transport around an unknown one":  {handler: `"inject":"transport"},{"handler":"reverse_proxy","upstreams":[{"dial":":1"}],"transport":{"protocol":"osc","transport":{"protocol":"gopher"}}`, want: "gopher"},
		"an option unknown to the transport": {handler: `"inject":"transport"},{"handler":"reverse_proxy","upstreams":[{"dial":":1"}],"transport":{"protocol":"osc","dial_timeout":"2s"}`, want: `unknown field "dial_timeout"`},
	} {
		t.Run(name, func(t *testing.T) {
			app, handler := c.app, `{"handler":"osc_auth"`
			if app == "" {
				app = "{}"
			}
			if c.handler != "" {
				handler += "," + c.handler
			}
			before := pooled()
			cfg := config(t, `{"apps":{"osc_auth":`+app+`,"http":{"servers":{"srv0":{"listen":[":8080"],"routes":[{"handle":[`+handler+`}]}]}}}}}`)
			cfg.StorageRaw, cfg.Logging = fileStorage(t.TempDir()), silence()
			err := caddy.Validate(cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if pooled() != before {
				t.Errorf("%d runtimes are left", pooled()-before)
			}
		})
	}
}

func TestCredentialsComeFromTheEnvironmentByDefault(t *testing.T) {
	for name, c := range map[string]struct {
		env        map[string]string
		id, secret string
		fails      string
	}{
		"none: the gateway registers by itself": {},
		"OSC_CLIENT_ID and OSC_CLIENT_SECRET":   {env: map[string]string{"OSC_CLIENT_ID": "a", "OSC_CLIENT_SECRET": "b", "CLIENT_ID": "c", "CLIENT_SECRET": "d"}, id: "a", secret: "b"},
		"CLIENT_ID and CLIENT_SECRET":           {env: map[string]string{"CLIENT_ID": "c", "CLIENT_SECRET": "d"}, id: "c", secret: "d"},
		"a public client":                       {env: map[string]string{"OSC_CLIENT_ID": "a"}, id: "a"},
		"a masked secret":                       {env: map[string]string{"OSC_CLIENT_ID": "a", "OSC_CLIENT_SECRET": "***"}, fails: "client_secret from OSC_CLIENT_SECRET reads ***"},
		"a secret alone":                        {env: map[string]string{"OSC_CLIENT_SECRET": "b"}, fails: "without client_id"},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range c.env {
				t.Setenv(variable, value)
			}
			app := new(App)
			err := app.provisionClient()
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("got %v, want %s", err, c.fails)
				}
				return
			}
			if err != nil || app.client.ID != c.id || app.client.Secret.Reveal() != c.secret {
				t.Errorf("got %q: %v", app.client.ID, err)
			}
		})
	}
}

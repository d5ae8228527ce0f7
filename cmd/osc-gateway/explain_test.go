package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const explainedFile = `{
	osc_auth {
		client_id {env.OSC_EXPLAIN_TEST_ID}
		client_secret {env.OSC_EXPLAIN_TEST_SECRET}
		store redis redis://nowhere.invalid:6379
	}
}
app.example.com {
	handle /plain/* {
		reverse_proxy localhost:4000
	}
	handle /text {
		respond hello
	}
	osc_proxy localhost:3000 {
		public   /assets/* /healthz
		optional /
		api      /api/*
		required /studio/* {
			tenants acme
			jobs    2h
		}
		required /intercom/* {
			service eyevinn-intercom-manager
		}
	}
}
`

func TestExplainSaysWhatTheGatewayWillDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte(explainedFile), 0o600); err != nil {
		t.Fatal(err)
	}
	const site = "https://app.example.com"
	for _, test := range []struct {
		method, target, as string
		headers            []string
		outcome            string
		says               []string // lines of the text
	}{
		{"GET", "/assets/a.js", "tenant=acme", nil, "public", []string{"policy     public /assets/* /healthz", "upstream   localhost:3000 GET /assets/a.js"}},
		{"GET", "/", "", nil, "anonymous", []string{"policy     optional /"}},
		{"GET", "/", "tenant=beta", nil, "passed", []string{"set        X-Pat-Jwt: <the user's token>", "set        X-Osc-Tenant: beta"}},
		{"GET", "/other", "", []string{"Accept: text/html"}, "signin", []string{"policy     required, since no line matches"}},
		{"GET", "/other", "", nil, "refused", []string{"answer     401 Unauthorized no_session"}},
		{"GET", "/api/x", "", []string{"Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, "refused", []string{"policy     api /api/*"}},
		{"GET", "/studio/a?b=c", "tenant=acme,user=u-1", []string{"Cookie: a=1; x.sat=2", "x-pat-jwt: forged", "X-HTTP-Method-Override: DELETE", "Accept: text/html"}, "passed", []string{
			"as         u-1 of acme", "policy     required /studio/*", "set        X-Osc-User: u-1", "set        X-Osc-Job: <the handle of a job>",
			"taken off  X-Pat-Jwt: forged", "taken off  X-Http-Method-Override: DELETE", "set        Cookie: a=1", "passed on  Accept: text/html",
		}},
		{"GET", "/studio/a", "tenant=beta", nil, "refused", []string{"answer     403 Forbidden tenant_forbidden"}},
		{"GET", "/studio", "tenant=beta", nil, "refused", []string{"because    an upstream may read the path as /studio/"}},
		{"POST", "/other", "tenant=acme", []string{"Origin: https://evil.example"}, "refused", []string{"answer     403 Forbidden cross_origin"}},
		{"GET", "/intercom/x", "tenant=acme", nil, "passed", []string{"set        Authorization: <a token of eyevinn-intercom-manager>"}},
		{"GET", "/assets/..;/studio", "", nil, "refused", []string{"because    the target can be read in more than one way"}},
		{"GET", "/auth/session", "", nil, "endpoint", nil},
		{"GET", "/text", "", nil, "elsewhere", nil},
		{"GET", "/plain/x", "", nil, "unprotected", []string{"upstream   localhost:4000 GET /plain/x"}},
	} {
		t.Run(test.method+" "+test.target+" as "+test.as, func(t *testing.T) {
			request, err := explainedRequest(test.method, site+test.target, test.headers)
			if err != nil {
				t.Fatal(err)
			}
			who, err := parseAs(test.as)
			if err != nil {
				t.Fatal(err)
			}
			told, err := explain(file, "", request, who)
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			if err := told.print(&text, false); err != nil {
				t.Fatal(err)
			}
			for _, line := range append(test.says, "outcome    "+test.outcome) {
				if !strings.Contains(text.String(), line+"\n") {
					t.Errorf("it does not say %q:\n%s", line, &text)
				}
			}
			if strings.Contains(text.String(), "eyJ") || strings.Contains(text.String(), "oscjob1.") || strings.Contains(text.String(), "osc_session") {
				t.Errorf("a secret:\n%s", &text)
			}
		})
	}
}

func TestExplainSaysWhatIsMissing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "Caddyfile")
	for name, test := range map[string]struct{ config, target, want string }{
		"no file":               {"", "https://a.example/", "name the configuration with --config"},
		"a mistake":             {"a.example {\n\tosc_proxy :3000 {\n\t\tpubic /x\n\t}\n}\n", "https://a.example/", "unrecognized subdirective pubic"},
		"no such port":          {"a.example {\n\tosc_proxy :3000\n}\n", "https://a.example:8443/", "no site listens at port 8443"},
		"a path for an address": {"a.example {\n\tosc_proxy :3000\n}\n", "/studio", "give the whole address"},
	} {
		t.Run(name, func(t *testing.T) {
			_ = os.Remove(file)
			if test.config != "" {
				if err := os.WriteFile(file, []byte(test.config), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			request, err := explainedRequest("GET", test.target, nil)
			if err == nil {
				who, _ := parseAs("tenant=acme")
				_, err = explain(file, "", request, who)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v", err)
			}
		})
	}
	for _, as := range []string{"acme", "tenant=", "role=admin"} {
		if _, err := parseAs(as); err == nil {
			t.Errorf("--as %s is taken", as)
		}
	}
}

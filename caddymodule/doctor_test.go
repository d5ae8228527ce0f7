package caddymodule

import (
	"crypto/rand"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/Eyevinn/osc-gateway/internal/doctor"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// setupOf adapts a Caddyfile and says what it comes to.
func setupOf(t testing.TB, caddyfile string) *doctor.Setup {
	t.Helper()
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	setup, err := SetupOf(adapted)
	if err != nil {
		t.Fatal(err)
	}
	return setup
}

func TestDoctorIsToldWhereBrowsersReachEachSite(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		caddyfile string
		origins   []string // in order; "" where it can't be known
		listen    string
		tls       bool
		problem   string
	}{
		"by name":          {"app.example.com {\n osc_proxy {$APP}\n}", []string{"https://app.example.com"}, ":443", true, ""},
		"several names":    {"a.example.com, b.example.com {\n osc_proxy {$APP}\n}", []string{"https://a.example.com", "https://b.example.com"}, ":443", true, ""},
		"a port":           {"app.example.com:8443 {\n osc_proxy {$APP}\n}", []string{"https://app.example.com:8443"}, ":8443", true, ""},
		"this machine":     {"http://localhost:8080 {\n osc_proxy {$APP}\n}", []string{"http://localhost:8080"}, ":8080", false, ""},
		"public_url":       {"http://:8080 {\n osc_proxy {$APP} {\n public_url https://app.example.com https://b.example.com\n}\n}", []string{"https://app.example.com", "https://b.example.com"}, ":8080", false, ""},
		"any host":         {":8080 {\n osc_proxy {$APP}\n}", []string{"http://localhost:8080"}, ":8080", false, ""},
		"http":             {"http://app.example.com {\n osc_proxy {$APP}\n}", []string{""}, ":80", false, "served over http"},
		"behind a proxy":   {"{\n servers {\n trusted_proxies static 10.0.0.0/8\n}\n}\nhttp://app.example.com:8080 {\n osc_proxy {$APP}\n}", []string{"https://app.example.com"}, ":8080", false, ""},
		"many names":       {"*.example.com {\n tls internal\n osc_proxy {$APP}\n}", []string{""}, ":443", true, ""},
		"no auto https":    {"{\n auto_https off\n}\nhttp://localhost:8080 {\n osc_proxy {$APP}\n}", []string{"http://localhost:8080"}, ":8080", false, ""},
		"inside a handle":  {"http://localhost:8080 {\n handle /x/* {\n osc_proxy {$APP}\n}\n}", []string{"http://localhost:8080"}, ":8080", false, ""},
		"an address of it": {"http://127.0.0.1:8080 {\n bind 127.0.0.1\n osc_proxy {$APP}\n}", []string{"http://127.0.0.1:8080"}, "127.0.0.1:8080", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			setup := setupOf(w, test.caddyfile)
			var origins []string
			for _, site := range setup.Sites {
				origins = append(origins, site.Origin)
				if !slices.Equal(site.Listen, []string{test.listen}) || site.TLS != test.tls || !strings.Contains(site.Problem, test.problem) ||
					(site.Problem == "") != (test.problem == "") || site.AnyHost != (name == "any host") {
					t.Errorf("%+v", site)
				}
			}
			if !slices.Equal(origins, test.origins) {
				t.Errorf("origins %q", origins)
			}
		})
	}
}

func TestDoctorIsToldOfUpstreamsBehindTheGateAlone(t *testing.T) {
	w := newWorld(t)
	setup := setupOf(w, `http://one.localhost:8080 {
	osc_auth {
		inject transport
		endpoints /login
		cookie    mine
	}
	reverse_proxy {$APP} localhost:1 {
		transport osc
		health_uri /health
	}
}
http://two.localhost:8080 {
	reverse_proxy localhost:2
}
http://three.localhost:8080 {
	osc_auth
	php_fastcgi localhost:3
}
`)
	upstreams := map[string][]doctor.Upstream{}
	for _, site := range setup.Sites {
		upstreams[site.Host] = site.Upstreams
	}
	one, three := upstreams["one.localhost"], upstreams["three.localhost"]
	if len(upstreams) != 2 || len(one) != 2 || len(three) != 1 {
		t.Fatalf("%+v", upstreams)
	}
	if three[0].Transport != nil || !strings.Contains(three[0].Why, "does not speak http") {
		t.Errorf("%+v", three[0])
	}
	for _, site := range setup.Sites {
		if site.Host == "one.localhost" && (site.Endpoints != "/login" || site.Cookie != "mine") {
			t.Errorf("%+v", site)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://upstream.invalid/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := one[0].Transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK || len(answer.Request.Header["X-Pat-Jwt"]) > 0 {
		t.Errorf("%+v", answer)
	}
}

func TestDoctorIsToldOfStoreKeysAndClient(t *testing.T) {
	w := newWorld(t)
	t.Setenv("OSC_DOCTOR_ID", "client-1")
	var keys []string
	for range 2 {
		key, err := tokens.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key.Reveal())
	}
	t.Setenv("OSC_DOCTOR_KEY", strings.Join(keys, " "))
	t.Setenv("OSC_DOCTOR_REDIS", "redis://:canary-1234@localhost:6379")
	setup := setupOf(w, `{
	osc_auth {
		issuer    {$OSC}
		client_id {env.OSC_DOCTOR_ID}
		key       {env.OSC_DOCTOR_KEY}
		store     redis {env.OSC_DOCTOR_REDIS}
	}
}
http://localhost:8080 {
	osc_proxy {$APP}
}
`)
	if setup.Issuer != w.osc.URL || setup.Client.ID != "client-1" || setup.Keys.Configured != 2 || setup.Store.Kind != "redis" ||
		setup.Store.URL.Reveal() != "redis://:canary-1234@localhost:6379" || !slices.Contains(setup.Variables, "OSC_DOCTOR_KEY") {
		t.Errorf("%+v", setup)
	}
	flow, err := setup.Flow(t.Context(), setup.Sites[0])
	if err != nil || !strings.HasPrefix(flow.Name, "osc_session_flow_") || len(flow.State) != 43 {
		t.Errorf("%+v (%v)", flow, err)
	}
}

func TestLookingAtAConfigurationWritesNothing(t *testing.T) {
	w := newWorld(t)
	storage := filepath.Join(os.Getenv("XDG_DATA_HOME"), "storage")
	setup := setupOf(w, "{\n storage file_system "+storage+"\n osc_auth {\n issuer {$OSC}\n}\n}\nlocalhost {\n tls internal\n osc_proxy {$APP}\n}")
	if setup.Store.Kind != "file" || setup.Store.Path != filepath.Join(caddy.AppDataDir(), "osc_auth", "sessions.db") ||
		setup.Keys.Path != filepath.Join(storage, "osc_auth", "master.key") || setup.DataDir != storage {
		t.Errorf("%+v", setup)
	}
	if there, err := setup.Keys.Stored(t.Context()); there || err != nil {
		t.Errorf("a key is there: %v (%v)", there, err)
	}
	if _, err := setup.Flow(t.Context(), setup.Sites[0]); err == nil {
		t.Error("a sign-in was made without a key")
	}
	err := filepath.WalkDir(os.Getenv("XDG_DATA_HOME"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			t.Errorf("it wrote %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if calls := w.sim.Counters().Endpoints["discovery"]; calls != 0 {
		t.Errorf("%d calls of OSC", calls)
	}
}

func TestLookingAtAConfigurationAsksNoUpstream(t *testing.T) {
	object := map[string]any{"routes": []any{map[string]any{
		"handle": []any{map[string]any{"handler": "reverse_proxy", "health_checks": map[string]any{}}, map[string]any{"handler": "other", "health_checks": 1}},
	}}}
	withoutHealthChecks(object)
	text, err := json.Marshal(object)
	if want := `{"routes":[{"handle":[{"handler":"reverse_proxy"},{"handler":"other","health_checks":1}]}]}`; err != nil || string(text) != want {
		t.Errorf("%s (%v)", text, err)
	}
}

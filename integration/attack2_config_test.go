package integration

import (
	"debug/buildinfo"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// attack2Config is a configuration that must not load, but for the controls.
type attack2Config struct {
	id, what     string
	global, site string
	env          []string
	fine         bool
}

// A key as it is configured, and the same in hex.
const (
	attack2Key    = gatewayKey
	attack2HexKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	attack2Other  = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA="
)

func attack2Configs() []attack2Config {
	key := func(what, value string, fine bool) attack2Config {
		return attack2Config{id: "CF-001", what: what, global: "\t\tkey {env.A_KEY}\n", env: []string{"A_KEY=" + value}, fine: fine}
	}
	site := func(id, what, site string, fine bool) attack2Config {
		return attack2Config{id: id, what: what, site: site, fine: fine}
	}
	return []attack2Config{
		{id: "CF-001", what: "no key: one is made", fine: true},
		key("an empty key", "", false),
		key("changeme", "changeme", false),
		key("changeme, often", strings.Repeat("changeme", 4), false),
		key("16 bytes in hex", attack2HexKey[:32], false),
		key("16 bytes in base64", "AAECAwQFBgcICQoLDA0ODw==", false),
		key("an odd number of digits", attack2HexKey[:63], false),
		key("a digit too many", attack2HexKey+"0", false),
		key("no hex", "zz"+attack2HexKey[2:], false),
		key("nothing but zeros", strings.Repeat("0", 64), false),
		key("a key twice", attack2Key+" "+attack2Key, false),
		key("a key twice, in two spellings", attack2Key+" "+attack2HexKey, false),
		key("a key", attack2Key, true),
		key("a key in hex", attack2HexKey, true),
		key("a key and a line break", attack2Key+"\n", true),
		key("two keys", attack2Key+" "+attack2Other, true),

		{id: "CF-002", what: "an issuer in the clear", global: "\t\tissuer http://app.osaas.example\n"},
		{id: "CF-002", what: "a token service in the clear", global: "\t\ttoken_service http://token.osaas.example\n"},
		{id: "CF-002", what: "an issuer on this machine", global: "\t\tissuer http://localhost:1\n", fine: true},
		{id: "CF-002", what: "a client secret that is not set", global: "\t\tclient_id x\n\t\tclient_secret {env.NOT_SET_ANYWHERE}\n"},
		{id: "CF-002", what: "an empty client secret", global: "\t\tclient_id x\n\t\tclient_secret {env.A_KEY}\n", env: []string{"A_KEY="}},
		site("CF-002", "a public URL in the clear", "\tosc_proxy localhost:2 {\n\t\tpublic_url http://app.example.com\n\t}\n", false),
		site("CF-002", "an unknown word", "\tosc_proxy localhost:2 {\n\t\tpublic_paths /x\n\t}\n", false),
		site("CF-002", "a typing error in a policy", "\tosc_proxy localhost:2 {\n\t\trequired /x {\n\t\t\ttenats acme\n\t\t}\n\t}\n", false),
		site("CF-002", "a matcher nobody defined", "\tosc_proxy localhost:2 {\n\t\tpublic @nobody\n\t}\n", false),
		site("CF-002", "a policy for a query", "\tosc_proxy localhost:2 {\n\t\tpublic ?x=1\n\t}\n", false),

		site("CF-005", "an upstream of a field's", "\tosc_proxy {http.request.header.X-Target}\n", false),
		site("CF-005", "an upstream of a field's, short", "\tosc_proxy {header.X-Target}\n", false),
		site("CF-005", "an upstream of the query's", "\tosc_proxy {query.to}\n", false),
		site("CF-005", "an upstream of the Host's", "\tosc_proxy {host}:80\n", false),
		site("CF-005", "an upstream of a cookie's", "\tosc_proxy {http.request.cookie.to}:80\n", false),
		site("CF-005", "one of two upstreams", "\tosc_proxy localhost:2 {http.request.header.X-Target}\n", false),
		site("CF-005", "an upstream in the block", "\tosc_proxy {\n\t\tto {http.request.header.X-Target}\n\t}\n", false),
		site("CF-005", "an upstream looked up", "\tosc_proxy {\n\t\tdynamic a {http.request.header.X-Target} 80\n\t}\n", false),
		site("CF-005", "an upstream of the environment's", "\tosc_proxy {env.AN_APP}\n", true),
	}
}

func TestAttack2Configurations(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &canaries{})
	for _, c := range attack2Configs() {
		t.Run(c.id+" "+c.what, func(t *testing.T) {
			site := c.site
			if site == "" {
				site = "\tosc_proxy localhost:2\n"
			}
			g.env = append(c.env, "AN_APP=localhost:2")
			g.configure(c.global, site)
			output, status := g.run("validate", "--config", g.config, "--adapter", "caddyfile")
			if (status == 0) != c.fine {
				t.Errorf("status %d: %s", status, output)
			}
			if said := strings.TrimSpace(output); status != 0 && !strings.Contains(said, "rror") {
				t.Errorf("it only says %q", said)
			}
			for _, variable := range c.env {
				if _, value, _ := strings.Cut(variable, "="); len(value) > 8 && status != 0 && strings.Contains(output, strings.TrimSpace(value)) {
					t.Errorf("it says the key: %s", output)
				}
			}
		})
	}
}

func TestAttack2Protection(t *testing.T) {
	t.Parallel()
	a := newAttack2(t, setup{site: "\tosc_proxy {upstream}\n"})
	t.Run("CF-004 no policy at all", a.allRefused)
	for name, site := range map[string]string{
		"CF-004 a gate without a word":    "\tosc_auth {\n\t\tinject transport\n\t}\n\treverse_proxy {upstream} {\n\t\ttransport osc\n\t}\n",
		"CF-004 a policy for other paths": "\tosc_proxy {upstream} {\n\t\tpublic /assets/*\n\t\tapi /api/*\n\t}\n",
		"CF-002 two policies for a path":  "\tosc_proxy {upstream} {\n\t\trequired *\n\t\tpublic /studio /api/rooms /\n\t}\n",
	} {
		t.Run(name, func(t *testing.T) {
			a.configure("", site)
			if output, status := a.reload(); status != 0 {
				t.Fatal(output)
			}
			a.allRefused(t)
		})
	}
	v := a.browser(t)
	v.signIn("/")
	for name, c := range map[string]struct{ global, site string }{
		"CF-003 an unknown word":        {"", "\tosc_proxy {upstream} {\n\t\tpubic *\n\t}\n"},
		"CF-003 a key that is none":     {"\t\tkey changeme\n", "\tosc_proxy {upstream} {\n\t\tpublic *\n\t}\n"},
		"CF-003 an issuer in the clear": {"\t\tissuer http://app.osaas.example\n", "\treverse_proxy {upstream}\n"},
		"CF-003 half a file":            {"\t\t{\n", "\treverse_proxy {upstream}\n"},
		"CF-003 a module there is not":  {"", "\treverse_proxy {upstream} {\n\t\ttransport nothing\n\t}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			a.configure(c.global, c.site)
			if output, status := a.reload(); status == 0 {
				t.Fatalf("it was taken: %s", output)
			}
			a.allRefused(t)
			a.works(t, v, "alice")
		})
	}
}

// allRefused asks for everything, in every way, as nobody.
func (a *attack2) allRefused(t *testing.T) {
	t.Helper()
	v, calls := a.browser(t), a.app.calls()
	for _, path := range []string{"/", "/studio", "/api/rooms", "/favicon.ico", "/robots.txt", "/healthz", "/.well-known/security.txt", "/authx", "/auth", "/index.php"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND", "get"} {
			got := v.send(method, path, navigation, "")
			if got.Status != http.StatusFound && got.Status != http.StatusUnauthorized {
				t.Errorf("%s: %v", method, got)
			}
			a.own(t, got)
		}
	}
	if n := a.app.calls() - calls; n != 0 {
		t.Errorf("the app was called %d times", n)
	}
}

// attack2Chosen is a site whose upstream is one each request names.
const attack2Chosen = `	osc_auth {
		public /assets/*
		inject transport
	}
	reverse_proxy UPSTREAM {
		transport osc
	}
`

func TestAttack2UpstreamsThatRequestsChoose(t *testing.T) {
	t.Parallel()
	a := newAttack2(t, setup{})
	v := a.browser(t)
	v.signIn("/")
	target := strings.TrimPrefix(a.app.URL, "http://")
	_, port, _ := strings.Cut(target, ":")
	headers := navigation.Clone()
	headers.Set("X-Target", target)
	for upstream, allowed := range map[string]bool{
		"{http.request.header.X-Target}": false, "{header.X-Target}": false, "{query.to}": false,
		"{http.request.host}:" + port: false, target: true,
	} {
		t.Run("CF-005 "+upstream, func(t *testing.T) {
			a.configure("", strings.Replace(attack2Chosen, "UPSTREAM", upstream, 1))
			if output, status := a.reload(); status != 0 {
				if allowed {
					t.Fatal(output)
				}
				return // it is not even loaded
			}
			calls := a.app.calls()
			for _, path := range []string{"/studio?to=" + target, "/assets/a.js?to=" + target} {
				got := v.send(http.MethodGet, path, headers, "")
				if strings.HasPrefix(path, "/studio") && (got.Status == http.StatusOK) != allowed {
					t.Errorf("%v", got)
				}
			}
			for _, got := range a.app.all()[calls:] {
				if got.Header["X-Pat-Jwt"] != nil && !allowed {
					t.Errorf("the token went where the request wanted: %s", got.URI)
				}
			}
		})
	}
}

func TestAttack2Program(t *testing.T) {
	t.Parallel()
	t.Run("CF-008 what it is made of", func(t *testing.T) {
		info, err := buildinfo.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		versions := map[string]string{"go": strings.TrimPrefix(info.GoVersion, "go")}
		for _, module := range info.Deps {
			versions[module.Path] = strings.TrimPrefix(module.Version, "v")
		}
		for module, floor := range map[string]string{
			"go": "1.26.6", "github.com/caddyserver/caddy/v2": "2.11.5", "golang.org/x/net": "0.55.0", "github.com/gorilla/securecookie": "1.1.2",
		} {
			if attack2Older(versions[module], floor) {
				t.Errorf("%s is %q, older than %s", module, versions[module], floor)
			}
		}
	})
	t.Run("CF-008 no visitor is told which", func(t *testing.T) {
		a := newAttack2(t, setup{})
		v := a.browser(t)
		for _, path := range []string{"/", "/auth/signin", "/auth/session", "/auth/health", "/auth/callback", "/auth/version", "/version", "/metrics", "/debug/pprof/", "/config/", "/osc_auth/status"} {
			got := v.open(path)
			said := strings.ToLower(got.Body)
			for _, name := range []string{"Server", "Via", "X-Powered-By", "X-Version"} {
				said += "\n" + strings.ToLower(name+": "+got.Header.Get(name))
			}
			if strings.Contains(said, "2.11") || strings.Contains(said, "go1.") || strings.Contains(said, "goroutine") || strings.Contains(said, "apps") {
				t.Errorf("%s: %v\n%s", path, got, said)
			}
		}
		if n := a.app.calls(); n != 0 {
			t.Errorf("the app was called %d times", n)
		}
	})
}

// attack2Older compares versions of numbers and dots; none at all is older.
func attack2Older(version, floor string) bool {
	have, want := strings.Split(version, "."), strings.Split(floor, ".")
	for i := range want {
		var digits string
		if i < len(have) {
			digits, _, _ = strings.Cut(have[i], "-")
		}
		got, err := strconv.Atoi(digits)
		least, _ := strconv.Atoi(want[i])
		if err != nil || got != least {
			return err != nil || got < least
		}
	}
	return false
}

package arrows

import (
	"strings"
	"testing"
	"testing/fstest"
)

// files is a small tree: the Go text of each file without its package clause.
type files map[string]string

func (f files) tree() fstest.MapFS {
	tree := fstest.MapFS{}
	for name, text := range f {
		tree[name] = &fstest.MapFile{Data: []byte("package p\n" + text)}
	}
	return tree
}

func ours(pkg string) string { return `import _ "` + module + "/" + pkg + `"` }

const (
	importCaddyhttp = `import "github.com/caddyserver/caddy/v2/modules/caddyhttp"` + "\n"
	importTime      = `import "time"` + "\n"
)

func TestEachRuleFailsWhereItIsBroken(t *testing.T) {
	for name, c := range map[string]struct {
		tree files
		want string
	}{
		"a package nobody has thought about": {
			files{"internal/misc/misc.go": ""}, "internal/misc: the package is in no row of the table: add one",
		},
		"code in the root of the repository": {
			files{"main.go": ""}, ".: the package is in no row",
		},
		"an arrow across": {
			files{"internal/gate/gate.go": ours("internal/stores")}, "internal/gate/gate.go:2: internal/gate must not import internal/stores: its row",
		},
		"an arrow up": {
			files{"internal/tokens/vault.go": ours("internal/osc")}, "internal/tokens must not import internal/osc",
		},
		"an arrow out of a leaf": {
			files{"internal/pages/pages.go": ours("internal/secret")}, "internal/pages must not import internal/secret",
		},
		"the binary past the module": {
			files{"cmd/osc-gateway/main.go": ours("internal/gate")}, "cmd/osc-gateway must not import internal/gate",
		},
		"the module that knows the simulator": {
			files{"caddymodule/app.go": ours("internal/simulator")}, "caddymodule must not import internal/simulator: only tests may",
		},
		"a test suite in production code": {
			files{"internal/stores/memory.go": ours("internal/tokens/tokenstest")}, "internal/tokens/tokenstest: only tests may",
		},
		"a file for another system": {
			files{"internal/browser/b_windows.go": ours("internal/osc")}, "internal/browser must not import internal/osc",
		},
		"an internal test that climbs to the module": {
			files{"internal/gate/gate_test.go": ours("caddymodule")}, "internal/gate must not import caddymodule",
		},
		"a simulator that shares code, if only in its test": {
			files{"internal/simulator/s_test.go": ours("internal/pkce")}, "internal/simulator must not import internal/pkce",
		},
		"a black box that looks inside": {
			files{"integration/redis/r_test.go": ours("internal/tokens")}, "integration/redis must not import internal/tokens",
		},
		"Caddy in internal": {
			files{"internal/gate/gate.go": importCaddyhttp}, "internal/gate must not import github.com/caddyserver/caddy/v2/modules/caddyhttp: only caddymodule",
		},
		"Caddy in a test of internal": {
			files{"internal/gate/gate_test.go": `import "github.com/caddyserver/certmagic"`}, "only caddymodule knows Caddy",
		},
		"zap in internal": {
			files{"internal/osc/client.go": `import "go.uber.org/zap"`}, "must not import go.uber.org/zap",
		},
		"Prometheus in internal": {
			files{"internal/gate/gate.go": `import "github.com/prometheus/client_golang/prometheus"`}, "must not import github.com/prometheus/",
		},
		"HTTP in the domain": {
			files{"internal/tokens/vault.go": `import "net/http"`}, "internal/tokens must not import net/http: the domain",
		},
		"a second file with go-cache": {
			files{
				"internal/stores/memory.go": `import "github.com/patrickmn/go-cache"`,
				"internal/stores/other.go":  `import "github.com/patrickmn/go-cache"`,
			},
			"internal/stores/memory.go, internal/stores/other.go: go-cache is to be imported by one file",
		},
		"a second file with bbolt": {
			files{"internal/stores/file.go": `import "go.etcd.io/bbolt"`, "internal/osc/a.go": `import "go.etcd.io/bbolt"`},
			"bbolt is to be imported by one file",
		},
		"a second file with a Redis client, be it another": {
			files{
				"internal/stores/redis.go": `import "github.com/redis/rueidis"`,
				"internal/stores/lease.go": `import "github.com/valkey-io/valkey-go"`,
			},
			"the Redis client is to be imported by one file",
		},
		"a second package with securecookie": {
			files{
				"internal/cookies/session.go": `import "github.com/gorilla/securecookie"`,
				"internal/gate/flow.go":       `import "github.com/gorilla/securecookie"`,
			},
			"internal/cookies, internal/gate: securecookie is to be imported by one package",
		},
		"a second file that makes Caddy errors, under another name": {
			files{
				"caddymodule/errors.go":  importCaddyhttp + "var e = caddyhttp.Error(500, nil)",
				"caddymodule/handler.go": `import h "github.com/caddyserver/caddy/v2/modules/caddyhttp"` + "\nvar f = h.Error(400, nil)",
			},
			"caddymodule/errors.go, caddymodule/handler.go: caddyhttp.Error is to be called in one file",
		},
		"a call of time.Now": {
			files{"internal/gate/flow.go": importTime + "var now = time.Now()"}, "internal/gate/flow.go:3: time.Now reads the wall clock",
		},
		"a call of time.Since": {
			files{"internal/osc/client.go": importTime + "var d = time.Since(time.Time{})"}, "time.Since reads the wall clock",
		},
		"time.Until as a value": {
			files{"internal/osc/client.go": importTime + "var until = time.Until"}, "time.Until reads the wall clock",
		},
		"a call of Now imported by its name": {
			files{"internal/osc/client.go": "import . \"time\"\nvar now = Now()"}, "time.Now reads the wall clock",
		},
		"weak randomness": {
			files{"internal/pkce/pkce.go": `import "math/rand"`}, "internal/pkce must not import math/rand: secrets come from crypto/rand",
		},
		"weak randomness in the module": {
			files{"caddymodule/keys.go": `import "math/rand/v2"`}, "caddymodule must not import math/rand/v2",
		},
		"the old generator for jitter": {
			files{"internal/tokens/vault.go": `import "math/rand"`}, "internal/tokens must not import math/rand:",
		},
	} {
		t.Run(name, func(t *testing.T) {
			broken, err := check(c.tree.tree())
			if err != nil {
				t.Fatal(err)
			}
			if len(broken) != 1 || !strings.Contains(broken[0], c.want) {
				t.Errorf("got %q, want one sentence with %q", broken, c.want)
			}
		})
	}
}

func TestWhatTheRulesAllowPasses(t *testing.T) {
	for name, tree := range map[string]files{
		"nothing": {},
		"the spine": {
			"cmd/osc-gateway/main.go": ours("caddymodule") + "\n" + ours("internal/simulator"),
			"caddymodule/runtime.go":  ours("internal/gate") + "\n" + ours("internal/stores"),
			"internal/gate/gate.go":   ours("internal/tokens"),
			"internal/tokens/set.go":  ours("internal/secret"),
		},
		"Caddy, its errors once and its logger in the module": {
			"caddymodule/errors.go":  importCaddyhttp + "var e = caddyhttp.Error(500, nil)",
			"caddymodule/handler.go": importCaddyhttp + `import "go.uber.org/zap"` + "\nvar h caddyhttp.Handler",
		},
		"tests that build fixtures": {
			"internal/osc/client_test.go":    ours("internal/simulator"),
			"internal/gate/gate_test.go":     ours("internal/stores") + "\n" + ours("internal/simulator"),
			"internal/stores/memory_test.go": ours("internal/tokens/tokenstest"),
			"caddymodule/caddy_test.go":      ours("internal/simulator"),
		},
		"a test in the package's own name": {"internal/pkce/pkce_test.go": ours("internal/pkce")},
		"a black box and its own helpers": {
			"integration/redis/r_test.go": ours("internal/simulator") + "\n" + ours("integration/binary"),
			"integration/binary/b.go":     "",
		},
		"time.Now as the default of a clock": {
			"internal/tokens/vault.go": importTime + "var now = time.Now",
			"internal/gate/gate.go":    importTime + "var now = time.Now",
		},
		"a file with a reason to read the wall clock": {
			"internal/stores/memory.go": importTime + "var ttl = time.Until(time.Time{})",
		},
		"the clock of a test and of the module": {
			"internal/gate/gate_test.go": importTime + "var now = time.Now()",
			"caddymodule/app.go":         importTime + "var now = time.Now()",
		},
		"a method that happens to be called Now": {
			"internal/gate/gate.go": importTime + "type c struct{}\nfunc (c) Now() time.Time { return time.Time{} }\nvar n = c{}.Now()",
		},
		"jitter, and random tests": {
			"internal/tokens/vault.go":       `import "math/rand/v2"`,
			"internal/stores/stores_test.go": `import "math/rand"`,
		},
		"what other tools put there": {
			"node_modules/x/x.go":             ours("internal/gate"),
			"internal/gate/testdata/in/in.go": ours("caddymodule"),
			".cache/x/x.go":                   "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			broken, err := check(tree.tree())
			if err != nil {
				t.Fatal(err)
			}
			if len(broken) > 0 {
				t.Errorf("got %q", broken)
			}
		})
	}
}

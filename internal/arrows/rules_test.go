package arrows

const module = "github.com/Eyevinn/osc-gateway"

// mayImport is the table of arrows: what of ours the production code of a
// package may import. A name that ends in "/..." stands for a whole tree.
// Nothing may import what no row lists it for, least of all cmd/osc-gateway.
var mayImport = map[string][]string{
	"cmd/osc-gateway": {"caddymodule", "internal/doctor", "internal/simulator"},

	// The spine below caddymodule is gate, then tokens. The constructors of
	// caddymodule wire up everything else, so it may name all of it, except
	// what only exists for testing.
	"caddymodule": {
		"internal/gate", "internal/tokens", "internal/stores", "internal/osc", "internal/cookies",
		"internal/upstream", "internal/browser", "internal/pages", "internal/pkce", "internal/secret", "internal/recent",
		"internal/doctor",
	},

	// It looks at a set-up from outside, and at the provider and the store with
	// the gateway's own code for them.
	"internal/doctor": {"internal/osc", "internal/stores", "internal/tokens", "internal/secret"},

	"internal/gate": {
		"internal/osc", "internal/cookies", "internal/upstream", "internal/browser", "internal/pages",
		"internal/pkce", "internal/tokens", "internal/secret",
	},
	"internal/osc":     {"internal/tokens", "internal/secret", "internal/recent"},
	"internal/cookies": {"internal/tokens", "internal/secret", "internal/recent"},
	"internal/stores":  {"internal/tokens", "internal/secret", "internal/recent"},
	"internal/tokens":  {"internal/secret", "internal/recent"},

	"internal/upstream": {},
	"internal/browser":  {},
	"internal/pages":    {},
	"internal/pkce":     {},
	"internal/secret":   {},
	"internal/recent":   {},

	// A simulator that shared code with what it tests would prove nothing.
	"internal/simulator": {},
	"internal/arrows":    {},

	// The contract of tokens.Store as a test suite, which every store runs.
	"internal/tokens/tokenstest": {"internal/tokens", "internal/secret"},

	// An oracle that shared code with what it judges would agree with it.
	"internal/gate/oracle": {},

	// Black boxes: they see the built binary, as a user does.
	"integration/...": {"internal/simulator"},
	"examples/...":    {},

	// It signs nobody in a million times: it writes their sessions itself, as a
	// gateway with the same key would, and sends their cookies.
	"bench/...": {"internal/simulator", "internal/tokens", "internal/stores", "internal/cookies", "internal/secret"},
}

// onlyTestsImport are packages whose importers are tests, beside those mayImport
// lists them for.
var onlyTestsImport = []string{"internal/simulator", "internal/tokens/tokenstest", "internal/gate/oracle"}

// strictTests are packages whose tests have no more freedom than their
// production code. Tests elsewhere may import any internal package: what they
// need in order to build a fixture is no arrow of the architecture.
var strictTests = []string{
	"internal/simulator", "internal/pkce", "internal/secret", "integration/...", "bench/...", "examples/...",
}

// A ban keeps packages of others out of a part of the tree, tests included.
type ban struct {
	in, what string
	why      string
}

var bans = []ban{
	{"internal/...", "github.com/caddyserver/...", "only caddymodule knows Caddy, so that everything below is tested without it"},
	{"internal/...", "go.uber.org/zap/...", "internal packages log through log/slog"},
	{"internal/...", "github.com/prometheus/...", "only caddymodule knows what collects the metrics"},
	{"internal/tokens", "net/http/...", "the domain knows no transport"},
}

// A sole is a dependency that one place of the production code hides from all
// the others, so that it can be replaced there.
type sole struct {
	name     string
	packages []string
	scope    scope
}

type scope string

const (
	oneFile    scope = "file"
	onePackage scope = "package"
)

var soles = []sole{
	{"go-cache", []string{"github.com/patrickmn/go-cache"}, oneFile},
	{"bbolt", []string{"go.etcd.io/bbolt"}, oneFile},
	{"the Redis client", []string{
		"github.com/redis/...", "github.com/valkey-io/...", "github.com/go-redis/...", "github.com/gomodule/redigo/...",
	}, oneFile},
	{"securecookie", []string{"github.com/gorilla/securecookie"}, onePackage},
}

// caddyError is called in one file: there, each reason becomes a status once.
var caddyError = function{"github.com/caddyserver/caddy/v2/modules/caddyhttp", "Error"}

// wallClock are the functions that read the time of the machine. Code in
// internal/ gets a clock instead: it calls none of these, and names time.Now
// only as a value, the default of that clock.
var wallClock = []function{{"time", "Now"}, {"time", "Since"}, {"time", "Until"}}

// readsWallClock are the files that may call wallClock all the same, each with
// the reason why an injected clock would be wrong there.
var readsWallClock = map[string]string{
	"internal/stores/memory.go": "go-cache ages its entries by the machine's clock, so that is the clock to count their lifetime on",
}

// weakRandomness are the packages no secret may come from, and the production
// code that may import them for something else.
var weakRandomness = map[string][]string{
	"math/rand":    {"internal/simulator"},
	"math/rand/v2": {"internal/simulator", "internal/tokens"}, // jitter of the back-off
}

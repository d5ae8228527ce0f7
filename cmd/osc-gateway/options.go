package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// kind says how an option's value is written into the configuration.
type kind int

const (
	one    kind = iota // one value, spaces and all
	words              // values separated by spaces or commas, or given several times
	policy             // like words: matchers of routes that ask the same
)

// place is the block of the configuration an option goes into.
type place int

const (
	nowhere place = iota // read by the command itself
	global               // the global option osc_auth
	site                 // the directive osc_proxy
	look                 // its block pages
)

// option is one setting of the gateway, given by a flag or by a variable of
// the same name: --public-url is OSC_GATEWAY_PUBLIC_URL. Flags win.
type option struct {
	name  string
	kind  kind
	place place
	usage string
	// secret options can't be given on the command line, where every process
	// of the machine could read them.
	secret bool
}

var options = []option{
	{"to", words, nowhere, "The app's address, like :3000 or https://app.internal; several are balanced", false},
	{"from", one, nowhere, "Where to listen: an address like :8080, or a host name to serve over https (default :$PORT, or :8080)", false},
	{"public", policy, site, "Paths nobody is asked on, like /assets/*", false},
	{"optional", policy, site, "Paths that get the token if the visitor is signed in", false},
	{"api", policy, site, "Paths that answer 401 instead of sending anybody to sign in", false},
	{"required", policy, site, "Paths one must be signed in for (default: all others)", false},
	{"tenant", words, nowhere, "Workspaces to let in; others get 403 (default: all)", false},
	{"public-url", words, site, "Where browsers reach the gateway, like https://app.example.com", false},
	{"endpoints", one, site, "Prefix of the gateway's own paths (default /auth)", false},
	{"token-header", words, site, "x-pat-jwt, authorization, off, or a field's name with bearer or raw (default x-pat-jwt)", false},
	{"service", one, site, "An OSC service whose token is sent instead of the user's own", false},
	{"identity-headers", one, site, "Send X-Osc-User and X-Osc-Tenant: on or off (default on)", false},
	{"cross-origin", words, site, "Other origins that may send unsafe requests or open WebSockets", false},
	{"streams", one, site, "How long a WebSocket or another stream may last, like 30m (default: as long as the session)", false},
	{"passthrough", one, site, "Let programs bring an OSC token of their own: on or off (default off)", false},
	{"jobs", one, site, "How long after a request its work may still get tokens, like 12h (default: not at all)", false},
	{"jobs-from", one, nowhere, "Where the app trades the handles of jobs for tokens (default 127.0.0.1:9900)", false},
	{"cookie", one, site, "The session cookie's name (default osc_session)", false},
	{"same-site", one, site, "The session cookie's SameSite: lax or strict (default lax)", false},
	{"pages-name", one, look, "What the gateway's own pages call the app (default: --client-name)", false},
	{"pages-logo", one, look, "A picture's file for these pages: SVG, PNG, JPEG, WebP or GIF, at most 64 KiB", false},
	{"pages-color", one, look, "The colour of their buttons and links, like 0b5fff", false},
	{"pages-support", one, look, "Where people find help: a mailto: or https: address", false},
	{"pages-template", one, look, "A file with an HTML template in place of the gateway's own", false},
	{"environment", one, global, "OSC's environment: prod, stage or dev (default prod)", false},
	{"issuer", one, global, "The authorization server (default: the environment's)", false},
	{"token-service", one, global, "OSC's token service (default: the environment's)", false},
	{"catalog", one, global, "OSC's catalogue of services (default: beside the token service)", false},
	{"client-id", one, global, "The OAuth app's id; also OSC_CLIENT_ID or CLIENT_ID (default: registers by itself)", false},
	{"client-secret", one, global, "The OAuth app's secret; also OSC_CLIENT_SECRET or CLIENT_SECRET", true},
	{"client-name", one, global, "What the consent page shows of a client that registered by itself", false},
	{"store", words, global, "Where sessions are kept", false},
	{"key", words, global, "Master keys, newest first (default: one is made and kept)", true},
	{"job-key", words, global, "Keys to keep sessions with jobs by (default: one is made and kept)", true},
	{"idle-timeout", one, global, "Sessions last used within this stay signed in (default 12h)", false},
	{"session-lifetime", one, global, "How long a session can live in all (default 7d)", false},
	{"signin-limit", one, global, "How many sign-ins one client may begin within a minute, like 60/m, or off (default 60/m)", false},
	{"admin", one, nowhere, "Where the admin API listens: a socket, an address of this machine, or off (default: a socket in Caddy's data directory)", false},
	{"metrics-from", one, nowhere, "Where Prometheus asks for /metrics, like 127.0.0.1:9180 (default: nowhere but the admin API)", false},
	{"trusted-proxies", words, nowhere, "Addresses of proxies whose X-Forwarded-* count, or private_ranges", false},
}

// variable is the name of the environment variable of an option.
func (o option) variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(o.name, "-", "_"))
}

// word is the option's name in a Caddyfile.
func (o option) word() string {
	if o.place == look {
		return strings.TrimPrefix(o.name, "pages-")
	}
	return strings.ReplaceAll(o.name, "-", "_")
}

// fileFlag is the flag that names a file to read a secret from.
func (o option) fileFlag() string { return o.name + "-file" }

// defineFlags makes the flags of all options.
func defineFlags(flags *pflag.FlagSet) {
	for _, o := range options {
		usage := o.usage + " [" + o.variable() + "]"
		switch {
		case o.secret:
			flags.String(o.fileFlag(), "", "A file with it: "+usage)
		case o.kind == one:
			flags.String(o.name, "", usage)
		default:
			flags.StringArray(o.name, nil, usage)
		}
	}
}

// given are the values of the options that were given, by name.
type given map[string][]string

// readOptions takes every option from its flag, else from its variable.
func readOptions(flags *pflag.FlagSet) (given, error) {
	values := given{}
	for _, o := range options {
		value, err := o.read(flags)
		if err != nil {
			return nil, err
		}
		if len(value) > 0 {
			values[o.name] = value
		}
	}
	return values, nil
}

func (o option) read(flags *pflag.FlagSet) ([]string, error) {
	switch {
	case o.secret:
		return o.readSecret(flags)
	case o.kind == one:
		if value, _ := flags.GetString(o.name); value != "" {
			return []string{value}, nil
		}
		if value := os.Getenv(o.variable()); value != "" {
			return []string{value}, nil
		}
		return nil, nil
	default:
		values, _ := flags.GetStringArray(o.name)
		if o.name == "store" && strings.Contains(strings.Join(values, " "), "@") {
			return nil, fmt.Errorf("--store: a password on the command line can be read by every process of the machine; set %s instead", o.variable())
		}
		if len(values) == 0 {
			values = []string{os.Getenv(o.variable())}
		}
		if o.name == "store" {
			return storeWords(values)
		}
		return splitWords(values), nil
	}
}

// storeAddress is the variable a store's address with a password is handed on
// in: the configuration, which the admin API shows, holds its name alone.
const storeAddress = "OSC_GATEWAY_STORE_ADDRESS"

// storeWords splits at spaces alone: commas separate the servers of a cluster.
func storeWords(values []string) ([]string, error) {
	words := strings.Fields(strings.Join(values, " "))
	for i, word := range words {
		if !strings.Contains(word, "@") {
			continue
		}
		if err := os.Setenv(storeAddress, word); err != nil {
			return nil, err
		}
		words[i] = "{env." + storeAddress + "}"
	}
	return words, nil
}

// readSecret gives a placeholder, never the secret: what a configuration says
// can be read in more places than a variable.
func (o option) readSecret(flags *pflag.FlagSet) ([]string, error) {
	if path, _ := flags.GetString(o.fileFlag()); path != "" {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("--%s: %w", o.fileFlag(), err)
		}
		return []string{"{file." + path + "}"}, nil
	}
	if os.Getenv(o.variable()) != "" {
		return []string{"{env." + o.variable() + "}"}, nil
	}
	return nil, nil
}

func splitWords(values []string) []string {
	var out []string
	for _, value := range values {
		out = append(out, strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })...)
	}
	return out
}

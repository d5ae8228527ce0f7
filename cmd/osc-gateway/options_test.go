package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// examples are a value for every option.
var examples = map[string]string{
	"to": ":3000", "from": ":8099", "public": "/assets/*", "optional": "/", "api": "/api/*", "required": "/studio/*", "tenant": "acme",
	"public-url": "https://app.example.com", "endpoints": "/signin", "token-header": "X-Token raw", "service": "eyevinn-intercom-manager",
	"identity-headers": "off", "cross-origin": "https://other.example.com", "cookie": "my_session", "streams": "30m", "passthrough": "on", "jobs": "12h", "jobs-from": "127.0.0.1:9901", "job-key": "nor here", "same-site": "strict",
	"pages-name": "My app", "pages-logo": "logo.svg", "pages-color": "#0b5fff", "pages-support": "mailto:help@example.com", "pages-template": "page.html",
	"environment": "stage", "issuer": "https://app.example.org", "token-service": "https://token.example.org",
	"catalog": "https://catalog.example.org", "client-id": "osc_123", "client-secret": "hush", "client-name": "My app",
	"store": "memory 7", "key": "not read here", "idle-timeout": "1h", "session-lifetime": "2d", "trusted-proxies": "private_ranges",
	"signin-limit": "30/m", "admin": "localhost:2020", "metrics-from": "127.0.0.1:9180",
}

// read parses a command line without the environment of the machine.
func read(t *testing.T, args ...string) (given, error) {
	t.Helper()
	flags := pflag.NewFlagSet("proxy", pflag.ContinueOnError)
	defineFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return readOptions(flags)
}

// text is the configuration the options are written as.
func text(t *testing.T, values given) string {
	t.Helper()
	c, err := configure(values)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.adapt(); err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(c.lines, "\n"))
	}
	return strings.Join(c.lines, "\n")
}

func TestEveryOptionIsAFlagAndAVariableThatSayTheSame(t *testing.T) {
	for _, o := range options {
		t.Run(o.name, func(t *testing.T) {
			value, there := examples[o.name]
			if !there {
				t.Fatal("no example")
			}
			base := []string{"--to", ":3000"}
			if o.name == "to" {
				base = nil
			}
			byFlag := append(base, "--"+o.name, value)
			if o.secret {
				path := filepath.Join(t.TempDir(), "secret")
				if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
					t.Fatal(err)
				}
				byFlag = append(base, "--"+o.fileFlag(), path)
			}
			values, err := read(t, byFlag...)
			if err != nil {
				t.Fatal(err)
			}
			flagged := text(t, values)
			t.Setenv(o.variable(), value)
			if values, err = read(t, base...); err != nil {
				t.Fatal(err)
			}
			if o.secret {
				if strings.Contains(flagged+text(t, values), value) {
					t.Error("the configuration holds the secret")
				}
				return
			}
			if got := text(t, values); got != flagged {
				t.Errorf("by variable:\n%s\nby flag:\n%s", got, flagged)
			}
			if o.place != nowhere && !strings.Contains(flagged, o.word()+" ") {
				t.Errorf("the configuration does not say %s", o.word())
			}
		})
	}
}

func TestAFlagWinsOverItsVariable(t *testing.T) {
	t.Setenv("OSC_GATEWAY_COOKIE", "of_the_variable")
	values, err := read(t, "--to", ":3000", "--cookie", "of_the_flag")
	if err != nil || values["cookie"][0] != "of_the_flag" {
		t.Fatalf("%v, %v", values["cookie"], err)
	}
}

func TestSecretsAreNoFlags(t *testing.T) {
	flags := pflag.NewFlagSet("proxy", pflag.ContinueOnError)
	defineFlags(flags)
	for _, name := range []string{"client-secret", "key"} {
		if flags.Lookup(name) != nil {
			t.Errorf("--%s can be given on the command line", name)
		}
	}
	if _, err := read(t, "--store", "redis redis://user:hush@localhost"); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("a password in --store: %v", err)
	}
}

func TestAStoresPasswordIsNotInTheConfiguration(t *testing.T) {
	t.Setenv(storeAddress, "") // and as it was at the end
	t.Setenv("OSC_GATEWAY_STORE", "redis rediss://user:hush@one:6379,two:6379")
	values, err := read(t, "--to", ":3000")
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, values); strings.Contains(got, "hush") || !strings.Contains(got, `store "redis" "{env.`+storeAddress+`}"`) {
		t.Error(got)
	}
	if got := os.Getenv(storeAddress); got != "rediss://user:hush@one:6379,two:6379" {
		t.Errorf("the address is %q", got)
	}
	if got := appEnvironment(os.Environ(), appAddress{}, ""); strings.Contains(strings.Join(got, " "), "hush") {
		t.Error("the app's environment has it")
	}
}

func TestAWrongOptionIsNamed(t *testing.T) {
	for option, value := range map[string]string{
		"same-site": "perhaps", "endpoints": "auth", "cookie": "a b", "token-header": "Cookie", "environment": "space", "idle-timeout": "soon",
		"public-url": "http://app.example.com", "cross-origin": "*", "service": "x", "store": "floppy", "tenant": "ä",
		"issuer": "http://app.example.com", "from": ":99999", "pages-color": "red", "pages-support": "javascript:alert(1)",
		"signin-limit": "often", "admin": "0.0.0.0:2019", "metrics-from": "9180",
	} {
		values, err := read(t, "--to", ":3000", "--"+option, value)
		if err != nil {
			t.Fatal(err)
		}
		c, err := configure(values)
		if err == nil {
			_, err = c.adapt()
		}
		if err == nil || !strings.Contains(err.Error(), "--"+option) || strings.Contains(err.Error(), "Caddyfile:") {
			t.Errorf("--%s %s: %v", option, value, err)
		}
	}
	if _, err := configure(given{}); err == nil || !strings.Contains(err.Error(), "--to") {
		t.Errorf("without --to: %v", err)
	}
}

func TestWhereItListens(t *testing.T) {
	t.Setenv("PORT", "")
	for from, want := range map[string]string{
		"": "http://:8080", ":9000": "http://:9000", "9000": "http://:9000", "localhost:9000": "http://localhost:9000",
		"127.0.0.1:9000": "http://127.0.0.1:9000", "app.example.com": "app.example.com", "https://app.example.com": "https://app.example.com",
	} {
		values := given{}
		if from != "" {
			values["from"] = []string{from}
		}
		if got, err := siteAddress(values); err != nil || got != want {
			t.Errorf("--from %q listens at %q (%v), want %q", from, got, err, want)
		}
	}
	t.Setenv("PORT", "7000")
	if got, _ := siteAddress(given{}); got != "http://:7000" {
		t.Errorf("with PORT=7000 it listens at %s", got)
	}
}

func TestTheAppsEnvironmentHasNoSecretOfTheGateways(t *testing.T) {
	environment := []string{
		"HOME=/home/a", "PORT=8080", "OSC_ACCESS_TOKEN=x", "CONFIG_API_KEY=x", "osc_gateway_key=x", "CLIENT_SECRET=x", "OSC_CLIENT_SECRET=x",
		"OSC_GATEWAY_STORE=redis://:x@h", "OSC_CLIENT_ID=y",
	}
	for _, o := range options {
		if o.secret {
			environment = append(environment, o.variable()+"=x")
		}
	}
	got := appEnvironment(environment, parseAppAddress("localhost:3000"), "127.0.0.1:9900")
	if want := "HOME=/home/a OSC_CLIENT_ID=y PORT=3000 OSC_GATEWAY_JOBS_URL=http://127.0.0.1:9900/token"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
	// The gateway's own PORT is no port for the app, if it has one or not.
	if got := appEnvironment([]string{"PORT=8080"}, parseAppAddress("unix//run/app.sock"), ""); len(got) != 0 {
		t.Errorf("at a socket: %q", got)
	}
}

func TestTheStoreMayHaveSeveralHosts(t *testing.T) {
	const cluster = "redis redis://a.example:6379,b.example:6379"
	want := "\t\tstore \"redis\" \"redis://a.example:6379,b.example:6379\"\n"
	byFlag, err := read(t, "--to", ":3000", "--store", cluster)
	if err != nil || !strings.Contains(text(t, byFlag), want) {
		t.Errorf("by flag: %v %v", byFlag, err)
	}
	t.Setenv("OSC_GATEWAY_STORE", cluster)
	byVariable, err := read(t, "--to", ":3000")
	if err != nil || !strings.Contains(text(t, byVariable), want) {
		t.Errorf("by variable: %v %v", byVariable, err)
	}
}

func TestWhereAnAppIsDialled(t *testing.T) {
	for upstream, want := range map[string]struct{ network, address, port string }{
		"localhost:3000":             {"tcp", "localhost:3000", "3000"},
		"[::1]:3000":                 {"tcp", "[::1]:3000", "3000"},
		"http://127.0.0.1:3000":      {"tcp", "127.0.0.1:3000", "3000"},
		"https://app.internal":       {"tcp", "app.internal:443", "443"},
		"http://app.internal":        {"tcp", "app.internal:80", "80"},
		"app.internal":               {"tcp", "app.internal:80", "80"},
		"unix//run/app.sock":         {"unix", "/run/app.sock", ""},
		upstreams([]string{"80"})[0]: {"tcp", "localhost:80", "80"},
	} {
		if got := parseAppAddress(upstream); got.network != want.network || got.address != want.address || got.port() != want.port {
			t.Errorf("%s: %+v, port %q", upstream, got, got.port())
		}
	}
	for upstream, ok := range map[string]bool{
		"localhost:3000": true, "http://localhost:3000": true, "[::1]:3000": true, "unix//run/app.sock": true,
		"localhost": false, "http://localhost": false, "localhost:": false, "[::1]": false,
	} {
		if err := startable(upstream); (err == nil) != ok {
			t.Errorf("an app to be started at %s: %v", upstream, err)
		}
	}
}

func TestTheGatewayIsNotItsOwnApp(t *testing.T) {
	t.Setenv("PORT", "8080")
	for _, c := range []struct {
		from, to string
		clash    bool
	}{
		{"", ":8080", true}, {"", "127.0.0.1:8080", true}, {"", "http://localhost:8080", true}, {"", "[::1]:8080", true},
		{":3000", "3000", true}, {"localhost:3000", ":3000", true}, {"127.0.0.1:3000", ":3000", true},
		{"", ":3000", false}, {":3000", ":8080", false}, {"", "app.internal:8080", false}, {"10.0.0.1:8080", ":8080", false},
		{"app.example.com", ":443", false}, {"", "unix//run/8080", false},
	} {
		values := given{"to": {c.to}}
		if c.from != "" {
			values["from"] = []string{c.from}
		}
		_, err := configure(values)
		if got := err != nil; got != c.clash || got && !strings.Contains(err.Error(), "--to: the gateway itself listens") {
			t.Errorf("--from %q --to %q: %v", c.from, c.to, err)
		}
	}
}

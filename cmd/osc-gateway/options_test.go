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

func TestAWrongOptionIsNamed(t *testing.T) {
	for option, value := range map[string]string{
		"same-site": "perhaps", "endpoints": "auth", "cookie": "a b", "token-header": "Cookie", "environment": "space", "idle-timeout": "soon",
		"public-url": "http://app.example.com", "cross-origin": "*", "service": "x", "store": "floppy", "tenant": "ä",
		"issuer": "http://app.example.com", "from": ":99999", "pages-color": "red", "pages-support": "javascript:alert(1)",
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
	got := appEnvironment([]string{
		"HOME=/home/a", "PORT=8080", "OSC_ACCESS_TOKEN=x", "osc_gateway_key=x", "OSC_GATEWAY_JOB_KEY=x", "CLIENT_SECRET=x", "OSC_GATEWAY_STORE=redis://:x@h", "OSC_CLIENT_ID=y",
	}, "localhost:3000", "127.0.0.1:9900")
	if want := "HOME=/home/a OSC_CLIENT_ID=y PORT=3000 OSC_GATEWAY_JOBS_URL=http://127.0.0.1:9900/token"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
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

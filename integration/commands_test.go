package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryCommandOfCaddyAnswers(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &canaries{})
	file := filepath.Join(g.dir, "site")
	mustWrite(t, file, "http://localhost:1 {\nosc_proxy localhost:2 {\npublic /assets/*\n}\n}\n")
	for name, c := range map[string]struct {
		arguments []string
		want      []string
	}{
		"version":      {[]string{"version"}, nil},
		"help":         {[]string{"help"}, []string{"osc-gateway", "reload", "simulator"}},
		"adapt":        {[]string{"adapt", "--config", file, "--adapter", "caddyfile"}, []string{`"handler":"osc_auth"`, `"protocol":"osc"`}},
		"validate":     {[]string{"validate", "--config", file, "--adapter", "caddyfile"}, []string{"Valid configuration"}},
		"fmt":          {[]string{"fmt", file}, []string{"\tosc_proxy localhost:2 {"}},
		"list-modules": {[]string{"list-modules"}, []string{"osc_auth\n", "http.handlers.osc_auth", "http.reverse_proxy.transport.osc", "osc_auth.stores.memory"}},
		"build-info":   {[]string{"build-info"}, []string{"github.com/Eyevinn/osc-gateway"}},
		"environ":      {[]string{"environ"}, []string{"caddy.Version"}},
	} {
		output, status := g.run(c.arguments...)
		if status != 0 && name != "fmt" { // fmt says by its status that the file was not formatted
			t.Errorf("%s: status %d: %s", name, status, output)
		}
		for _, want := range c.want {
			if !strings.Contains(output, want) {
				t.Errorf("%s does not say %q:\n%s", name, want, output)
			}
		}
	}
}

func TestValidateAsksNobodyAndWritesNothing(t *testing.T) {
	t.Parallel()
	c := &canaries{}
	provider := newOSC(t, c)
	provider.up()
	g := newGateway(t, c)
	g.configure("\t\tissuer "+provider.URL+"\n", "\tosc_proxy localhost:2\n")
	if output, status := g.run("validate", "--config", g.config, "--adapter", "caddyfile"); status != 0 {
		t.Fatalf("status %d: %s", status, output)
	}
	for endpoint, calls := range provider.Counters().Endpoints {
		if calls != 0 {
			t.Errorf("%d calls of %s", calls, endpoint)
		}
	}
	if found, err := filepath.Glob(filepath.Join(g.dir, "home", "data", "*", "*")); err != nil || len(found) != 0 {
		t.Errorf("it wrote %v (%v)", found, err)
	}
}

func TestNothingSecretIsInTheAdaptedConfiguration(t *testing.T) {
	t.Parallel()
	c := &canaries{}
	c.note(planted, marker)
	g := newGateway(t, c, "OSC_CLIENT_ID=an-id", "OSC_CLIENT_SECRET="+marker)
	g.configure("\t\tclient_id {env.OSC_CLIENT_ID}\n\t\tclient_secret {env.OSC_CLIENT_SECRET}\n", "\tosc_proxy localhost:2\n")
	output, status := g.run("adapt", "--config", g.config, "--adapter", "caddyfile")
	if status != 0 || !strings.Contains(output, "{env.OSC_CLIENT_SECRET}") {
		t.Errorf("status %d: %s", status, output)
	}
}

func TestTheExampleCaddyfileIsValid(t *testing.T) {
	t.Parallel()
	example, err := filepath.Abs("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(example); err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, &canaries{})
	if output, status := g.run("validate", "--config", example, "--adapter", "caddyfile"); status != 0 {
		t.Errorf("status %d: %s", status, output)
	}
}

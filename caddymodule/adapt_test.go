package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

var update = flag.Bool("update", false, "write the adapter's golden files anew")

// dashes divide a golden file: the Caddyfile above, the JSON or the error below.
const dashes = "\n----------\n"

// whereItIs is how an error names the line to look at.
var whereItIs = regexp.MustCompile(`Caddyfile:\d+`)

// provisioning is the way Caddy took to the module that refused.
var provisioning = regexp.MustCompile(`^.*provision [a-z_.]+: `)

// TestAdapt adapts the Caddyfiles of testdata/adapt. Files whose name ends in
// _error are to be refused with the line to look at, or, where it ends in
// _load_error, when what was adapted is loaded. All others load, so that no
// golden pins a configuration that Caddy then refuses.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d golden files: %v", len(files), err)
	}
	t.Setenv("OSC_TEST_SET", "from-the-environment")
	t.Setenv("OSC_TEST_EMPTY", "")
	t.Setenv("OSC_TEST_MASKED", "***")
	t.Setenv("OSC_TEST_JOB_KEY", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".caddyfiletest")
		t.Run(name, func(t *testing.T) { adaptGolden(t, file, name) })
	}
}

func adaptGolden(t *testing.T, file, name string) {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, want, _ := strings.Cut(strings.ReplaceAll(string(raw), "\r\n", "\n"), dashes)
	got := outcome(t, text, name)
	if *update {
		if err := os.WriteFile(file, []byte(text+dashes+got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != strings.TrimSuffix(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// outcome is the JSON of a Caddyfile, or the error it ends in.
func outcome(t *testing.T, text, name string) string {
	loads := !strings.HasSuffix(name, "_error")
	adapts := loads || strings.HasSuffix(name, "_load_error")
	adapted, err := adapt(t, text)
	if adapts != (err == nil) {
		t.Fatalf("adapting gave the error %v", err)
	}
	if err != nil {
		if !whereItIs.MatchString(err.Error()) {
			t.Errorf("the error names no line: %v", err)
		}
		return err.Error()
	}
	cfg := config(t, adapted)
	cfg.Logging = silence()
	err = caddy.Validate(cfg)
	if loads != (err == nil) {
		t.Fatalf("loading gave the error %v", err)
	}
	if err != nil { // which app is provisioned first is not for us to say
		return provisioning.ReplaceAllString(err.Error(), "")
	}
	return adapted
}

// silence is a logging configuration for tests that look at no logs.
func silence() *caddy.Logging {
	return &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output":"discard"}`)}}}}
}

// adapt turns a Caddyfile into indented JSON, as `osc-gateway adapt` does.
func adapt(t testing.TB, text string) (string, error) {
	t.Helper()
	if want := formatted(text); strings.TrimSpace(want) != strings.TrimSpace(text) {
		t.Errorf("the Caddyfile is not formatted; it should be\n%s", want)
	}
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "", err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, adapted, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return indented.String(), nil
}

func formatted(text string) string { return string(caddyfile.Format([]byte(text))) }

// config reads Caddy's JSON, strictly.
func config(t testing.TB, text string) *caddy.Config {
	t.Helper()
	cfg := new(caddy.Config)
	if err := caddy.StrictUnmarshalJSON([]byte(text), cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// installNode puts a Node.js program of ours, and what its lock file asks for,
// into a directory, and returns that. npm is asked once for each version of the
// files.
func installNode(t testing.TB, source string, files ...string) string {
	t.Helper()
	files = append([]string{"package.json", "package-lock.json", ".npmrc"}, files...)
	digest := sha256.New()
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			t.Fatal(err)
		}
		digest.Write(text)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	installed := filepath.Join(cache, "osc-gateway-tests", filepath.Base(source)+"-"+hex.EncodeToString(digest.Sum(nil)[:8]))
	if _, err := os.Stat(installed); err == nil {
		return installed
	}
	if err := os.MkdirAll(filepath.Dir(installed), 0o755); err != nil {
		t.Fatal(err)
	}
	// Complete or not there at all: made aside, then renamed.
	made, err := os.MkdirTemp(filepath.Dir(installed), "making-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(made)
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, filepath.Join(made, name), string(text))
	}
	npm := exec.Command(program(t, "OSC_GATEWAY_TEST_NPM", "npm"), "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = made
	if output, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, output)
	}
	if err := os.Rename(made, installed); err != nil {
		if _, there := os.Stat(installed); there != nil { // or somebody else was faster
			t.Fatal(err)
		}
	}
	return installed
}

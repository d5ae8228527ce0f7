package integration

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// patience is how long anything may take before a test gives it up. It is for
// machines with much else to do: nothing waits for it to pass.
const patience = 60 * time.Second

// tags are the Makefile's: the tests are to run the binary it builds.
const tags = "nobadger,nomysql,nopgx"

// binary is the program under test, built once by TestMain.
var binary string

func TestMain(m *testing.M) {
	if _, told := os.LookupEnv(beTheApp); told {
		os.Exit(runChildApp())
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "osc-gateway-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "osc-gateway")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if err := build(binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build makes the binary. With OSC_GATEWAY_TEST_RACE=1 it watches itself for
// data races, which costs time and memory.
func build(target string) error {
	args := []string{"build", "-tags", tags, "-buildvcs=false", "-o", target}
	if os.Getenv("OSC_GATEWAY_TEST_RACE") == "1" {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/osc-gateway")...)
	cmd.Dir = ".."
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the gateway: %w\n%s", err, output)
	}
	return nil
}

// eventually waits for something that is bound to happen, asking again and
// again; after patience the test has failed.
func eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !happened() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}

// freeAddress is an address of this machine nobody listens at. Its port is one
// that no system gives to outgoing connections, which would otherwise take it
// before whoever it is for.
func freeAddress(t testing.TB) string {
	t.Helper()
	const from, to, attempts = 20_000, 32_000, 100
	for range attempts {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(from+rand.IntN(to-from)))
		listener, err := net.Listen("tcp", address)
		if err == nil {
			listener.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// program finds a program the tests drive, by its variable or by name.
func program(t testing.TB, variable string, names ...string) string {
	t.Helper()
	if configured := os.Getenv(variable); configured != "" {
		return configured
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("none of %q is in the PATH: run scripts/setup-tests, or set %s", names, variable)
	return ""
}

// mustWrite writes a file.
func mustWrite(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

package doctor

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/stores"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func storeOf(t *testing.T, cfg Config, store Store) []Result {
	t.Helper()
	cfg.Setup = &Setup{Store: store}
	return examine(t, cfg, CheckStore)
}

func TestMemoryIsWarnedOf(t *testing.T) {
	expect(t, storeOf(t, Config{}, Store{Kind: "memory"}), CheckStore, Warn, "sessions end with the process")
	expect(t, storeOf(t, Config{}, Store{Kind: "*x.Store"}), CheckStore, Skip)
}

func TestASessionFileIsLookedAtAndNothingIsLeftBesideIt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sessions.db")
	file := func() []Result { return storeOf(t, Config{}, Store{Kind: "file", Path: path}) }
	expect(t, file(), CheckStore, OK, "will be made at the first start", "are free")

	store, err := stores.OpenFile(path, stores.FileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, file(), CheckStore, OK, "in use by a running gateway")
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, file(), CheckStore, OK, "not in use")
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the session file changed (%v)", err)
	}

	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	expect(t, file(), CheckStore, Fail, "chmod 600")
	if err := os.WriteFile(path, []byte("something else\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, file(), CheckStore, Fail, "holds something else")
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestADirectoryThatCannotHoldSessionsIsToldOf(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, storeOf(t, Config{}, Store{Kind: "file", Path: filepath.Join(open, "s.db")}), CheckStore, Fail, "chmod go-w")
	expect(t, storeOf(t, Config{}, Store{Kind: "file", Path: filepath.Join(plain, "s.db")}), CheckStore, Fail, "not a directory")
	expect(t, storeOf(t, Config{}, Store{Kind: "file", Path: filepath.Join(dir, "a", "b", "s.db")}), CheckStore, OK, "will be made")
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// startRedis starts a real server and gives its address.
func startRedis(t *testing.T, args ...string) string {
	t.Helper()
	program := os.Getenv("OSC_GATEWAY_TEST_REDIS")
	for _, name := range []string{"redis-server", "valkey-server"} {
		if found, err := exec.LookPath(name); program == "" && err == nil {
			program = found
		}
	}
	if program == "" {
		t.Fatal("there is no redis-server in the PATH: run scripts/setup-tests, which installs it")
	}
	address := away(t)
	_, port, _ := net.SplitHostPort(address)
	server := exec.Command(program, append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir()}, args...)...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return address
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal("Redis does not answer")
		}
	}
}

func TestARedisIsTriedAndAskedHowItIsSetUp(t *testing.T) {
	const password = "canary-77aa"
	for name, test := range map[string]struct {
		args   []string
		status Status
		says   []string
	}{
		"as it should be": {[]string{"--appendonly", "yes"}, OK, []string{"persistence: append-only", "maxmemory-policy noeviction, changes are announced"}},
		"snapshots":       {[]string{"--save", "60 1000"}, OK, []string{"persistence: snapshots"}},
		"eviction":        {[]string{"--save", "60 1", "--maxmemory-policy", "allkeys-lru"}, Warn, []string{"maxmemory-policy is allkeys-lru", "CONFIG SET maxmemory-policy noeviction"}},
		"no persistence":  {[]string{"--save", ""}, Warn, []string{"CONFIG SET appendonly yes"}},
		"a full one":      {[]string{"--maxmemory", "1"}, Fail, []string{"more memory"}},
	} {
		t.Run(name, func(t *testing.T) {
			address := startRedis(t, append(test.args, "--requirepass", password)...)
			at := Store{Kind: "redis", URL: secret.New("redis://:" + password + "@" + address)}
			results := storeOf(t, Config{}, at)
			expect(t, results, CheckStore, test.status, test.says...)
			if strings.Contains(fmt.Sprintf("%+v", results), password) {
				t.Errorf("the password is shown: %+v", results)
			}
			store, err := stores.OpenRedis(at.URL.Reveal(), stores.RedisConfig{})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			if err := store.Each(t.Context(), func(name tokens.Name, _ tokens.Record) error {
				t.Errorf("record %s is left behind", name.Digest())
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestARedisThatCannotBeUsedIsToldWhy(t *testing.T) {
	const password = "canary-77aa"
	address := startRedis(t, "--requirepass", "another")
	for url, says := range map[string]string{
		"redis://:" + password + "@" + address:  "check user and password",
		"redis://" + address:                    "check user and password",
		"rediss://:" + password + "@" + address: "rediss:// is TLS",
		"redis://" + away(t):                    "start the server",
	} {
		results := storeOf(t, Config{}, Store{Kind: "redis", URL: secret.New(url)})
		expect(t, results, CheckStore, Fail, says)
		if strings.Contains(fmt.Sprintf("%+v", results), password) {
			t.Errorf("the password is shown: %+v", results)
		}
	}
}

func TestTheClockOfTheStoreIsCompared(t *testing.T) {
	address := startRedis(t, "--appendonly", "yes")
	late := func() time.Time { return time.Now().Add(-time.Minute) }
	results := storeOf(t, Config{Now: late}, Store{Kind: "redis", URL: secret.New("redis://" + address)})
	expect(t, results, CheckStore, Warn, "behind the server", "timedatectl")
}

// brokenStore forgets, changes or keeps what it should not.
type brokenStore struct {
	tokens.Store
	load func(tokens.Record, error) (tokens.Record, error)
}

func (b brokenStore) Load(ctx context.Context, name tokens.Name) (tokens.Record, error) {
	return b.load(b.Store.Load(ctx, name))
}

func TestAStoreThatAnswersWrongIsNotFine(t *testing.T) {
	d := New(Config{Timeout: patience})
	memory := stores.NewMemory(10, nil)
	if _, err := d.tryRecord(t.Context(), memory); err != nil {
		t.Fatal(err)
	}
	var last tokens.Record
	for name, load := range map[string]func(tokens.Record, error) (tokens.Record, error){
		"forgets": func(tokens.Record, error) (tokens.Record, error) { return tokens.Record{}, tokens.ErrAbsent },
		"changes": func(r tokens.Record, err error) (tokens.Record, error) { r.Sealed = []byte("x"); return r, err },
		"keeps": func(r tokens.Record, err error) (tokens.Record, error) {
			if err != nil {
				return last, nil
			}
			last = r
			return r, err
		},
	} {
		if _, err := d.tryRecord(t.Context(), brokenStore{memory, load}); err == nil {
			t.Errorf("a store that %s passes", name)
		}
	}
	if err := memory.Each(t.Context(), func(tokens.Name, tokens.Record) error { t.Error("a record is left"); return nil }); err != nil {
		t.Error(err)
	}
}

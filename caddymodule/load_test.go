package caddymodule

import (
	"encoding/json"
	"net"
	goruntime "runtime"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// These tests load configurations as Caddy does, so they run one at a time.

// loaded is a Caddy that runs in this process.
type loaded struct {
	*gateway
	storage, address string
}

// load adapts and loads a Caddyfile with a storage that all loads of the test
// share. The admin API is off; the server keeps its address between loads, as
// sites do.
func (l *loaded) load(text string) error {
	l.Helper()
	return l.loadJSON(l.adapted(text))
}

func (l *loaded) adapted(text string) *caddy.Config {
	l.Helper()
	adapted, err := adapt(l.TB, text)
	if err != nil {
		l.Fatal(err)
	}
	cfg := config(l.TB, adapted)
	cfg.Admin = &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: new(bool)}}
	cfg.StorageRaw = fileStorage(l.storage)
	if cfg.Logging == nil {
		cfg.Logging = silence()
	}
	return cfg
}

func (l *loaded) loadJSON(cfg *caddy.Config) error {
	l.Helper()
	raw, err := json.Marshal(cfg)
	if err != nil {
		l.Fatal(err)
	}
	return caddy.Load(raw, true)
}

// newLoaded loads a Caddyfile whose first site is at {$ADDRESS}.
func newLoaded(w *world, text string) *loaded {
	w.Helper()
	l := &loaded{gateway: &gateway{world: w}, storage: w.TempDir()}
	l.moves()
	w.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			w.Error(err)
		}
	})
	if err := l.load(text); err != nil {
		w.Fatal(err)
	}
	return l
}

// moves gives {$ADDRESS} another value. Caddy stops listening a little after
// Stop returns, so what is loaded next needs a port of its own.
func (l *loaded) moves() {
	l.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.Fatal(err)
	}
	l.address = "http://" + free.Addr().String()
	free.Close()
	l.Setenv("ADDRESS", l.address)
}

func (l *loaded) local() string { return l.address }

// active is the running app and how many configurations use its runtime.
func active(t *testing.T) (*App, int) {
	t.Helper()
	app, err := caddy.ActiveContext().App("osc_auth")
	if err != nil {
		t.Fatal(err)
	}
	count, _ := runtimes.References(app.(*App).poolKey)
	return app.(*App), count
}

func pooled() (count int) {
	runtimes.Range(func(any, any) bool { count++; return true })
	return count
}

// reloadable is a Caddyfile whose session limits come from the environment.
const reloadable = `{
	default_bind 127.0.0.1
	osc_auth {
		issuer {$OSC}
		idle_timeout {$IDLE}
		session_lifetime {$LIFETIME}
	}
}

{$ADDRESS} {
	osc_proxy {$APP}
	header X-Load {$LOAD}
}`

func newReloadable(t *testing.T) *loaded {
	w := newWorld(t)
	for name, value := range map[string]string{"IDLE": "12h", "LIFETIME": "7d", "LOAD": "1"} {
		t.Setenv(name, value)
	}
	return newLoaded(w, reloadable)
}

// fewestGoroutines is how many there are at the least until a time has passed,
// or until there are no more than enough.
func fewestGoroutines(within time.Duration, enough int) int {
	deadline, tick := time.After(within), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for fewest := goruntime.NumGoroutine(); ; fewest = min(fewest, goruntime.NumGoroutine()) {
		if fewest <= enough {
			return fewest
		}
		select {
		case <-deadline:
			return fewest
		case <-tick.C:
		}
	}
}

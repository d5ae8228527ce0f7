package caddymodule

import (
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

func TestSessionsSurviveReloads(t *testing.T) {
	l := newReloadable(t)
	b := l.browser()
	b.signsIn(l.local() + "/")
	for range 20 {
		if err := l.load(reloadable); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, b.asks("GET", l.local()+"/"), http.StatusOK)
		wantToken(t, l.app.one(t), "X-Pat-Jwt", "Bearer ")
		if _, count := active(t); count != 1 {
			t.Fatalf("%d configurations use the runtime", count)
		}
	}
	if made := l.sim.Counters(); made.CodeExchanges != 1 || made.Registrations != 1 || made.Refreshes != 0 {
		t.Errorf("OSC was asked more than once: %+v", made)
	}
}

func TestASignInBegunBeforeAReloadIsFinishedAfterIt(t *testing.T) {
	l := newReloadable(t)
	b := l.browser()
	started := b.asks("GET", l.local()+"/studio")
	allowed := b.asks("GET", started.header.Get("Location"))
	if err := l.load(reloadable); err != nil {
		t.Fatal(err)
	}
	finished := b.asks("GET", allowed.header.Get("Location"))
	wantStatus(t, finished, http.StatusFound)
	if finished.header.Get("Location") != "/studio" {
		t.Errorf("went to %s", finished.header.Get("Location"))
	}
	wantStatus(t, b.asks("GET", l.local()+"/studio"), http.StatusOK)
}

func TestARequestBeingServedOutlivesItsConfiguration(t *testing.T) {
	l := newReloadable(t)
	b := l.browser()
	b.signsIn(l.local() + "/")
	entered, leave := make(chan struct{}), make(chan struct{})
	l.app.answers(func(w http.ResponseWriter, _ *http.Request) { close(entered); <-leave; w.Write([]byte("late")) })
	got := make(chan answer)
	address := l.local() + "/slow"
	go func() { got <- b.asks("GET", address) }()
	<-entered
	if err := l.load(reloadable); err != nil {
		t.Error(err)
	}
	close(leave)
	if late := <-got; late.status != http.StatusOK || late.body != "late" {
		t.Errorf("%d %s", late.status, late.body)
	}
}

func TestAReloadAdoptsChangedLimits(t *testing.T) {
	l := newReloadable(t)
	b := l.browser()
	b.signsIn(l.local() + "/")
	before, _ := active(t)
	t.Setenv("LIFETIME", "30d")
	t.Setenv("IDLE", "1h")
	if err := l.load(reloadable); err != nil {
		t.Fatal(err)
	}
	after, count := active(t)
	if after.runtime != before.runtime && before.runtime != nil || count != 1 {
		t.Errorf("another runtime, or %d users of it", count)
	}
	limits := after.runtime.current.limits
	if limits.Idle != time.Hour || limits.Lifetime != 30*24*time.Hour {
		t.Errorf("limits: %+v", limits)
	}
	wantStatus(t, b.asks("GET", l.local()+"/"), http.StatusOK)
	other := l.browser()
	other.signsIn(l.local() + "/")
	var told struct {
		Expires time.Time `json:"session_expires_at"`
	}
	if err := json.Unmarshal([]byte(other.asks("GET", l.local()+"/auth/session").body), &told); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(told.Expires); left < 29*24*time.Hour {
		t.Errorf("a new session ends in %s", left)
	}
}

func TestAFailingReloadLeavesEverythingAsItWas(t *testing.T) {
	l := newReloadable(t)
	b := l.browser()
	b.signsIn(l.local() + "/")
	app, _ := active(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	t.Setenv("LIFETIME", "30d")
	for name, broken := range map[string]string{
		"while provisioning a later site": reloadable + "\n\nhttp://127.0.0.1:1 {\n\tosc_auth {\n\t\tpublic_url https://{http.request.host}\n\t}\n}",
		"while starting to listen":        reloadable + "\n\nhttp://" + taken.Addr().String() + " {\n\trespond ok\n}",
		"while provisioning the app":      strings.Replace(reloadable, "issuer {$OSC}", "issuer {$OSC}\n\t\tclient_secret alone", 1),
	} {
		for range 5 { // Caddy starts apps in any order
			if err := l.load(broken); err == nil {
				t.Fatalf("%s: no error", name)
			}
			if count, _ := runtimes.References(app.poolKey); count != 1 || pooled() != 1 {
				t.Fatalf("%s: %d references, %d runtimes", name, count, pooled())
			}
			if lifetime := app.runtime.current.limits.Lifetime; lifetime != 7*24*time.Hour {
				t.Fatalf("%s: sessions now live for %s", name, lifetime)
			}
			wantStatus(t, b.asks("GET", l.local()+"/"), http.StatusOK)
		}
	}
}

func TestAReloadOfNothingElseThanTheStoreTakesAnotherRuntime(t *testing.T) {
	l := newReloadable(t)
	b := l.browser()
	b.signsIn(l.local() + "/")
	if err := l.load(strings.Replace(reloadable, "issuer", "store memory 7\n\t\tissuer", 1)); err != nil {
		t.Fatal(err)
	}
	if pooled() != 1 {
		t.Errorf("%d runtimes", pooled())
	}
	// The old server may still take a request or two, and its store is closed.
	for deadline := time.Now().Add(10 * time.Second); ; {
		got := b.asks("GET", l.local()+"/")
		if got.status == http.StatusServiceUnavailable && time.Now().Before(deadline) {
			continue
		}
		wantStatus(t, got, http.StatusFound)
		return
	}
}

func TestAfterStoppingNothingIsLeft(t *testing.T) {
	l := newReloadable(t)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if pooled() != 0 {
		t.Fatalf("%d runtimes are left of earlier tests", pooled())
	}
	baseline := fewestGoroutines(500*time.Millisecond, 0)
	for range 5 {
		l.moves()
		if err := l.load(reloadable); err != nil {
			t.Fatal(err)
		}
		b := l.browser()
		b.signsIn(l.local() + "/")
		if err := l.load(reloadable + "\n"); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Stop(); err != nil {
			t.Fatal(err)
		}
		b.wire.CloseIdleConnections()
		if pooled() != 0 {
			t.Fatalf("%d runtimes are left", pooled())
		}
	}
	l.osc.CloseClientConnections() // idle ones end by themselves, but in minutes
	l.app.server.CloseClientConnections()
	if now := fewestGoroutines(10*time.Second, baseline); now > baseline {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before\n%s", now, baseline, buf[:goruntime.Stack(buf, true)])
	}
}

func TestCheckingAConfigurationLeavesNoTrace(t *testing.T) {
	var calls atomic.Int32
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			conn.Close()
		}
	}()
	t.Setenv("OSC", "http://"+listener.Addr().String())
	t.Setenv("APP", listener.Addr().String())
	dir := t.TempDir()
	before := pooled()
	adapted, err := adapt(t, site("http://localhost", "", "\t\tpublic /assets/*"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		cfg := config(t, adapted)
		cfg.StorageRaw, cfg.Logging = fileStorage(dir), silence()
		if err := caddy.Validate(cfg); err != nil {
			t.Fatal(err)
		}
	}
	if calls.Load() > 0 {
		t.Errorf("%d calls were made", calls.Load())
	}
	if pooled() != before {
		t.Errorf("%d runtimes are left", pooled()-before)
	}
	filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path != dir {
			t.Errorf("%s was written: %v", path, err)
		}
		return nil
	})
}

func TestTheGatewayStartsAndServesWhileOSCIsDown(t *testing.T) {
	l := newReloadable(t)
	b := l.browser()
	b.signsIn(l.local() + "/")
	// Of a refused connection, and of an answer that is none.
	l.sim.SetKnobs(func(k *simulator.Knobs) {
		k.Discovery.Mode = "500"
		k.Registration.Fault = "500"
		k.Faults = []simulator.Fault{{Kind: simulator.Fault503}}
	})
	for _, down := range []func(){func() {}, l.osc.Close} {
		down()
		if err := l.load(reloadable + "\n"); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, b.asks("GET", l.local()+"/auth/health"), http.StatusOK)
		wantStatus(t, b.asks("GET", l.local()+"/"), http.StatusOK)
		wantToken(t, l.app.one(t), "X-Pat-Jwt", "Bearer ")
	}
	if err := caddy.Stop(); err != nil { // and once from scratch, with no client registered
		t.Fatal(err)
	}
	l.moves()
	if err := l.load(reloadable); err != nil {
		t.Fatal(err)
	}
	anonymous := l.browser()
	wantStatus(t, anonymous.asks("GET", l.local()+"/auth/health"), http.StatusOK)
	got := anonymous.asks("GET", l.local()+"/studio")
	wantStatus(t, got, http.StatusServiceUnavailable)
	if got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "provider_unavailable") {
		t.Errorf("%v %s", got.header, got.body)
	}
}

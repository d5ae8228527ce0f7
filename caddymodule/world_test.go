package caddymodule

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// TestMain keeps what the machine has, credentials and Caddy's data, out of the
// tests.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "osc-gateway")
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv("XDG_DATA_HOME", dir)
	for _, variable := range []string{"OSC_CLIENT_ID", "OSC_CLIENT_SECRET", "CLIENT_ID", "CLIENT_SECRET", "OSC_GATEWAY_KEY"} {
		os.Unsetenv(variable)
	}
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// A world has an OSC and an app to put the gateway between. Caddyfiles name
// them as {$OSC} and {$APP}.
type world struct {
	testing.TB
	sim *simulator.Server
	osc *httptest.Server
	app *app
}

// newWorld makes a world in which alice signs in, and consents, by herself.
func newWorld(t testing.TB) *world {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // Caddy's data directory
	w := &world{TB: t, app: newApp(t)}
	w.sim = simulator.New(simulator.Config{Knobs: simulator.Knobs{
		Authorize: simulator.AuthorizeKnobs{AutoUser: "alice", AutoApprove: true},
	}})
	w.osc = httptest.NewServer(w.sim)
	t.Cleanup(w.osc.Close)
	t.Cleanup(func() { w.sim.Close() })
	t.Setenv("OSC", w.osc.URL)
	t.Setenv("APP", w.app.address())
	return w
}

// gateway is a provisioned server.
type gateway struct {
	*world
	server *httptest.Server
}

// serve provisions a Caddyfile and serves its first server over http.
func (w *world) serve(text string) *gateway { w.Helper(); return w.gateway(text, false) }

// serveTLS is serve over https.
func (w *world) serveTLS(text string) *gateway { w.Helper(); return w.gateway(text, true) }

func (w *world) gateway(text string, overTLS bool) *gateway {
	w.Helper()
	server := provision(w.TB, text)
	g := &gateway{world: w, server: httptest.NewUnstartedServer(server)}
	g.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if overTLS {
		g.server.StartTLS()
	} else {
		g.server.Start()
	}
	w.Cleanup(g.server.Close)
	return g
}

// provision adapts and provisions a Caddyfile, with a storage of its own, and
// gives the runtime back at the end of the test.
func provision(t testing.TB, text string) *caddyhttp.Server {
	t.Helper()
	adapted, err := adapt(t, text)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(t, adapted)
	if cfg.StorageRaw == nil {
		cfg.StorageRaw = fileStorage(t.TempDir())
	}
	if cfg.Logging == nil {
		cfg.Logging = silence()
	}
	ctx, err := caddy.ProvisionContext(cfg)
	if err != nil {
		t.Fatal(err)
	}
	oscApp, err := ctx.App("osc_auth")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := oscApp.(*App).Cleanup(); err != nil {
			t.Error(err)
		}
	})
	httpApp, err := ctx.App("http")
	if err != nil {
		t.Fatal(err)
	}
	return mainServer(httpApp.(*caddyhttp.App).Servers)
}

// mainServer is the one visitors come to: a site with osc_jobs beside it is on
// a server of its own, of this machine alone.
func mainServer(servers map[string]*caddyhttp.Server) *caddyhttp.Server {
	if first := servers["srv0"]; slices.ContainsFunc(first.Listen, func(at string) bool { return strings.HasPrefix(at, "127.0.0.1:") }) {
		return servers["srv1"]
	}
	return servers["srv0"]
}

func fileStorage(dir string) json.RawMessage {
	raw, _ := json.Marshal(map[string]string{"module": "file_system", "root": dir})
	return raw
}

// port is the one the gateway listens on.
func (g *gateway) port() string {
	_, port, _ := net.SplitHostPort(g.server.Listener.Addr().String())
	return port
}

// local is the gateway's address on this machine.
func (g *gateway) local() string { return "http://localhost:" + g.port() }

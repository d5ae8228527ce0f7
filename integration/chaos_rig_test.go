package integration

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// The tests in chaos_*_test.go break things under a running gateway, and count
// at the provider what that cost. `make chaos` runs them in their long form.
func longForm() bool { return os.Getenv("OSC_GATEWAY_CHAOS") == "long" }

// shortOrLong is a size of a test, by its form.
func shortOrLong[T any](short, long T) T {
	if longForm() {
		return long
	}
	return short
}

// chaos is a world that is built to be broken: a provider that can be held at
// every step of a refresh, an app that checks every token, and one gateway or
// more that visitors reach under one name, as behind a balancer.
type chaos struct {
	t        testing.TB
	provider *provider
	app      *tokenApp
	gateways []*gateway
	doors    []*http.Transport // one per gateway
	URL      string            // where visitors believe to be

	reloading atomic.Bool  // connections may be dropped
	dropped   atomic.Int64 // that many were
}

// chaosSpec says what is particular about a world; the zero value is one
// gateway with all defaults.
type chaosSpec struct {
	gateways int
	global   string // lines of the global osc_auth block: the store, for one
	env      []string
	crowd    bool // too many secrets to look for each of them everywhere
}

// gatewayKey is what gateways that share a store share too.
const gatewayKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

func newChaos(t testing.TB, spec chaosSpec) *chaos {
	t.Helper()
	secrets := &canaries{}
	c := &chaos{t: t, provider: newProvider(t, secrets), app: newTokenApp(t)}
	spec.gateways = max(1, spec.gateways)
	watched := secrets
	if spec.crowd {
		watched = &canaries{}
	}
	for range spec.gateways {
		g := newGateway(t, watched, append(spec.env, "OSC_GATEWAY_KEY="+gatewayKey)...)
		c.gateways = append(c.gateways, g)
		c.doors = append(c.doors, c.newDoor(g.address))
	}
	_, port, _ := net.SplitHostPort(c.gateways[0].address)
	c.URL = "http://localhost:" + port
	t.Cleanup(func() { c.provider.Close() }) // whatever still hangs
	for i, g := range c.gateways {
		c.configure(i, spec.global)
		g.launch("run", "--config", g.config, "--adapter", "caddyfile")
	}
	for _, g := range c.gateways {
		eventually(t, "the gateway answers", g.answers)
	}
	return c
}

// newDoor reaches one gateway under the name of all.
func (c *chaos) newDoor(gateway string) *http.Transport {
	const idle = 4096 // a crowd comes and goes
	door := &http.Transport{
		DisableCompression: true, MaxIdleConns: idle, MaxIdleConnsPerHost: idle,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "localhost:") {
				address = gateway
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	c.t.Cleanup(door.CloseIdleConnections)
	return door
}

// configure writes the Caddyfile of one gateway. There is no access log: it
// would be most of the work.
func (c *chaos) configure(i int, global string) {
	c.t.Helper()
	g := c.gateways[i]
	_, port, _ := net.SplitHostPort(g.address)
	mustWrite(c.t, g.config, fmt.Sprintf(`{
	admin unix/%s
	default_bind 127.0.0.1
	osc_auth {
		issuer %s
%s
	}
}
http://localhost:%s {
	osc_proxy %s {
		public /assets/*
		api    /api/*
	}
}
`, g.admin(), c.provider.URL, global, port, strings.TrimPrefix(c.app.URL, "http://")))
}

// kill ends a gateway without a word.
func (c *chaos) kill(i int) {
	c.t.Helper()
	c.gateways[i].kill()
	c.doors[i].CloseIdleConnections()
}

// restart ends all gateways in order and starts them again. They do not know
// then whose sessions there are: only requests make them refresh.
func (c *chaos) restart() {
	c.t.Helper()
	for i, g := range c.gateways {
		g.stop()
		c.doors[i].CloseIdleConnections()
		g.launch("run", "--config", g.config, "--adapter", "caddyfile")
	}
	for _, g := range c.gateways {
		eventually(c.t, "the gateway answers again", g.answers)
	}
}

// asleep lets tokens end at a time, with gateways that have not looked after
// them meanwhile.
func (c *chaos) asleep(end time.Time) {
	c.t.Helper()
	c.restart()
	await(end)
}

// await lets the real clock come to a time.
func await(at time.Time) { <-time.After(time.Until(at)) }

// admin calls the admin API of a gateway.
func (c *chaos) admin(i int, method, path, body string) (string, error) {
	return c.gateways[i].askAdmin(method, path, body)
}

// reload gives a gateway its Caddyfile again, whether it changed or not.
func (c *chaos) reload(i int) error {
	config, err := os.ReadFile(c.gateways[i].config)
	if err != nil {
		return err
	}
	_, err = c.admin(i, http.MethodPost, "/load", string(config)+"\n# "+strconv.FormatInt(time.Now().UnixNano(), 10)+"\n")
	return err
}

// goroutines is how many a gateway has, without those of connections it keeps
// for the next call: these end by themselves.
func (c *chaos) goroutines(i int) int {
	c.t.Helper()
	text, err := c.admin(i, http.MethodGet, "/debug/pprof/goroutine?debug=1", "")
	if err != nil {
		c.t.Fatal(err)
	}
	n := 0
	_, groups, _ := strings.Cut(text, "\n")
	for group := range strings.SplitSeq(groups, "\n\n") {
		var count int
		if _, err := fmt.Sscanf(group, "%d @", &count); err == nil && !strings.Contains(group, "(*persistConn).") {
			n += count
		}
	}
	return n
}

// lifetime is how long the tokens live that the provider gives from now on.
func (c *chaos) lifetime(d time.Duration) {
	c.provider.SetKnobs(func(k *simulator.Knobs) { k.Token.AccessLifetimeSeconds = int(d / time.Second) })
}

// slowly makes the provider take its time for refreshes, as many as come.
func (c *chaos) slowly(d time.Duration) {
	c.provider.faults(simulator.Fault{Kind: simulator.FaultDelay, Scope: simulator.ScopeRefresh, DelayMS: int(d / time.Millisecond)})
}

// refreshedOnceEach checks what the provider saw: so many refreshes, each the
// only one of its session, none with a token of yesterday.
func (c *chaos) refreshedOnceEach(want int) {
	c.t.Helper()
	got := c.provider.Counters()
	if got.Refreshes != want || got.RefreshesOK != want || got.ReuseDetected != 0 || got.RefreshRejected != 0 || got.MaxConcurrentRefreshesPerFamily > 1 {
		c.t.Errorf("%d refreshes, not %d: %d granted, %d rejected, %d of them for reuse, %d of a session at once",
			got.Refreshes, want, got.RefreshesOK, got.RefreshRejected, got.ReuseDetected, got.MaxConcurrentRefreshesPerFamily)
	}
}

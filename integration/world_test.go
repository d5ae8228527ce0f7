package integration

import (
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// world is all there is: OSC, an app, and the gateway in front of it.
type world struct {
	t        testing.TB
	canaries *canaries
	osc      *osc
	app      *app
	gateway  *gateway
}

// setup says what is particular about a world; the zero value is the gateway
// with all defaults.
type setup struct {
	global  string // lines of the global osc_auth block
	site    string // the site's block; default: osc_proxy and the usual policies
	env     []string
	options string // further global options
	sites   string // further sites
	oscDown bool
}

// usualSite has one route of each kind.
const usualSite = `	osc_proxy {upstream} {
		public   /assets/*
		optional /maybe
		api      /api/*
	}
`

// newWorld makes a world and starts what is in it.
func newWorld(t testing.TB, s setup) *world {
	t.Helper()
	c := &canaries{}
	w := &world{t: t, canaries: c, osc: newOSC(t, c), app: newApp(t, c)}
	if !s.oscDown {
		w.osc.up()
	}
	w.gateway = newGateway(t, c, s.env...)
	w.gateway.options, w.gateway.sites = s.options, s.sites
	t.Cleanup(func() {
		w.osc.Close() // whatever still hangs
		c.absent(t, "what the app was sent", w.app.bytes(), accessToken, jobHandle)
	})
	w.configure(s.global, s.site)
	w.gateway.start()
	return w
}

// configure writes the Caddyfile. In site, {upstream} stands for the app, in
// global {osc} for OSC.
func (w *world) configure(global, site string) {
	w.t.Helper()
	if site == "" {
		site = usualSite
	}
	w.gateway.configure("\t\tissuer "+w.osc.URL+"\n"+strings.ReplaceAll(global, "{osc}", w.osc.URL), w.withUpstream(site))
}

// visitor is a new browser.
func (w *world) visitor() *visitor {
	w.t.Helper()
	return newVisitor(w.t, w.gateway.URL)
}

// quickly makes OSC ask nothing: signed in as alice, and allowed.
func (w *world) quickly() {
	w.osc.SetKnobs(func(k *simulator.Knobs) { k.Authorize.AutoUser, k.Authorize.AutoApprove = "alice", true })
}

func (w *world) withUpstream(site string) string {
	return strings.ReplaceAll(site, "{upstream}", strings.TrimPrefix(w.app.URL, "http://"))
}

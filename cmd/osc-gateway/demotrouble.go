package main

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// demoTrouble is a button that breaks the simulated OSC, and what to expect.
type demoTrouble struct {
	Name, Label, Expect string
}

// Names that are no presets of the simulator's.
const (
	demoRepair = "repair"
	demoExpire = "expire"
	demoRevoke = "revoke"
)

var demoTroubles = []demoTrouble{
	{"token-down", "OSC cannot renew tokens", "You stay signed in. Once the token has run out, pages say that OSC does not answer, and come back by themselves when it does. About is public and stays open: mend it there."},
	{"token-slow", "OSC is slow", "Five seconds for every answer. You notice nothing: renewing happens behind your requests."},
	{"rate-limited", "OSC says: too many requests", "The gateway waits as long as it is told to. You stay signed in, though tokens that live for seconds may run out meanwhile."},
	{demoExpire, "OSC forgets the tokens", "Open Studio: OSC refuses its token. The gateway renews one that was refused, once a minute at most, and here any within seconds."},
	{"platform-down", "No service tokens", "Intercom is out of order once its token has run out. Your own token is never sent there instead."},
	{"deny", "Visitors say no", "Sign out, and in again: OSC reports that you declined, and the gateway says so calmly."},
	{"refuse-refresh", "OSC refuses the next renewal", "The one thing that ends a session: whoever's token is due next is asked to sign in again."},
	{demoRevoke, "Every session revoked at OSC", "As above, for everybody, at each one's next renewal."},
}

// makeTrouble presses a button, for pages of this site alone: the route is
// public, and others could post forms to it.
func (a *demoApp) makeTrouble(w http.ResponseWriter, r *http.Request) {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "same-origin" && site != "" {
		http.Error(w, "not from another site", http.StatusForbidden)
		return
	}
	name := r.PathValue("name")
	switch {
	case name == demoRepair:
		a.repair()
	case name == demoExpire:
		a.osc.ExpireAccessTokens()
	case name == demoRevoke:
		for _, family := range a.osc.Families() {
			a.osc.RevokeUser(family.UserID)
		}
	case slices.ContainsFunc(demoTroubles, func(t demoTrouble) bool { return t.Name == name }):
		if err := a.osc.ApplyPreset(name); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	default:
		http.NotFound(w, r)
		return
	}
	if r.Header.Get("Sec-Fetch-Mode") == "navigate" { // a browser without scripts
		http.Redirect(w, r, "/#trouble", http.StatusSeeOther)
		return
	}
	a.showTrouble(w, r)
}

// repair makes OSC what the demo calls normal.
func (a *demoApp) repair() {
	a.osc.SetKnobs(func(k *simulator.Knobs) {
		*k = simulator.Knobs{}
		k.Token.AccessLifetimeSeconds, k.Platform.ServiceTokenLifetimeSeconds = a.seconds, a.seconds
	})
}

// showTrouble tells what is broken at the moment.
func (a *demoApp) showTrouble(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(activeTroubles(a.osc.Knobs()))
}

// activeTroubles names the buttons whose trouble is still there.
func activeTroubles(k simulator.Knobs) []string {
	active := []string{}
	for _, fault := range k.Faults {
		for _, known := range []struct{ name, kind, endpoint string }{
			{"token-down", simulator.Fault503, simulator.EndpointToken},
			{"token-slow", simulator.FaultDelay, simulator.EndpointToken},
			{"rate-limited", simulator.Fault429, simulator.EndpointToken},
			{"refuse-refresh", simulator.FaultInvalidGrant, simulator.EndpointToken},
			{"platform-down", simulator.Fault503, simulator.EndpointServiceToken},
		} {
			if fault.Kind == known.kind && fault.Endpoint == known.endpoint && !slices.Contains(active, known.name) {
				active = append(active, known.name)
			}
		}
	}
	if k.Authorize.Deny {
		active = append(active, "deny")
	}
	return active
}

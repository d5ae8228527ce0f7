package gate

import (
	"net/http"

	"github.com/Eyevinn/osc-gateway/internal/browser"
	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/pages"
)

// admit finds out whose request it is and whether the route lets them in.
func (g *Gate) admit(w http.ResponseWriter, r *http.Request, route *Route) (*passenger, *refusal) {
	p := &passenger{gate: g, route: route, path: r.URL.Path}
	var refused *refusal
	if brought := route.brought(r); brought != nil {
		refused = g.admitCaller(r, p, brought)
	} else {
		refused = g.admitSession(w, r, p)
	}
	if refused == nil && !route.lets(p.Tenant) {
		refused = &refusal{reason: pages.TenantForbidden, session: p.Session, tenants: route.admitted()}
	}
	return p, refused
}

// admitSession is for a browser: its cookie says whose request it is.
func (g *Gate) admitSession(w http.ResponseWriter, r *http.Request, p *passenger) *refusal {
	desk, err := g.open(r.Context())
	if err != nil {
		return unavailable(err)
	}
	site, err := g.cfg.Origins.Origin(r)
	if err != nil { // no sign-in can have happened here
		return &refusal{reason: pages.NoSession, challenge: true}
	}
	ticket, presented := desk.jar.Session(r, site)
	if ticket.IsZero() {
		return &refusal{reason: pages.NoSession, challenge: true, clear: presented}
	}
	switch browser.Cross(r, site.Origin, p.route.CrossOrigin) {
	case browser.CrossOriginUnsafe:
		return &refusal{reason: pages.CrossOrigin}
	case browser.CrossOriginResource:
		return &refusal{reason: pages.CrossOrigin, challenge: p.route.Mode == Optional}
	}
	p.vault, p.ticket, p.realm = desk.vault, ticket, g.realm(site)
	if wantsStream(r) {
		p.Session, err = p.vault.Lasting(r.Context(), p.realm, ticket)
	} else {
		p.Session, err = p.vault.Fresh(r.Context(), p.realm, ticket)
	}
	if err != nil {
		refused := sessionRefusal(err)
		refused.name = ticket.Name()
		return refused
	}
	if rounds := desk.jar.Rounds(r, site); rounds.Finished > 0 { // the session came back: that was no round
		rounds.Finished = 0
		if err := desk.jar.SetRounds(w.Header(), site, rounds); err != nil {
			return &refusal{reason: pages.StoreUnavailable, cause: err}
		}
	}
	return nil
}

// realm is what sessions of a site are bound to.
func (g *Gate) realm(site cookies.Site) string {
	if g.cfg.Realm == "" {
		return site.Origin
	}
	if last := g.lastRealm.Load(); last != nil && last.origin == site.Origin {
		return last.realm
	}
	made := &realmOf{origin: site.Origin, realm: site.Origin + " " + g.cfg.Realm}
	g.lastRealm.Store(made)
	return made.realm
}

// realmOf is the realm of an origin: most gates have one, and need not put it
// together for every request.
type realmOf struct{ origin, realm string }

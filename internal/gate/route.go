package gate

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Mode is what a route asks of a visitor.
type Mode int

// The modes, from the laxest to the strictest.
const (
	Public   Mode = iota // nobody is asked
	Optional             // the token goes along if there is one
	Required             // signed in, or sent to sign in
	API                  // signed in, or refused; never sent anywhere
)

// String is the mode's name in a configuration.
func (m Mode) String() string {
	return [...]string{"public", "optional", "required", "api"}[m]
}

// Protected tells whether the mode lets nobody through who is not signed in.
func (m Mode) Protected() bool { return m >= Required }

// Route is what is asked on a route, and what the upstream gets there.
type Route struct {
	// Name is the route's line in the configuration, as far as people need it to
	// find it again.
	Name    string
	Mode    Mode
	Tenants []string    // those let in; none named: all
	Token   TokenHeader // how the token is sent
	// Service is the OSC service whose token is sent instead of the user's own;
	// "" for the user's own.
	Service string
	// Identity says that the upstream is told the user and the tenant.
	Identity bool
	// CrossOrigin are further origins whose pages may send unsafe requests.
	CrossOrigin []string
	// Streams is how long a stream may last; 0: as long as its session.
	Streams time.Duration
	// Jobs is how long after a request its job may still get tokens; 0: the
	// upstream gets no handle.
	Jobs time.Duration
	// Passthrough lets callers in that bring a token of their own in the field
	// that the route sends tokens in.
	Passthrough bool
	// Outside says that the gate is not for the route at all: another gate of the
	// site may be.
	Outside bool
	// others are routes that other readings of the same path are on and that
	// name tenants too: who gets through is let in by all of them.
	others []*Route
}

// strictness orders routes by what they ask. Routes that name tenants ask more
// than those that do not; API and Required ask the same.
func (r *Route) strictness() int {
	switch {
	case r.Mode.Protected() && len(r.Tenants) > 0:
		return 3
	case r.Mode.Protected():
		return 2
	default:
		return int(r.Mode)
	}
}

// admitted are the tenants that a route names and all others of its path do too.
func (r *Route) admitted() []string {
	all := slices.Clone(r.Tenants)
	for _, other := range r.others {
		all = append(all, other.Tenants...)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(tenant string) bool { return !r.lets(tenant) })
}

// lets tells whether the route is for a tenant.
func (r *Route) lets(tenant string) bool {
	if len(r.Tenants) > 0 && !slices.Contains(r.Tenants, tenant) {
		return false
	}
	return !slices.ContainsFunc(r.others, func(other *Route) bool { return !other.lets(tenant) })
}

// TokenHeader is the header field a token travels in.
type TokenHeader struct {
	Name string // "" for none: the upstream gets no token
	Raw  bool   // the bare token instead of "Bearer <token>"
}

// value is the field's, for a token.
func (h TokenHeader) value(token string) string {
	if h.Raw {
		return token
	}
	return "Bearer " + token
}

// Routes says which route a request is on, as its path stands.
type Routes interface {
	// Route returns the first route that matches and its place among all, Unnamed
	// where the configuration does not name it: the route of everything else. An
	// error means that a matcher failed, and nobody gets through.
	Route(r *http.Request) (route *Route, place int, err error)
	// Strictest is the most that any route of the site asks.
	Strictest() int
}

// Unnamed is the place of a route that the configuration does not name.
const Unnamed = math.MaxInt

// Table is a list of routes in the order they were written.
type Table struct {
	rows      []row
	otherwise *Route
	named     bool
	strictest int
}

type row struct {
	matches func(*http.Request) (bool, error)
	route   *Route
}

// NewTable makes a table; otherwise is the route of what no row matches. named
// says that a matcher of the site as a whole stands for it.
func NewTable(otherwise *Route, named bool) *Table {
	return &Table{otherwise: otherwise, named: named, strictest: otherwise.strictness()}
}

// Add appends a row.
func (t *Table) Add(matches func(*http.Request) (bool, error), route *Route) {
	t.rows = append(t.rows, row{matches, route})
	t.strictest = max(t.strictest, route.strictness())
}

// Route returns the first row's route that matches.
func (t *Table) Route(r *http.Request) (*Route, int, error) {
	for place, row := range t.rows {
		matched, err := row.matches(r)
		switch {
		case err != nil:
			return nil, 0, err
		case matched && row.route.Outside:
			return row.route, Unnamed, nil
		case matched:
			return row.route, place, nil
		}
	}
	if t.named {
		return t.otherwise, len(t.rows), nil
	}
	return t.otherwise, Unnamed, nil
}

// Strictest is the most that any route asks.
func (t *Table) Strictest() int { return t.strictest }

// route judges a request by the strictest route that any reading of its path
// is on, and says which reading that is, "" for the path as it stands. That is
// looked at last, so that what matchers leave behind in placeholders is of it.
func (g *Gate) route(r *http.Request) (strictest *Route, because string, err error) {
	own, place, err := g.cfg.Routes.Route(r)
	if err != nil || own.strictness() >= g.cfg.Routes.Strictest() && len(own.Tenants) == 0 {
		return own, "", err
	}
	strictest = own
	var room [2]reading // for a plain path
	all := readings(room[:0], r.URL)
	all[0].place = place
	for i := range all[1:] {
		reading := &all[i+1]
		other, place, err := g.cfg.Routes.Route(withPath(r, reading.path))
		if err != nil {
			return nil, "", err
		}
		reading.place = place
		if reading.slashOf != noSlash && place >= all[reading.slashOf].place {
			continue
		}
		if found := stricter(strictest, other); found != strictest {
			strictest, because = found, reading.path
		}
	}
	if _, _, err := g.cfg.Routes.Route(r); err != nil {
		return nil, "", err
	}
	return strictest, because, nil
}

// stricter is the route that asks more; where both name tenants, one that asks
// what both ask.
func stricter(a, b *Route) *Route {
	switch {
	case b.strictness() > a.strictness():
		return b
	case b == a, len(a.Tenants) == 0, len(b.Tenants) == 0, slices.Contains(a.others, b):
		return a
	}
	both := *a
	both.others = append(slices.Clone(a.others), b)
	return &both
}

// withPath is the request as a reader of path would see it.
func withPath(r *http.Request, path string) *http.Request {
	other := &struct {
		http.Request
		url url.URL
	}{*r, *r.URL}
	other.url.Path, other.url.RawPath, other.URL = path, "", &other.url
	return &other.Request
}

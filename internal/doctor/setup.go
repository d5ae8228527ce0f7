package doctor

import (
	"cmp"
	"context"
	"net/http"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// Setup is what a configuration comes to.
type Setup struct {
	Issuer    string
	Client    tokens.Client // the zero value: the gateway registers by itself
	Store     Store
	Keys      Keys
	DataDir   string   // Caddy's; "" where its storage is no directory
	Sites     []Site   // that have the gateway in front of them
	Variables []string // that the configuration reads
	StartsApp bool     // the gateway itself starts the app
	// Flow makes a sign-in of nobody's, with the gateway's key.
	Flow func(context.Context, Site) (Flow, error)
}

// Flow is a sign-in as its browser carries it. A gateway with the same key, that
// takes itself for the same site, knows it for one of its own.
type Flow struct{ Name, Value, State string }

// Store is where sessions are kept.
type Store struct {
	Kind string // memory, file or redis
	Path string // of a file
	URL  secret.String
}

// Keys are the master keys.
type Keys struct {
	Configured int // 0: one is made and kept in Caddy's storage
	// Stored tells whether the one in Caddy's storage is there already.
	Stored func(context.Context) (bool, error)
	Path   string // of that one; "" where the storage is no directory
}

// Site is a site with the gateway in front.
type Site struct {
	Origin    string // where browsers reach it; "" where that can't be known
	Problem   string // why not, or why it will not do
	Fix       string
	AnyHost   bool   // it answers on every host, so Origin is that of this machine
	Endpoints string // prefix of the gateway's own paths
	Cookie    string // the session cookie's name, without prefix
	Listen    []string
	Host      string // to ask for where it listens
	TLS       bool   // it listens for TLS
	Upstreams []Upstream
}

func (s Site) name() string { return cmp.Or(s.Origin, s.Host) }

// redirectURI is where the provider sends browsers back to.
func (s Site) redirectURI() string { return s.Origin + s.Endpoints + "/callback" }

// Upstream is an app behind the gateway.
type Upstream struct {
	Name string
	// Transport reaches it whatever the request's host is; nil where it can't be
	// asked by itself.
	Transport http.RoundTripper
	Why       string // why not
}

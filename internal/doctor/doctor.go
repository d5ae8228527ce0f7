// Package doctor examines a set-up of the gateway from where it runs: provider,
// clock, keys, store, upstreams, and the way a browser's requests take to it. It
// says what is wrong and how to mend it, and leaves nothing behind: no session,
// no client at the provider, no record.
package doctor

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The checks, in the order they are told of.
const (
	CheckConfiguration = "configuration"
	CheckVariables     = "variables"
	CheckUser          = "user"
	CheckData          = "data"
	CheckKeys          = "keys"
	CheckStore         = "store"
	CheckDiscovery     = "discovery"
	CheckClock         = "clock"
	CheckProviderTLS   = "provider-tls"
	CheckListen        = "listen"
	CheckRedirectURI   = "redirect-uri"
	CheckClient        = "client"
	CheckPublicURL     = "public-url"
	CheckPublicTLS     = "public-tls"
	CheckHTTPS         = "https"
	CheckSignIn        = "sign-in"
	CheckCookies       = "cookies"
	CheckCaching       = "caching"
	CheckUpstream      = "upstream"
)

// Checks are all of them.
func Checks() []string {
	return []string{
		CheckConfiguration, CheckVariables, CheckUser, CheckData, CheckKeys, CheckStore, CheckDiscovery, CheckClock,
		CheckProviderTLS, CheckListen, CheckRedirectURI, CheckClient, CheckPublicURL, CheckPublicTLS, CheckHTTPS,
		CheckSignIn, CheckCookies, CheckCaching, CheckUpstream,
	}
}

// Config is what to examine, and with what. Setup and Timeout are required.
type Config struct {
	Setup *Setup // nil: it did not load
	Err   error  // why not
	Fix   string // what to do about that, if it is known
	From  string // where the configuration stands, for people

	Timeout time.Duration // of each probe
	// Register allows what may have the gateway register a client with the
	// provider, as its first sign-in would.
	Register bool

	// Strays are variables the gateway does not start with, each with what to do
	// about it.
	Strays map[string]string

	Environ   []string                                            // like os.Environ
	User      int                                                 // the effective user's id; negative where there is none
	Now       func() time.Time                                    // default time.Now
	Transport http.RoundTripper                                   // default: Go's, a new connection each time
	Listen    func(network, address string) (net.Listener, error) // default net.Listen
}

// Doctor examines one set-up.
type Doctor struct {
	Config
	http *http.Client
}

// New makes a doctor.
func New(cfg Config) *Doctor {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Transport == nil {
		cfg.Transport = newTransport(false)
	}
	if cfg.Listen == nil {
		cfg.Listen = net.Listen
	}
	return &Doctor{Config: cfg, http: newClient(cfg.Transport)}
}

// A part of the examination yields the results of some checks, in order. Parts
// run side by side.
type part struct {
	checks []string
	run    func(context.Context) []Result
}

// Examine makes the checks named, or all where none is.
func (d *Doctor) Examine(ctx context.Context, only ...string) []Result {
	wanted := func(check string) bool { return len(only) == 0 || slices.Contains(only, check) }
	var parts []part
	for _, one := range d.parts() {
		if slices.ContainsFunc(one.checks, wanted) {
			parts = append(parts, one)
		}
	}
	found := inParallel(parts, func(one part) []Result { return one.run(ctx) })
	return slices.DeleteFunc(found, func(r Result) bool { return !wanted(r.Check) })
}

func (d *Doctor) parts() []part {
	machine := part{[]string{CheckConfiguration, CheckVariables, CheckUser}, func(context.Context) []Result {
		return slices.Concat([]Result{d.configuration()}, d.variables(), []Result{d.user()})
	}}
	if d.Setup == nil {
		return []part{machine, {Checks()[3:], func(context.Context) []Result {
			return skipped("the configuration does not load", "", Checks()[3:]...)
		}}}
	}
	return []part{
		machine,
		{[]string{CheckData}, func(context.Context) []Result { return []Result{d.data()} }},
		{[]string{CheckKeys}, func(ctx context.Context) []Result { return []Result{d.keys(ctx)} }},
		{[]string{CheckStore}, d.store},
		{[]string{CheckDiscovery, CheckClock, CheckProviderTLS}, d.provider},
		{
			[]string{
				CheckListen, CheckRedirectURI, CheckClient, CheckPublicURL, CheckPublicTLS, CheckHTTPS, CheckSignIn,
				CheckCookies, CheckCaching, CheckUpstream,
			}, d.sites,
		},
	}
}

// sites examines what the gateway listens at, and then every site.
func (d *Doctor) sites(ctx context.Context) []Result {
	if len(d.Setup.Sites) == 0 {
		return []Result{{
			Check: CheckListen, Status: Fail, Message: "no site has the gateway in front of it",
			Fix: "write osc_proxy <upstream> into a site of the configuration",
		}}
	}
	results, running := d.listen(ctx)
	return append(results, inParallel(d.Setup.Sites, func(site Site) []Result {
		return d.site(ctx, site, running(site))
	})...)
}

// site examines one site.
func (d *Doctor) site(ctx context.Context, site Site, running bool) []Result {
	parts := []func() []Result{
		func() []Result { return d.client(ctx, site) },
		func() []Result { return d.public(ctx, site, running) },
		func() []Result { return d.upstreams(ctx, site) },
	}
	results := inParallel(parts, func(one func() []Result) []Result { return one() })
	for i := range results {
		results[i].Site = site.name()
	}
	return results
}

// inParallel makes results of all at the same time, and keeps their order.
func inParallel[T any](all []T, examine func(T) []Result) []Result {
	found := make([][]Result, len(all))
	var running sync.WaitGroup
	for i, one := range all {
		running.Go(func() { found[i] = examine(one) })
	}
	running.Wait()
	return slices.Concat(found...)
}

package caddymodule

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/certmagic"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/doctor"
	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/pkce"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// SetupOf provisions a configuration in Caddy's JSON without starting it, and
// says what it comes to, for osc-gateway doctor. What was provisioned of Caddy's
// own is left to the end of the process.
func SetupOf(config []byte) (*doctor.Setup, error) {
	var written struct {
		Apps struct {
			HTTP caddyhttp.App `json:"http"`
		} `json:"apps"`
	}
	var object map[string]any
	if err := errors.Join(json.Unmarshal(config, &written), json.Unmarshal(config, &object)); err != nil {
		return nil, err
	}
	idle(object)
	withoutHealthChecks(object)
	idling, err := configOf(object)
	if err != nil {
		return nil, err
	}
	provisioned, err := caddy.ProvisionContext(idling)
	if err != nil {
		return nil, err
	}
	loaded, err := provisioned.App("osc_auth")
	if err != nil {
		return nil, err
	}
	app := loaded.(*App)
	setup, err := app.setup(provisioned.Storage())
	if err := errors.Join(err, app.Cleanup()); err != nil {
		return nil, err
	}
	for _, found := range envPlaceholder.FindAllSubmatch(config, -1) {
		setup.Variables = append(setup.Variables, string(found[1]))
	}
	served, err := provisioned.App("http")
	if err != nil {
		return nil, err
	}
	setup.Sites = sitesOf(served.(*caddyhttp.App), &written.Apps.HTTP)
	return setup, nil
}

// withoutHealthChecks keeps reverse proxies from asking their upstreams.
func withoutHealthChecks(value any) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			withoutHealthChecks(element)
		}
	case map[string]any:
		if value["handler"] == "reverse_proxy" {
			delete(value, "health_checks")
		}
		for _, element := range value {
			withoutHealthChecks(element)
		}
	}
}

// setup is what all sites share.
func (a *App) setup(storage certmagic.Storage) (*doctor.Setup, error) {
	setup := &doctor.Setup{Issuer: a.Issuer, Client: a.client}
	var err error
	switch store := a.store.(type) {
	case *MemoryStore:
		setup.Store.Kind = "memory"
	case *FileStore:
		setup.Store.Kind = "file"
		setup.Store.Path, err = store.path()
	case *RedisStore:
		var address string
		setup.Store.Kind = "redis"
		address, err = store.address()
		setup.Store.URL = secret.New(address)
	default:
		setup.Store.Kind = fmt.Sprintf("%T", store)
	}
	if a.keys != nil {
		setup.Keys.Configured = a.keys.Len()
	}
	setup.Flow = func(ctx context.Context, site doctor.Site) (doctor.Flow, error) {
		ring, err := a.keys, error(nil)
		if ring == nil {
			ring, err = masterKey.read(ctx, storage)
		}
		if err != nil {
			return doctor.Flow{}, err
		}
		return flowOf(ring, site)
	}
	setup.Keys.Stored = func(ctx context.Context) (bool, error) {
		_, err := masterKey.read(ctx, storage)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	}
	if files, ok := storage.(*certmagic.FileStorage); ok {
		setup.DataDir = files.Path
		setup.Keys.Path = filepath.Clean(files.Filename(masterKey.name))
	}
	return setup, err
}

// flowOf makes a sign-in that nobody began. It is good for being refused: no
// client is named in it, and no code could be exchanged for it.
func flowOf(ring *tokens.KeyRing, site doctor.Site) (doctor.Flow, error) {
	jar := cookies.New(ring, cookies.Config{Name: site.Cookie, Lifetime: flowAge, FlowAge: flowAge})
	flow := cookies.Flow{ID: make([]byte, cookies.FlowIDSize), ReturnTo: "/", Started: time.Now()}
	if _, err := rand.Read(flow.ID); err != nil {
		return doctor.Flow{}, err
	}
	key, keyID, _ := ring.FlowKey("")
	flow.KeyID = keyID
	state := pkce.NewDeriver(key).State(flow.ID)
	header := http.Header{}
	at := cookies.Site{Origin: site.Origin, Secure: strings.HasPrefix(site.Origin, "https://")}
	if err := jar.SetFlow(header, &http.Request{Header: http.Header{}}, at, state, flow); err != nil {
		return doctor.Flow{}, err
	}
	cookie, err := http.ParseSetCookie(header.Get("Set-Cookie"))
	if err != nil {
		return doctor.Flow{}, err
	}
	return doctor.Flow{Name: cookie.Name, Value: cookie.Value, State: state}, nil
}

// sitesOf are the sites that have the gate in front, by the order of their names.
// written are the servers as they were before nothing was to come of them.
func sitesOf(app, written *caddyhttp.App) []doctor.Site {
	var names []string
	for name := range app.Servers {
		names = append(names, name)
	}
	slices.Sort(names)
	var sites []doctor.Site
	for _, name := range names {
		if written.Servers[name] == nil {
			continue
		}
		server := &describedServer{Server: written.Servers[name], httpPort: written.HTTPPort}
		server.walk(app.Servers[name].Routes, nil)
		sites = append(sites, server.sites...)
	}
	return sites
}

// describedServer is a server whose sites are being found.
type describedServer struct {
	*caddyhttp.Server
	httpPort int
	sites    []doctor.Site
	scope    string // hosts of the routes that are walked
	proxied  int    // sites up to this one have their upstreams
}

// walk goes through routes, which are for the hosts given; nil is any.
func (s *describedServer) walk(routes caddyhttp.RouteList, hosts []string) {
	for _, route := range routes {
		narrowed := hosts
		if named := hostsOf(route); len(named) > 0 {
			narrowed = named
		}
		if scope := strings.Join(narrowed, " "); scope != s.scope { // another site
			s.scope, s.proxied = scope, len(s.sites)
		}
		for _, handler := range route.Handlers {
			switch handler := handler.(type) {
			case *caddyhttp.Subroute:
				s.walk(handler.Routes, narrowed)
			case *Handler:
				s.add(handler, narrowed)
			case *reverseproxy.Handler:
				s.proxy(handler)
			}
		}
	}
}

func hostsOf(route caddyhttp.Route) []string {
	var hosts []string
	for _, set := range route.MatcherSets {
		for _, matcher := range set {
			if named, ok := matcher.(*caddyhttp.MatchHost); ok {
				hosts = append(hosts, *named...)
			}
		}
	}
	return hosts
}

// add notes a gate, as a site for each address browsers reach it at.
func (s *describedServer) add(gate *Handler, hosts []string) {
	s.proxied = len(s.sites)
	base := doctor.Site{Endpoints: gate.Endpoints, Cookie: gate.Cookie, Listen: s.addresses(), Host: "localhost"}
	if len(hosts) > 0 {
		base.Host = hosts[0]
	}
	base.TLS = s.servesTLS(base.Host, len(hosts) > 0)
	for _, origin := range gate.PublicURLs {
		site := base
		site.Origin = origin
		s.sites = append(s.sites, site)
	}
	if len(gate.PublicURLs) > 0 {
		return
	}
	if len(hosts) == 0 {
		site := base
		site.Origin, site.AnyHost = s.origin("localhost", base.TLS), true
		s.sites = append(s.sites, site)
	}
	for _, host := range hosts {
		site := base
		site.Host, site.TLS = host, s.servesTLS(host, true)
		s.locate(&site)
		s.sites = append(s.sites, site)
	}
}

// locate finds where browsers reach a site without public_url, as origins does
// for a request.
func (s *describedServer) locate(site *doctor.Site) {
	switch {
	case strings.ContainsAny(site.Host, "*{"): // one of many, which only a request tells
	case site.TLS, osc.IsLoopback(site.Host):
		site.Origin = s.origin(site.Host, site.TLS)
	case s.TrustedProxiesRaw != nil:
		site.Origin = serializeOrigin("https", site.Host)
	default:
		site.Problem = "the site " + site.Host + " is served over http: nobody can sign in, since a session must not travel in the clear"
		site.Fix = "set public_url https://" + site.Host + " if TLS ends in front of the gateway, or serve the site over https"
	}
}

func (s *describedServer) origin(host string, secure bool) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	if net.ParseIP(host) != nil && strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	for _, address := range s.addresses() {
		if _, port, err := net.SplitHostPort(address); err == nil {
			return serializeOrigin(scheme, host+":"+port)
		}
	}
	return serializeOrigin(scheme, host)
}

// addresses are where the server listens for TCP, as host:port.
func (s *describedServer) addresses() []string {
	var addresses []string
	for _, listen := range s.Listen {
		if parsed, err := caddy.ParseNetworkAddress(listen); err == nil && strings.HasPrefix(parsed.Network, "tcp") {
			addresses = append(addresses, parsed.JoinHostPort(0))
		}
	}
	return addresses
}

// servesTLS tells whether Caddy serves a host over TLS: it does where it is told
// how, and of itself where there is a name to have a certificate for, unless
// that was switched off or the port is that for http.
func (s *describedServer) servesTLS(host string, named bool) bool {
	if len(s.TLSConnPolicies) > 0 {
		return true
	}
	if !named || s.AutoHTTPS != nil && (s.AutoHTTPS.Disabled || slices.Contains(s.AutoHTTPS.Skip, host)) {
		return false
	}
	httpPort := s.httpPort
	setDefault(&httpPort, caddyhttp.DefaultHTTPPort)
	return slices.ContainsFunc(s.addresses(), func(address string) bool {
		_, port, err := net.SplitHostPort(address)
		return err == nil && port != strconv.Itoa(httpPort)
	})
}

// proxy notes the upstreams of a reverse proxy behind the gate found last.
func (s *describedServer) proxy(proxy *reverseproxy.Handler) {
	if s.proxied == len(s.sites) { // behind no gate
		return
	}
	site := &s.sites[s.proxied] // of a gate's several addresses, one is enough
	if proxy.DynamicUpstreamsRaw != nil || proxy.DynamicUpstreams != nil {
		site.Upstreams = append(site.Upstreams, doctor.Upstream{Name: "the upstream", Why: "is found anew for each request"})
	}
	for _, upstream := range proxy.Upstreams {
		if !slices.ContainsFunc(site.Upstreams, func(known doctor.Upstream) bool { return known.Name == upstream.Dial }) {
			site.Upstreams = append(site.Upstreams, describedUpstream(proxy, upstream))
		}
	}
}

func describedUpstream(proxy *reverseproxy.Handler, upstream *reverseproxy.Upstream) doctor.Upstream {
	described := doctor.Upstream{Name: upstream.Dial}
	address, err := caddy.ParseNetworkAddress(caddy.NewReplacer().ReplaceAll(upstream.Dial, ""))
	wrapped := proxy.Transport
	if ours, ok := wrapped.(*Transport); ok {
		wrapped = ours.wrapped
	}
	speaking, isHTTP := wrapped.(*reverseproxy.HTTPTransport)
	switch {
	case requestPlaceholder.MatchString(upstream.Dial):
		described.Why = "is chosen by each request"
	case err != nil || address.PortRangeSize() != 1:
		described.Why = "is no address that can be asked by itself"
	case !isHTTP:
		described.Why = "does not speak http, so the app alone can tell whether it is well"
	default:
		described.Transport = &upstreamTransport{http: speaking, dial: reverseproxy.DialInfo{
			Upstream: upstream, Network: address.Network, Address: address.JoinHostPort(0),
			Host: address.Host, Port: strconv.Itoa(int(address.StartPort)),
		}}
	}
	return described
}

// upstreamTransport sends to an upstream as its reverse proxy would, TLS and all.
type upstreamTransport struct {
	http *reverseproxy.HTTPTransport
	dial reverseproxy.DialInfo
}

// dialInfoKey is where reverse_proxy leaves for its transport where to connect.
const dialInfoKey caddy.CtxKey = "reverse_proxy.dial_info"

// RoundTrip implements http.RoundTripper.
func (u *upstreamTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	// Caddy's error for a dial that failed does not say which way it did.
	conn, err := new(net.Dialer).DialContext(r.Context(), u.dial.Network, u.dial.Address)
	if err != nil {
		return nil, err
	}
	_ = conn.Close()
	ctx := context.WithValue(r.Context(), caddy.ReplacerCtxKey, caddy.NewReplacer())
	ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{})
	out := r.Clone(context.WithValue(ctx, dialInfoKey, u.dial))
	out.URL.Scheme, out.URL.Host = "", u.dial.Address
	if strings.HasPrefix(u.dial.Network, "unix") {
		out.URL.Host = "localhost"
	}
	return u.http.RoundTrip(out)
}

var _ http.RoundTripper = (*upstreamTransport)(nil)

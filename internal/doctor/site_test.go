package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

var siteChecks = []string{CheckPublicURL, CheckPublicTLS, CheckHTTPS, CheckSignIn, CheckCookies, CheckCaching}

func TestAllIsWellBehindAFrontThatChangesNothing(t *testing.T) {
	for _, secure := range []bool{false, true} {
		g := newGateway(t, secure)
		results := examine(t, g.config(), siteChecks...)
		expect(t, results, CheckPublicURL, OK, "the gateway answers at "+g.URL)
		expect(t, results, CheckSignIn, OK, "redirect URI "+g.URL+"/auth/callback")
		expect(t, results, CheckCookies, OK, "come back")
		expect(t, results, CheckCaching, OK)
		if Failed(results) > 0 {
			t.Errorf("%+v", results)
		}
	}
}

// What stands in front of the gateway can do to it, with a client of its own and
// with one the gateway registers.
func TestWhatAFrontDoesToCookiesIsSeen(t *testing.T) {
	cookie := func(old, new string) func(*gateway) {
		return func(g *gateway) {
			g.change = func(h http.Header) {
				for i, value := range h["Set-Cookie"] {
					h["Set-Cookie"][i] = strings.Replace(value, old, new, 1)
				}
			}
		}
	}
	header := func(name, value string) func(*gateway) {
		return func(g *gateway) { g.change = func(h http.Header) { h.Set(name, value) } }
	}
	for name, test := range map[string]struct {
		spoil  func(*gateway)
		check  string
		status Status
		says   string
	}{
		"Set-Cookie is taken off":   {func(g *gateway) { g.change = func(h http.Header) { h.Del("Set-Cookie") } }, CheckCookies, Fail, "taken off on the way"},
		"the name is changed":       {cookie("__Host-osc", "app_osc"), CheckCookies, Fail, "under another name, app_osc_session"},
		"the path is changed":       {cookie("Path=/", "Path=/app"), CheckCookies, Fail, `Path is "/app" in place of /`},
		"a domain is added":         {cookie("Path=/", "Path=/; Domain=example.com"), CheckCookies, Fail, "it has a Domain"},
		"Secure is taken off":       {cookie("; Secure", ""), CheckCookies, Fail, "it has no Secure"},
		"HttpOnly is taken off":     {cookie("; HttpOnly", ""), CheckCookies, Fail, "it has no HttpOnly"},
		"SameSite is changed":       {cookie("SameSite=Lax", "SameSite=None"), CheckCookies, Fail, "SameSite is neither Lax nor Strict"},
		"Cookie is taken off":       {func(g *gateway) { g.drop = func(r *http.Request) { r.Header.Del("Cookie") } }, CheckCookies, Fail, "do not come back to the gateway"},
		"the query is taken off":    {func(g *gateway) { g.drop = func(r *http.Request) { r.URL.RawQuery = "" } }, CheckCookies, Fail, "do not come back"},
		"a cache keeps it (Age)":    {header("Age", "12"), CheckCaching, Fail, "Age: 12"},
		"a cache keeps it (Hit)":    {header("Cf-Cache-Status", "HIT"), CheckCaching, Fail, "Cf-Cache-Status: HIT"},
		"no-store is taken off":     {header("Cache-Control", "public"), CheckCaching, Warn, "no-store is taken off"},
		"a cache that kept nothing": {header("X-Cache", "MISS from edge"), CheckCaching, OK, ""},
	} {
		for _, client := range []string{aClient, ""} {
			t.Run(name+" "+client, func(t *testing.T) {
				g := newGateway(t, true)
				test.spoil(g)
				config := g.config()
				config.Setup.Client.ID = client
				expect(t, examine(t, config, siteChecks...), test.check, test.status, test.says)
			})
		}
	}
}

func TestWhereASignInLeadsIsLookedAt(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*gateway)
		says  []string
	}{
		"another host":   {func(g *gateway) { g.origin = "https://internal.example" }, []string{"takes itself for https://internal.example", "set public_url https://127.0.0.1"}},
		"another scheme": {func(g *gateway) { g.origin = strings.Replace(g.URL, "https", "http", 1) }, []string{"takes itself for http://127", "X-Forwarded-Proto"}},
		"another client": {func(g *gateway) { g.client = "client-2" }, []string{"another client"}},
		"no origin":      {func(g *gateway) { g.origin = "" }, []string{"400 bad_request", "What it means"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, true)
			test.spoil(g)
			results := examine(t, g.config(), CheckSignIn, CheckCookies)
			expect(t, results, CheckSignIn, Fail, test.says...)
		})
	}
}

func TestWithoutAClientNoSignInBeginsUnlessItMay(t *testing.T) {
	var asked []string
	g := newGateway(t, true)
	g.drop = func(r *http.Request) { asked = append(asked, r.URL.Path) }
	config := g.config()
	config.Setup.Client = tokens.Client{}
	results := examine(t, config, CheckSignIn, CheckCookies)
	expect(t, results, CheckSignIn, Skip, "--register")
	expect(t, results, CheckCookies, OK, "come back")
	if strings.Contains(fmt.Sprint(asked), "/auth/signin") {
		t.Errorf("it asked for %v", asked)
	}
	config.Register = true
	expect(t, examine(t, config, CheckSignIn, CheckCookies), CheckSignIn, OK)

	config.Register = false
	config.Setup.Flow = func(context.Context, Site) (Flow, error) { return Flow{}, errNoKey }
	expect(t, examine(t, config, CheckCookies), CheckCookies, Warn, "run doctor as the gateway's user")

	g.origin = "https://elsewhere.example"
	expect(t, examine(t, config, CheckCookies), CheckCookies, Fail, "status 403 cross_origin", "set public_url "+g.URL)
}

func TestWhatAnswersInPlaceOfTheGatewayIsToldApart(t *testing.T) {
	for name, test := range map[string]struct {
		spoil   func(*gateway)
		running bool
		status  Status
		says    string
	}{
		"a page":              {func(g *gateway) { g.status = 200 }, true, Fail, "it is not the gateway that does"},
		"no page":             {func(g *gateway) { g.status = 404 }, true, Fail, "/auth/* among them"},
		"a front without it":  {func(g *gateway) { g.status = 502 }, true, Fail, "it does not reach it"},
		"and it does not run": {func(g *gateway) { g.status = 502 }, false, Skip, "not running here"},
		"a redirect": {func(g *gateway) {
			g.status = 301
			g.change = func(h http.Header) { h.Set("Location", "https://www.example.com/x") }
		}, true, Fail, "to https://www.example.com Fix: if"},
		"without its sessions": {func(g *gateway) { g.store = true }, true, Fail, "can't keep sessions: What it means Fix: see"},
		"nothing":              {func(g *gateway) { g.Close() }, true, Fail, "start what stands in front"},
		"nothing yet":          {func(g *gateway) { g.Close() }, false, Skip, "the gateway is not running here, and nothing listens"},
	} {
		t.Run(name, func(t *testing.T) {
			behind := newGateway(t, false)
			g := newGateway(t, true)
			test.spoil(g)
			config := g.config()
			config.Setup.Sites[0].TLS = false
			config.Setup.Sites[0].Listen = []string{behind.Listener.Addr().String()}
			if !test.running {
				behind.Close()
			}
			results := examine(t, config, siteChecks...)
			expect(t, results, CheckPublicURL, test.status, test.says)
			if name != "without its sessions" {
				expect(t, results, CheckSignIn, Skip, "did not answer")
			}
		})
	}
}

func TestAnAddressThatIsNotTheVisitorsIsToldOf(t *testing.T) {
	for origin, want := range map[string]struct {
		status Status
		says   string
	}{
		"https://team-app.eyevinn-web-runner.auto.prod.osaas.io":          {Fail, "the address My Apps shows"},
		"https://team-app.eyevinn-golang-runner.auto.stage.osaas.io":      {Fail, "the address My Apps shows"},
		"https://team-app.valkey.svc.cluster.local":                       {Fail, "the address My Apps shows"},
		"https://injected.example.com":                                    {Fail, "the address My Apps shows"},
		"https://0a1b2c.apps.osaas.io":                                    {"", ""},
		"https://web-runner.example.com":                                  {"", ""},
		"https://my-intercom.eyevinn-intercom-manager.auto.prod.osaas.io": {"", ""},
	} {
		d := New(Config{Environ: []string{"OSC_HOSTNAME=injected.example.com"}})
		results := d.otherWords(Site{Origin: origin})
		if want.status == "" {
			if len(results) != 0 {
				t.Errorf("%s: %+v", origin, results)
			}
			continue
		}
		expect(t, results, CheckPublicURL, want.status, want.says)
	}
	results := New(Config{}).otherWords(Site{Origin: "http://localhost:8080", AnyHost: true})
	expect(t, results, CheckPublicURL, Warn, "set public_url")
}

func TestASiteWithoutAnAddressIsToldWhy(t *testing.T) {
	one := func(site Site) []Result {
		site.Endpoints = "/auth"
		return examine(t, Config{Setup: &Setup{Sites: []Site{site}}}, siteChecks...)
	}
	results := one(Site{Host: "app.example.com", Problem: "served over http", Fix: "set public_url"})
	expect(t, results, CheckPublicURL, Fail, "served over http", "set public_url")
	expect(t, results, CheckCookies, Skip)
	expect(t, one(Site{Host: "*.example.com"}), CheckPublicURL, Skip, "*.example.com")
	expect(t, examine(t, Config{Setup: &Setup{}}, CheckListen), CheckListen, Fail, "osc_proxy <upstream>")
}

func TestVisitorsWithoutHTTPSAreFollowed(t *testing.T) {
	type handler = http.HandlerFunc
	for name, test := range map[string]struct {
		serve  handler
		status Status
		says   string
	}{
		"redirected": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://app.example.com/")
			w.WriteHeader(308)
		}, OK, "http leads to https"},
		"served": {func(http.ResponseWriter, *http.Request) {}, Warn, "status 200 in place of a redirect"},
		"sent elsewhere": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://www.example.com/")
			w.WriteHeader(301)
		}, Warn, "status 301"},
		"refused": {nil, OK, "nothing listens for http"},
	} {
		t.Run(name, func(t *testing.T) {
			address := away(t)
			if test.serve != nil {
				address = serve(t, test.serve).Listener.Addr().String()
			}
			transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, asked string) (net.Conn, error) {
				if asked != "app.example.com:80" {
					t.Errorf("it asks %s", asked)
				}
				return new(net.Dialer).DialContext(ctx, "tcp", address)
			}}
			d := New(Config{Transport: transport, Timeout: patience})
			expect(t, []Result{d.https(t.Context(), Site{Origin: "https://app.example.com"})}, CheckHTTPS, test.status, test.says)
		})
	}
}

func TestAnAddressToListenAtIsLookedAt(t *testing.T) {
	g := newGateway(t, true)
	other := serve(t, http.NotFound)
	refusing := func(err error) func(string, string) (net.Listener, error) {
		return func(string, string) (net.Listener, error) {
			return nil, &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", err)}
		}
	}
	for name, test := range map[string]struct {
		address string
		listen  func(string, string) (net.Listener, error)
		status  Status
		says    string
	}{
		"the gateway":    {g.Listener.Addr().String(), nil, OK, "the gateway answers at"},
		"somebody else":  {other.Listener.Addr().String(), nil, Fail, "taken by something that is not this gateway"},
		"nobody":         {away(t), nil, OK, "not running on this machine"},
		"not allowed":    {"127.0.0.1:443", refusing(syscall.EACCES), Warn, "cap_net_bind_service"},
		"not of here":    {"192.0.2.1:8080", refusing(syscall.EADDRNOTAVAIL), Fail, "an address of this machine"},
		"something else": {"127.0.0.1:1", func(string, string) (net.Listener, error) { return nil, errors.New("odd") }, Fail, "odd"},
	} {
		t.Run(name, func(t *testing.T) {
			config := g.config()
			config.Listen = test.listen
			config.Setup.Sites[0].Listen = []string{test.address}
			expect(t, examine(t, config, CheckListen), CheckListen, test.status, test.says)
		})
	}
}

func TestUpstreamsAreAskedAsTheGatewayWould(t *testing.T) {
	var asked *http.Request
	var answer http.HandlerFunc
	app := serve(t, func(w http.ResponseWriter, r *http.Request) { asked = r; answer(w, r) })
	to := func(address string) http.RoundTripper {
		return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}}
	}
	redirect := func(where string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", where); w.WriteHeader(302) }
	}
	here := to(app.Listener.Addr().String())
	for name, test := range map[string]struct {
		answer    http.HandlerFunc
		transport http.RoundTripper
		starts    bool
		status    Status
		says      string
	}{
		"answers":                {http.NotFound, here, false, OK, "answers with status 404"},
		"goes on":                {redirect("/home"), here, false, OK, "status 302"},
		"is broken":              {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, here, false, Warn, "see the app's log"},
		"signs in at OSC":        {redirect("https://osc.example/authorize?state=secret"), here, false, Fail, "OSC's own sign-in"},
		"signs in here":          {redirect("https://app.example.com/auth/signin?return_to=/"), here, false, Fail, "the gateway's sign-in"},
		"goes round":             {redirect("https://app.example.com/"), here, false, Fail, "X-Forwarded-Proto"},
		"is away":                {nil, to(away(t)), false, Fail, "start the app"},
		"is started with it":     {nil, to(away(t)), true, Skip, "the gateway starts the app itself"},
		"is chosen by a request": {nil, nil, false, Skip, "the-app is chosen"},
	} {
		t.Run(name, func(t *testing.T) {
			answer = test.answer
			setup := &Setup{Issuer: "https://osc.example", StartsApp: test.starts}
			site := Site{Origin: "https://app.example.com", Endpoints: "/auth", Upstreams: []Upstream{{Name: "the-app", Transport: test.transport, Why: "is chosen"}}}
			d := New(Config{Setup: setup, Timeout: patience})
			results := d.upstreams(t.Context(), site)
			expect(t, results, CheckUpstream, test.status, test.says)
			if strings.Contains(fmt.Sprint(results), "secret") {
				t.Errorf("it repeats what may be secret: %v", results)
			}
		})
	}
	if asked.Host != "app.example.com" || asked.Header.Get("X-Forwarded-Proto") != "https" {
		t.Errorf("asked as %s, %v", asked.Host, asked.Header)
	}
	expect(t, New(Config{Setup: &Setup{}}).upstreams(t.Context(), Site{}), CheckUpstream, Skip)
}

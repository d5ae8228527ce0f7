package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

//go:embed demo.html
var demoPage string

//go:embed demo.css
var demoStyle []byte

//go:embed demo.js
var demoScript []byte

// demoApp is an app as somebody would write it behind the gateway: it reads
// headers, and has not a line about signing in. Beyond that it has buttons to
// break the simulated OSC.
type demoApp struct {
	page    *template.Template
	issuer  string
	osc     *simulator.Server
	site    string
	seconds int // tokens live
	tokens  *demoTokens
	client  *http.Client
}

func newDemoApp(osc *runningSimulator, site string, seconds int, now func() time.Time) *demoApp {
	return &demoApp{
		page: template.Must(template.New("demo").Parse(demoPage)), issuer: osc.issuer, osc: osc.osc, site: site, seconds: seconds,
		tokens: newDemoTokens(now), client: &http.Client{Timeout: 10 * time.Second},
	}
}

// demoRoute is a page of the sample app.
type demoRoute struct {
	Path, Title, Policy string
	Line                string // of the Caddyfile
	Text                string
}

var demoRoutes = []demoRoute{
	{"/", "Home", "optional", "optional /", "Anybody may look. If you are signed in, the app knows who you are."},
	{"/studio", "Studio", "required", "", "You have to be signed in. No line names this page: what none names is required."},
	{"/acme", "Acme only", "tenants", "required /acme { tenants acme }", "You have to be signed in to the workspace acme. Alice is; Bob is not, and is told so."},
	{"/intercom", "Intercom", "service", "required /intercom { service eyevinn-intercom-manager }", "The app gets the token of one OSC service here, which opens nothing else, instead of yours, which opens all of your workspace."},
	{"/about", "About", "public", "public /about /demo/*", "Nobody is asked, and the app is not told who you are, signed in or not."},
}

func (a *demoApp) routes() http.Handler {
	mux := http.NewServeMux()
	for _, route := range demoRoutes {
		path := route.Path
		if path == "/" {
			path = "/{$}"
		}
		mux.HandleFunc("GET "+path, a.show(route))
	}
	mux.HandleFunc("GET /api/me", a.me)
	mux.HandleFunc("GET /demo/style.css", asset("text/css; charset=utf-8", demoStyle))
	mux.HandleFunc("GET /demo/script.js", asset("text/javascript; charset=utf-8", demoScript))
	mux.HandleFunc("GET /demo/trouble", a.showTrouble)
	mux.HandleFunc("POST /demo/trouble/{name}", a.makeTrouble)
	return mux
}

func asset(kind string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(content)
	}
}

// demoView is what the sample page shows.
type demoView struct {
	demoRoute
	Routes       []demoRoute
	User         string
	Tenant       string
	Received     []demoHeader
	Token        *demoToken
	Answer       string // of OSC, to a call with the token
	Troubles     []demoTrouble
	Site         string
	Simulator    string
	TokenSeconds int
}

// demoHeader is a header the app received.
type demoHeader struct{ Name, Value string }

func (a *demoApp) show(route demoRoute) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		view := demoView{
			demoRoute: route, Routes: demoRoutes, Troubles: demoTroubles, Site: a.site, Simulator: a.issuer + "/_simulator/",
			TokenSeconds: a.seconds, User: r.Header.Get("X-Osc-User"), Tenant: r.Header.Get("X-Osc-Tenant"),
			Received: receivedHeaders(r), Token: a.tokens.see(r),
		}
		status := 0
		if route.Path == "/studio" {
			view.Answer, status = a.askOSC(r)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if status == http.StatusUnauthorized {
			// As an app should say, for the gateway to renew the token and ask again.
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(status)
		}
		if err := a.page.Execute(w, view); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

// me tells the page's script about the token.
func (a *demoApp) me(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"user": r.Header.Get("X-Osc-User"), "tenant": r.Header.Get("X-Osc-Tenant"), "token": a.tokens.see(r),
	})
}

// askOSC calls one of OSC's APIs with the token that came along.
func (a *demoApp) askOSC(r *http.Request) (answer string, status int) {
	const api = "/money/mytenantplan"
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, a.issuer+api, nil)
	if err != nil {
		return err.Error(), 0
	}
	request.Header.Set("X-Pat-Jwt", r.Header.Get("X-Pat-Jwt"))
	response, err := a.client.Do(request)
	if err != nil {
		return err.Error(), 0
	}
	defer response.Body.Close()
	var body map[string]any
	_ = json.NewDecoder(response.Body).Decode(&body)
	said, _ := json.Marshal(body)
	return fmt.Sprintf("GET %s → %d %s", api, response.StatusCode, said), response.StatusCode
}

// receivedHeaders are those that the gateway wrote, tokens cut short: the app
// has them, a browser has no business with them.
func receivedHeaders(r *http.Request) (all []demoHeader) {
	for _, name := range []string{"X-Pat-Jwt", "Authorization", "X-Osc-User", "X-Osc-Tenant"} {
		value := r.Header.Get(name)
		if value == "" {
			continue
		}
		if token, ok := strings.CutPrefix(value, "Bearer "); ok {
			value = fmt.Sprintf("Bearer %.8s… (%d characters)", token, len(token))
		}
		if name == "X-Pat-Jwt" {
			name = "x-pat-jwt" // as OSC writes it
		}
		all = append(all, demoHeader{name, value})
	}
	return all
}

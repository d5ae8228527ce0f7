package main

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
)

//go:embed demo.html
var demoPage string

//go:embed demo.css
var demoStyle []byte

// demoApp is an app as somebody would write it behind the gateway: it reads
// headers, and has not a line about signing in.
type demoApp struct {
	page   *template.Template
	issuer string
}

func newDemoApp(issuer string) http.Handler {
	app := &demoApp{page: template.Must(template.New("demo").Parse(demoPage)), issuer: issuer}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", app.show("Home", "optional"))
	mux.HandleFunc("GET /studio", app.show("Studio", "required"))
	mux.HandleFunc("GET /about", app.show("About", "public"))
	mux.HandleFunc("GET /api/me", app.me)
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		_, _ = w.Write(demoStyle)
	})
	return mux
}

// demoView is what the sample page shows.
type demoView struct {
	Title, Policy, Path string
	User, Tenant        string
	Header              string // the token header, most of it left out
	Claims              string
	Expires             string
	Simulator           string
}

func (a *demoApp) show(title, policy string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		view := demoView{
			Title: title, Policy: policy, Path: r.URL.Path, Simulator: a.issuer + "/_simulator/",
			User: r.Header.Get("X-Osc-User"), Tenant: r.Header.Get("X-Osc-Tenant"),
		}
		if token, ok := strings.CutPrefix(r.Header.Get("X-Pat-Jwt"), "Bearer "); ok {
			// The app has the token; a browser has no business with it.
			view.Header = fmt.Sprintf("x-pat-jwt: Bearer %.8s… (%d characters)", token, len(token))
			view.Claims, view.Expires = demoClaims(token)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := a.page.Execute(w, view); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

func (a *demoApp) me(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"user": r.Header.Get("X-Osc-User"), "tenant": r.Header.Get("X-Osc-Tenant"), "has_token": r.Header.Get("X-Pat-Jwt") != "",
	})
}

// demoClaims shows what an OSC token says.
func demoClaims(token string) (claims, expires string) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", ""
	}
	var fields map[string]any
	if json.Unmarshal(payload, &fields) != nil {
		return "", ""
	}
	pretty, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return "", ""
	}
	if exp, ok := fields["exp"].(float64); ok {
		expires = time.Unix(int64(exp), 0).Format("15:04:05")
	}
	return string(pretty), expires
}

package caddymodule

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/Eyevinn/osc-gateway/internal/gate"
)

// Question is one request to a configuration that is not running.
type Question struct {
	Config   []byte // Caddy's JSON
	Request  *http.Request
	SignedIn bool // the browser has a session
	// Provider is a simulated OSC, which signs in who is to be signed in without
	// asking. Nobody else is called: no upstream either.
	Provider string
}

// Explanation is what the configuration makes of the request.
type Explanation struct {
	Decisions []gate.Decision // of the gates it came by
	Sent      []Sent          // what would have gone to upstreams
	Status    int             // of the answer; that of an upstream is made up
	Header    http.Header
	Body      []byte

	endpoints string
}

// Sent is a request as an upstream would have got it.
type Sent struct {
	Upstream string
	Request  *http.Request
	SignedIn bool // for somebody a gate has let in
}

// Explain provisions a configuration without starting it and serves one request
// by it, with real routing, policies and headers, and nothing behind them. What
// was provisioned is left to the end of the process.
func Explain(ctx context.Context, q Question) (*Explanation, error) {
	config, remove, err := harmless(q)
	if err != nil {
		return nil, err
	}
	defer remove()
	provisioned, err := caddy.ProvisionContext(config)
	if err != nil {
		return nil, fmt.Errorf("the configuration does not load: %w", err)
	}
	server, err := serverFor(provisioned, q.Request.URL)
	if err != nil {
		return nil, err
	}
	asked := &asked{ctx: ctx, server: server, cookies: map[string]string{}}
	if app, err := provisioned.App("osc_auth"); err == nil {
		app.(*App).explain = asked.note
	}
	found := asked.ask(q.Request)
	if !q.SignedIn || found.endpoints == "" {
		return found, nil
	}
	if err := asked.signIn(q, found.endpoints); err != nil {
		return nil, err
	}
	return asked.ask(q.Request), nil
}

// asked is a browser at a server that does not listen.
type asked struct {
	ctx     context.Context
	server  *caddyhttp.Server
	cookies map[string]string
	current *Explanation
}

func (a *asked) note(h *Handler, decided gate.Decision) {
	a.current.Decisions = append(a.current.Decisions, decided)
	a.current.endpoints = h.Endpoints
}

// explanationKey is where the recording transport finds what it is to add to.
type explanationKey struct{}

// ask serves a request.
func (a *asked) ask(request *http.Request) *Explanation {
	a.current = new(Explanation)
	r := request.Clone(context.WithValue(a.ctx, explanationKey{}, a.current))
	r.RequestURI, r.RemoteAddr, r.Host = r.URL.RequestURI(), "127.0.0.1:1", r.URL.Host
	if r.URL.Scheme == "https" {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: r.URL.Hostname(), Version: tls.VersionTLS13}
	}
	r.URL.Scheme, r.URL.Host = "", "" // as servers see it
	var pairs []string
	for name, value := range a.cookies {
		pairs = append(pairs, name+"="+value)
	}
	if len(pairs) > 0 {
		r.Header["Cookie"] = append(slices.Clone(r.Header["Cookie"]), strings.Join(pairs, "; "))
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	a.server.ServeHTTP(recorder, r)
	answer := recorder.Result()
	for _, cookie := range answer.Cookies() {
		a.cookies[cookie.Name] = cookie.Value
		if cookie.MaxAge < 0 {
			delete(a.cookies, cookie.Name)
		}
	}
	a.current.Status, a.current.Header, a.current.Body = answer.StatusCode, answer.Header, recorder.Body.Bytes()
	return a.current
}

// signIn goes through a whole sign-in.
func (a *asked) signIn(q Question, endpoints string) error {
	site := q.Request.URL
	at := a.open(site, endpoints+"/signin")
	callback, err := a.authorize(at.Header.Get("Location"), q.Provider)
	if err != nil {
		return fmt.Errorf("no sign-in begins on this site: status %d: %s", at.Status, reasonOf(at.Body))
	}
	at = a.open(site, callback)
	var session struct {
		SignedIn bool `json:"signed_in"`
	}
	if now := a.open(site, endpoints+"/session"); json.Unmarshal(now.Body, &session) != nil || !session.SignedIn {
		return fmt.Errorf("the sign-in ends without a session: status %d: %s", at.Status, reasonOf(at.Body))
	}
	return nil
}

// authorize follows the provider to where it sends the browser back to.
func (a *asked) authorize(target, provider string) (callback string, err error) {
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	const mostSteps = 5
	for range mostSteps {
		if !strings.HasPrefix(target, provider+"/") {
			back, err := url.Parse(target)
			return back.RequestURI(), err
		}
		request, err := http.NewRequestWithContext(a.ctx, http.MethodGet, target, nil)
		if err != nil {
			return "", err
		}
		answer, err := client.Do(request)
		if err != nil {
			return "", err
		}
		_ = answer.Body.Close()
		target = answer.Header.Get("Location")
	}
	return "", errors.New("the provider does not send the browser back")
}

// open asks for another page of the site as a person does.
func (a *asked) open(site *url.URL, target string) *Explanation {
	request, err := http.NewRequestWithContext(a.ctx, http.MethodGet, site.Scheme+"://"+site.Host+target, nil)
	if err != nil {
		return new(Explanation)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Sec-Fetch-Mode", "navigate")
	request.Header.Set("Sec-Fetch-Dest", "document")
	request.Header.Set("Sec-Fetch-Site", "none")
	return a.ask(request)
}

// reasonOf is what a refusal says, whatever form it has.
func reasonOf(body []byte) string {
	var problem struct {
		Title, Hint, Reason string
	}
	if json.Unmarshal(body, &problem) == nil {
		return strings.TrimSpace(problem.Reason + ": " + problem.Title + " " + problem.Hint)
	}
	return strings.Join(strings.Fields(string(body)), " ")
}

// serverFor is the server that listens at a URL's port.
func serverFor(ctx caddy.Context, u *url.URL) (*caddyhttp.Server, error) {
	app, err := ctx.App("http")
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portOf(u), 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%s has no port to look for", u)
	}
	var listening []string
	for _, server := range app.(*caddyhttp.App).Servers {
		for _, address := range server.Listen {
			listening = append(listening, address)
			parsed, err := caddy.ParseNetworkAddress(address)
			if err == nil && uint(port) >= parsed.StartPort && uint(port) <= parsed.EndPort {
				return server, nil
			}
		}
	}
	slices.Sort(listening)
	return nil, fmt.Errorf("no site listens at port %d; these are there: %s", port, strings.Join(listening, " "))
}

// harmless is the configuration with everything out of it that would be kept,
// called or listened for.
func harmless(q Question) (config *caddy.Config, remove func(), err error) {
	var object map[string]any
	if err := json.Unmarshal(q.Config, &object); err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "osc-gateway-explain-")
	if err != nil {
		return nil, nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	object["storage"] = map[string]any{"module": "file_system", "root": dir}
	idle(object)
	apps := child(object, "apps")
	ours := child(apps, "osc_auth")
	for _, kept := range []string{"keys", "job_keys", "client_secret", "environment"} {
		delete(ours, kept)
	}
	// Of its own, since stores of one place are one in a process.
	ours["store"] = map[string]any{"backend": "file", "path": filepath.Join(dir, "sessions.db")}
	delete(ours, "client_id")
	ours["issuer"] = q.Provider
	ours["token_service"], ours["catalog"] = q.Provider+"/token", q.Provider+"/catalog"
	withoutUpstreams(object)
	if config, err = configOf(object); err != nil {
		remove()
	}
	return config, remove, err
}

// idle is what keeps a configuration from doing anything but being provisioned:
// no admin API, no log but of errors, no certificates.
func idle(object map[string]any) {
	object["admin"] = map[string]any{"disabled": true}
	object["logging"] = map[string]any{"logs": map[string]any{"default": map[string]any{"level": "ERROR"}}}
	apps := child(object, "apps")
	delete(apps, "tls")
	delete(apps, "pki")
	for _, server := range child(child(apps, "http"), "servers") {
		if server, ok := server.(map[string]any); ok {
			server["automatic_https"] = map[string]any{"disable": true}
		}
	}
}

// configOf is a configuration that was worked on.
func configOf(object map[string]any) (*caddy.Config, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	config := new(caddy.Config)
	return config, json.Unmarshal(text, config)
}

// child is the object under a name, made if need be.
func child(object map[string]any, name string) map[string]any {
	found, ok := object[name].(map[string]any)
	if !ok {
		found = map[string]any{}
		object[name] = found
	}
	return found
}

// withoutUpstreams has every reverse proxy below send to the recording transport.
func withoutUpstreams(value any) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			withoutUpstreams(element)
		}
	case map[string]any:
		if value["handler"] == "reverse_proxy" {
			record := map[string]any{"protocol": "osc_explain"}
			if transport, ok := value["transport"].(map[string]any); ok && transport["protocol"] == "osc" {
				record = map[string]any{"protocol": "osc", "transport": record}
			}
			value["transport"] = record
			delete(value, "health_checks")
			if _, dynamic := value["dynamic_upstreams"]; dynamic {
				delete(value, "dynamic_upstreams")
				value["upstreams"] = []any{map[string]any{"dial": "dynamic.invalid:80"}}
			}
		}
		for _, element := range value {
			withoutUpstreams(element)
		}
	}
}

// recordingTransport keeps what would be sent, and sends nothing.
type recordingTransport struct{}

// CaddyModule returns the module's id.
func (recordingTransport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: transportNamespace + ".osc_explain", New: func() caddy.Module { return new(recordingTransport) }}
}

var errNothingToExplain = errors.New("the transport osc_explain is for osc-gateway explain alone")

// RoundTrip keeps a request as it would go on the wire. Outside of an
// explanation it fails.
func (recordingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	into, ok := r.Context().Value(explanationKey{}).(*Explanation)
	if !ok {
		return nil, errNothingToExplain
	}
	sent := r.Clone(context.WithoutCancel(r.Context()))
	sent.Body = nil
	_, signedIn := enteredTenant(r)
	into.Sent = append(into.Sent, Sent{Upstream: net.JoinHostPort(r.URL.Hostname(), portOf(r.URL)), Request: sent, SignedIn: signedIn})
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(bytes.NewReader(nil)),
	}, nil
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

var _ http.RoundTripper = recordingTransport{}

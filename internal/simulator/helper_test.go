package simulator

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testRedirect = "https://app.example.com/auth/callback"
	testVerifier = "abcdefghijklmnopqrstuvwxyz0123456789-._~ABCDEFG"
)

// world is a simulator on a socket, with a clock that stands still.
type world struct {
	*testing.T
	sim     *Server
	url     string
	browser *http.Client // has cookies, follows nothing

	mu     sync.Mutex
	time   time.Time
	waited []time.Duration
}

func newWorld(t *testing.T, cfg Config) *world {
	t.Helper()
	w := &world{T: t, time: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	cfg.Now = w.now
	if cfg.Wait == nil {
		cfg.Wait = w.wait
	}
	w.sim = New(cfg)
	server := httptest.NewServer(w.sim)
	t.Cleanup(server.Close)
	t.Cleanup(func() { w.sim.Close() })
	w.url = server.URL
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.browser = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

// wait notes how long it should have taken.
func (w *world) wait(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waited = append(w.waited, d)
	return ctx.Err()
}

// pauses lists how long the server would have waited.
func (w *world) pauses() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.waited)
}

func (w *world) knobs(change func(*Knobs)) { w.sim.SetKnobs(change) }

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("not a JSON object: %q", a.body)
	}
	return m
}

func (w *world) send(r *http.Request, err error) answer {
	w.Helper()
	a, err := w.trySend(r, err)
	if err != nil {
		w.Fatal(err)
	}
	return a
}

func (w *world) trySend(r *http.Request, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	res, err := w.browser.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body)}, err
}

// call sends one request; headers are "Name: value".
func (w *world) call(method, path, body string, headers ...string) answer {
	w.Helper()
	return w.send(w.request(method, path, body, headers...))
}

func (w *world) request(method, path, body string, headers ...string) (*http.Request, error) {
	if strings.HasPrefix(path, "/") {
		path = w.url + path
	}
	r, err := http.NewRequest(method, path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	return r, nil
}

const (
	formType = "Content-Type: application/x-www-form-urlencoded"
	jsonType = "Content-Type: application/json"
)

func (w *world) register(members string) map[string]any {
	w.Helper()
	if members == "" {
		members = `{"client_name":"Test app","redirect_uris":["` + testRedirect + `"],"token_endpoint_auth_method":"client_secret_post"}`
	}
	a := w.call("POST", "/api/connect/register", members, jsonType)
	if a.status != http.StatusCreated {
		w.Fatalf("register: %d %s", a.status, a.body)
	}
	return a.json(w.T)
}

// client registers a client and returns what a token request needs of it.
func (w *world) client() url.Values {
	w.Helper()
	m := w.register("")
	return url.Values{"client_id": {m["client_id"].(string)}, "client_secret": {m["client_secret"].(string)}}
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func authorizeQuery(clientID string) url.Values {
	return url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {testRedirect},
		"code_challenge": {challengeOf(testVerifier)}, "code_challenge_method": {"S256"}, "state": {"st4te"},
	}
}

func (w *world) code(client url.Values, user, tenant string) string {
	w.Helper()
	code, err := w.sim.IssueCode(client.Get("client_id"), testRedirect, challengeOf(testVerifier), user, tenant)
	if err != nil {
		w.Fatal(err)
	}
	return code
}

// with copies values and sets more; an empty value removes.
func with(v url.Values, pairs ...string) url.Values {
	out := url.Values{}
	for k, vs := range v {
		out[k] = append([]string(nil), vs...)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			out.Del(pairs[i])
		} else {
			out.Set(pairs[i], pairs[i+1])
		}
	}
	return out
}

func (w *world) token(form url.Values, headers ...string) answer {
	w.Helper()
	return w.call("POST", "/api/connect/token", form.Encode(), append([]string{formType}, headers...)...)
}

func (w *world) exchange(client url.Values, code string) answer {
	w.Helper()
	return w.token(with(client, "grant_type", "authorization_code", "code", code, "redirect_uri", testRedirect, "code_verifier", testVerifier))
}

func (w *world) refresh(client url.Values, refreshToken string) answer {
	w.Helper()
	return w.token(with(client, "grant_type", "refresh_token", "refresh_token", refreshToken))
}

// signIn returns a client and its first tokens.
func (w *world) signIn(user, tenant string) (client url.Values, tokens map[string]any) {
	w.Helper()
	client = w.client()
	a := w.exchange(client, w.code(client, user, tenant))
	if a.status != http.StatusOK {
		w.Fatalf("exchange: %d %s", a.status, a.body)
	}
	return client, a.json(w.T)
}

func (w *world) wantError(a answer, status int, code string) {
	w.Helper()
	if a.status != status || a.json(w.T)["error"] != code {
		w.Fatalf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		w.Errorf("an error that may be cached: %v", a.header)
	}
}

func (w *world) wantStatus(a answer, status int) answer {
	w.Helper()
	if a.status != status {
		w.Fatalf("got %d %q, want %d", a.status, a.body, status)
	}
	return a
}

var hiddenToken = regexp.MustCompile(`name="csrf" value="([^"]*)"`)
var formAction = regexp.MustCompile(`<form id="(\w+)" method="post" action="([^"]*)"`)

// submit fills in the form of a page, as a browser would.
func (w *world) submit(page answer, form string, fields ...string) answer {
	w.Helper()
	for _, m := range formAction.FindAllStringSubmatch(page.body, -1) {
		if m[1] == form {
			csrf := hiddenToken.FindStringSubmatch(page.body)[1]
			values := with(url.Values{"csrf": {csrf}}, fields...)
			return w.call("POST", html.UnescapeString(m[2]), values.Encode(), formType)
		}
	}
	w.Fatalf("no form %q in %s", form, page.body)
	return answer{}
}

func claimsOf(t *testing.T, token any) map[string]any {
	t.Helper()
	parts := strings.Split(token.(string), ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %v", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return answer{body: string(payload)}.json(t)
}

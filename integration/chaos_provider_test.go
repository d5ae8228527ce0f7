package integration

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// stage is a point of a refresh at the provider.
type stage int

const (
	arrived   stage = iota // nothing has happened yet
	committed              // the token was rotated, and nobody told
	replied                // the answer is on its way
)

// refreshCall is a refresh the provider has seen.
type refreshCall struct {
	user    string
	at      time.Time
	granted bool
	lost    bool // nobody was told
}

// provider is the simulator, with a hand on every refresh.
type provider struct {
	*osc
	changing sync.Mutex // of knobs for one call

	mu    sync.Mutex
	hold  func(stage, string) // called at each stage with whose refresh it is
	users map[string]string   // by refresh token
	calls []*refreshCall
	end   time.Time // when tokens of a sign-in end; zero: as the knobs say
}

func newProvider(t testing.TB, secrets *canaries) *provider {
	p := &provider{osc: newOSC(t, secrets), users: map[string]string{}}
	p.handler = p
	p.SetKnobs(func(k *simulator.Knobs) { k.Authorize.AutoApprove = true })
	p.up()
	return p
}

// asUser names who is at the keyboard: there is no form to fill in.
const asUser = "X-Chaos-User"

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/api/connect/token":
		p.token(w, r)
	case r.Header.Get(asUser) != "":
		p.changing.Lock()
		defer p.changing.Unlock()
		p.SetKnobs(func(k *simulator.Knobs) { k.Authorize.AutoUser = r.Header.Get(asUser) })
		p.Server.ServeHTTP(w, r)
	default:
		p.Server.ServeHTTP(w, r)
	}
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body))
	if form.Get("grant_type") != "refresh_token" {
		p.signIn(w, r)
		return
	}
	call := p.note(form.Get("refresh_token"))
	p.at(arrived, call.user)
	answer := httptest.NewRecorder()
	p.Server.ServeHTTP(answer, r) // panics where it drops the connection: the call stays lost
	granted := p.learn(answer)
	p.at(committed, call.user)
	p.mu.Lock()
	call.granted, call.lost = granted, false
	p.mu.Unlock()
	pass(w, answer)
	p.at(replied, call.user)
}

func (p *provider) signIn(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	end := p.end
	p.mu.Unlock()
	if !end.IsZero() {
		p.changing.Lock()
		defer p.changing.Unlock()
		p.SetKnobs(func(k *simulator.Knobs) { k.Token.AccessLifetimeSeconds = max(1, int(time.Until(end)/time.Second)) })
	}
	answer := httptest.NewRecorder()
	p.Server.ServeHTTP(answer, r)
	p.learn(answer)
	pass(w, answer)
}

func pass(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
	http.NewResponseController(w).Flush()
}

// note writes down a refresh. It counts as lost until it was answered.
func (p *provider) note(token string) *refreshCall {
	p.mu.Lock()
	defer p.mu.Unlock()
	call := &refreshCall{user: p.users[token], at: time.Now(), lost: true}
	p.calls = append(p.calls, call)
	return call
}

// learn remembers whose a new refresh token is.
func (p *provider) learn(answer *httptest.ResponseRecorder) (granted bool) {
	var set struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &set) != nil {
		return false
	}
	claims, _ := claimsOf(set.Access)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users[set.Refresh] = claims.User
	return true
}

func (p *provider) at(s stage, user string) {
	p.mu.Lock()
	hold := p.hold
	p.mu.Unlock()
	if hold != nil {
		hold(s, user)
	}
}

// holdAt has each refresh go through hold at each stage; nil: through nothing.
func (p *provider) holdAt(hold func(stage, string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = hold
}

// refreshes are those since the beginning.
func (p *provider) refreshes() []refreshCall {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []refreshCall
	for _, call := range p.calls {
		all = append(all, *call)
	}
	return all
}

// endAt makes the tokens of all sign-ins end together.
func (p *provider) endAt(end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end = end
}

// faults takes the place of what there was.
func (p *provider) faults(all ...simulator.Fault) {
	p.SetKnobs(func(k *simulator.Knobs) { k.Faults = all })
}

// claims are what matters of a PAT.
type claims struct {
	User string `json:"userId"`
	Exp  int64  `json:"exp"`
}

func claimsOf(token string) (claims, bool) {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	return c, err == nil && json.Unmarshal(payload, &c) == nil
}

// tokenApp is an app that believes nothing: each request must carry one token,
// of the user it is said to be from, that still lives. It answers with the
// user's name.
type tokenApp struct {
	*httptest.Server
	t testing.TB
}

// slack is how late a token may be on a machine with much else to do.
const slack = 2 * time.Second

func newTokenApp(t testing.TB) *tokenApp {
	a := &tokenApp{t: t}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *tokenApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tokens := r.Header["X-Pat-Jwt"]
	if strings.HasPrefix(r.URL.Path, "/assets/") {
		if len(tokens) != 0 {
			a.t.Errorf("a public page got a token")
		}
		io.WriteString(w, "public")
		return
	}
	token := ""
	if len(tokens) == 1 {
		token = strings.TrimPrefix(tokens[0], "Bearer ")
	}
	got, ok := claimsOf(token)
	user := r.Header.Get("X-Osc-User")
	switch {
	case !ok:
		a.t.Errorf("a request with %d tokens reached the app", len(tokens))
	case got.User != user:
		a.t.Errorf("the app got the token of %s for %s", got.User, user)
	case time.Since(time.Unix(got.Exp, 0)) > slack:
		a.t.Errorf("the app got a token that ended %v ago", time.Since(time.Unix(got.Exp, 0)))
	}
	if r.Header.Get("Upgrade") != "" {
		echo(w, r)
		return
	}
	io.WriteString(w, got.User)
}

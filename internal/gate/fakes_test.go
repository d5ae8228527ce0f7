package gate_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
	"github.com/Eyevinn/osc-gateway/internal/upstream"
)

// vault keeps sessions in a map and fails as it is told to.
type vault struct {
	clock    *clock
	mu       sync.Mutex
	sessions map[tokens.Name]*kept
	fail     map[string]error // by method
	calls    map[string]int
	streams  []*tokens.Stream
	closed   int                         // of the streams
	watched  chan chan tokens.Change     // those who began to watch
	left     chan struct{}               // one for each who watches no more
	newer    secret.String               // what a renewal brings; empty for nothing
	renewals chan secret.String          // the tokens that were refused
	opens    map[string]tokens.JobTicket // by handle
}

type kept struct {
	site    string
	session *tokens.Session
	ended   tokens.EndReason
}

func (v *vault) begin(ctx context.Context, method string) error {
	v.calls[method]++
	if err := v.fail[method]; err != nil {
		return err
	}
	return ctx.Err()
}

func (v *vault) Create(ctx context.Context, site string, _ tokens.Client, set tokens.Set) (tokens.Ticket, *tokens.Session, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.begin(ctx, "Create"); err != nil {
		return tokens.Ticket{}, nil, err
	}
	ticket, err := tokens.NewTicket(rand.Reader)
	if err != nil {
		return tokens.Ticket{}, nil, err
	}
	now := v.clock.Now()
	session := &tokens.Session{
		Name: ticket.Name(), Access: set.Access, User: set.User, Tenant: set.Tenant, Created: now,
		TokenExpires: now.Add(set.Lifetime), Expires: now.Add(7 * 24 * time.Hour), Ends: now.Add(12 * time.Hour),
	}
	v.sessions[ticket.Name()] = &kept{site: site, session: session}
	return ticket, session, nil
}

func (v *vault) open(ctx context.Context, method, site string, ticket tokens.Ticket) (*tokens.Session, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.begin(ctx, method); err != nil {
		return nil, err
	}
	found := v.sessions[ticket.Name()]
	switch {
	case found == nil || found.site != site:
		return nil, tokens.ErrAbsent
	case found.ended != "":
		return nil, &tokens.Ended{Reason: found.ended, User: found.session.User}
	default:
		return found.session, nil
	}
}

func (v *vault) Fresh(ctx context.Context, site string, ticket tokens.Ticket) (*tokens.Session, error) {
	return v.open(ctx, "Fresh", site, ticket)
}

func (v *vault) Lasting(ctx context.Context, site string, ticket tokens.Ticket) (*tokens.Session, error) {
	return v.open(ctx, "Lasting", site, ticket)
}

func (v *vault) Renew(ctx context.Context, site string, ticket tokens.Ticket, refused secret.String) (*tokens.Session, error) {
	defer func() { v.renewals <- refused }()
	session, err := v.open(ctx, "Renew", site, ticket)
	if err != nil || v.newer.IsEmpty() {
		return session, err
	}
	renewed := *session
	renewed.Access = v.newer
	return &renewed, nil
}

// OpenJob opens the handles the test has made.
func (v *vault) OpenJob(handle string) (tokens.JobTicket, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.begin(context.Background(), "OpenJob"); err != nil {
		return tokens.JobTicket{}, err
	}
	job, there := v.opens[handle]
	if !there {
		return tokens.JobTicket{}, tokens.ErrAbsent
	}
	return job, nil
}

// touched is how many calls of all methods there were.
func (v *vault) touched() (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, calls := range v.calls {
		n += calls
	}
	return n
}

// stream is the nth stream, and how many were closed.
func (v *vault) stream(n int) (stream *tokens.Stream, closed int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.streams[n], v.closed
}

// Stream keeps the stream for the test to end.
func (v *vault) Stream(_ string, _ tokens.Ticket, _ *tokens.Session, stream *tokens.Stream) (closed func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.streams = append(v.streams, stream)
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.closed++
	}
}

// Watch hands the changes over to the test.
func (v *vault) Watch(site string, ticket tokens.Ticket, _ *tokens.Session) (changes <-chan tokens.Change, closed func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls["Watch"]++
	all := make(chan tokens.Change, 8)
	if found := v.sessions[ticket.Name()]; found == nil || found.site != site {
		close(all)
	}
	v.watched <- all
	return all, func() { v.left <- struct{}{} }
}

func (v *vault) Job(ctx context.Context, site string, ticket tokens.Ticket, service string, life time.Duration) (secret.String, error) {
	if _, err := v.open(ctx, "Job", site, ticket); err != nil {
		return secret.String{}, err
	}
	return secret.New(canary + "job-" + service + "-" + life.String()), nil
}

func (v *vault) Peek(ctx context.Context, site string, ticket tokens.Ticket) (*tokens.Session, error) {
	return v.open(ctx, "Peek", site, ticket)
}

func (v *vault) Retire(ctx context.Context, ticket tokens.Ticket) error { return v.Revoke(ctx, ticket) }

func (v *vault) Revoke(ctx context.Context, ticket tokens.Ticket) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.begin(ctx, "Revoke"); err != nil {
		return err
	}
	delete(v.sessions, ticket.Name())
	return nil
}

func (v *vault) Check(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.begin(ctx, "Check")
}

func (v *vault) fails(method string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fail[method] = err
}

func (v *vault) count(method string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls[method]
}

func (v *vault) alive(name tokens.Name) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sessions[name] != nil && v.sessions[name].ended == ""
}

func (v *vault) end(name tokens.Name, reason tokens.EndReason) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sessions[name].ended = reason
}

// forget loses a session, as a store does that is not shared.
func (v *vault) forget(name tokens.Name) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.sessions, name)
}

// names are those of all sessions there are.
func (v *vault) names() (names []tokens.Name) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for name := range v.sessions {
		names = append(names, name)
	}
	return names
}

// safe opens at once, or not at all.
type safe struct {
	vault gate.Vault
	ring  *tokens.KeyRing
	err   error
}

func (s *safe) Open(context.Context) (gate.Vault, *tokens.KeyRing, error) {
	return s.vault, s.ring, s.err
}

// origins is one site, or none.
type origins struct {
	site cookies.Site
	err  error
}

func (o *origins) Origin(*http.Request) (cookies.Site, error) { return o.site, o.err }

// exchanged is one code sent to the token endpoint.
type exchanged struct{ client, code, verifier, redirectURI string }

// clients is the one client of the test; each that is forgotten makes place
// for another.
type clients struct {
	mu        sync.Mutex
	client    tokens.Client
	known     map[string]tokens.Client
	exchanges []exchanged
	forgotten []string
	forErr    error
	byIDErr   error
	asked     []string // redirect URIs
	exchange  func(ctx context.Context, code string) (tokens.Set, error)
}

func newClients() *clients {
	client := tokens.Client{ID: "client-1", Secret: secret.New(canary + "client"), Dynamic: true}
	return &clients{
		client: client, known: map[string]tokens.Client{client.ID: client},
		exchange: func(context.Context, string) (tokens.Set, error) { return grant("ada", "acme"), nil },
	}
}

func (c *clients) For(_ context.Context, redirectURI string) (tokens.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, redirectURI)
	return c.client, c.forErr
}

func (c *clients) ByID(_ context.Context, redirectURI, id string) (tokens.Client, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	client, found := c.known[id]
	return client, found && redirectURI == callbackURI, c.byIDErr
}

func (c *clients) Forget(_ context.Context, _, id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known[id].Dynamic {
		return false
	}
	c.forgotten = append(c.forgotten, id)
	delete(c.known, id)
	c.client = tokens.Client{ID: id + "+", Secret: secret.New(canary + "client"), Dynamic: true}
	c.known[c.client.ID] = c.client
	return true
}

func (c *clients) Exchange(ctx context.Context, client tokens.Client, code, verifier, redirectURI string) (tokens.Set, error) {
	c.mu.Lock()
	c.exchanges = append(c.exchanges, exchanged{client.ID, code, verifier, redirectURI})
	exchange := c.exchange
	c.mu.Unlock()
	return exchange(ctx, code)
}

func (c *clients) calls() []exchanged {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]exchanged(nil), c.exchanges...)
}

// answers makes every exchange end that way.
func (c *clients) answers(set tokens.Set, err error) {
	c.does(func(context.Context, string) (tokens.Set, error) { return set, err })
}

func (c *clients) does(exchange func(context.Context, string) (tokens.Set, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exchange = exchange
}

// provider sends browsers to an address nobody calls.
type provider struct {
	issuer string // "" for one that promises none
}

func (p *provider) AuthorizeURL(_ context.Context, a osc.Authorization) string {
	return authorizeAt + "?" + url.Values{
		"client_id": {a.ClientID}, "redirect_uri": {a.RedirectURI}, "state": {a.State},
		"code_challenge": {a.Challenge}, "code_challenge_method": {a.ChallengeMethod},
	}.Encode()
}

func (p *provider) CheckIssuer(_ context.Context, values []string) bool {
	if len(values) == 0 {
		return p.issuer == ""
	}
	return len(values) == 1 && values[0] == p.issuer
}

// services gives each service a token that says whose it is.
type services struct {
	mu      sync.Mutex
	asked   []string // sessions' tokens
	renewed []string // what was refused
	newer   secret.String
	fixed   secret.String // the token of all services, where it is not empty
	err     error
}

func (s *services) Token(_ context.Context, session *tokens.Session, service string) (secret.String, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, session.Access.Reveal())
	if !s.fixed.IsEmpty() {
		return s.fixed, s.err
	}
	return secret.New(canary + service), s.err
}

func (s *services) Renew(_ context.Context, _ *tokens.Session, _ string, refused secret.String) (secret.String, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewed = append(s.renewed, refused.Reveal())
	return s.newer, s.err
}

// callers knows whose tokens those of canary are.
type callers struct {
	mu    sync.Mutex
	asked []string
	err   error
}

func (c *callers) Identify(_ context.Context, token secret.String) (*tokens.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, token.Reveal())
	user, ours := strings.CutPrefix(token.Reveal(), canary+"caller-")
	switch {
	case c.err != nil:
		return nil, c.err
	case !ours:
		return nil, osc.ErrTokenRefused
	default:
		return &tokens.Session{Name: tokens.Name{9}, Access: token, User: user, Tenant: "acme"}, nil
	}
}

func (c *callers) calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.asked)
}

// observer remembers what it was told.
type observer struct {
	mu        sync.Mutex
	entered   []string // users
	refused   []pages.Reason
	requests  []string // policy and outcome
	signIns   []string
	signedOut []tokens.Name
}

func (o *observer) Entered(_ *http.Request, session *tokens.Session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entered = append(o.entered, session.User)
}

func (o *observer) Refused(_ *http.Request, reason pages.Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refused = append(o.refused, reason)
}

func (o *observer) Request(policy, outcome string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = append(o.requests, policy+" "+outcome)
}

func (o *observer) SignIn(result string, session *tokens.Session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if session != nil {
		result += " " + session.User
	}
	o.signIns = append(o.signIns, result)
}

func (o *observer) SignedOut(name tokens.Name) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.signedOut = append(o.signedOut, name)
}

func (o *observer) last() pages.Reason {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.refused) == 0 {
		return ""
	}
	return o.refused[len(o.refused)-1]
}

// seen is a request as the application got it.
type seen struct {
	method, requestURI, escapedPath string
	header                          http.Header
}

// app is what comes after the gate.
type app struct {
	hygiene *upstream.Hygiene
	mu      sync.Mutex
	got     []seen
	serve   func(w http.ResponseWriter, r *http.Request) error
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	if injected := upstream.InjectionFrom(r.Context()); injected != nil { // as the transport would
		r = r.Clone(r.Context())
		defer a.hygiene.Inject(r, injected)()
	}
	a.mu.Lock()
	a.got = append(a.got, seen{r.Method, r.RequestURI, r.URL.EscapedPath(), r.Header.Clone()})
	serve := a.serve
	a.mu.Unlock()
	if serve != nil {
		return serve(w, r)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (a *app) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.got)
}

func (a *app) last() seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.got[len(a.got)-1]
}

// malformed is a provider's answer that is not what the standard asks for.
func malformed() error { return &osc.Error{Endpoint: osc.EndpointToken, Status: 200, Malformed: true} }

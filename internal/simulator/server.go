package simulator

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Config is what a Server is made of. The zero value is a complete, faithful
// OSC with the demo accounts.
type Config struct {
	// Issuer is the public base URL without a trailing slash, for example
	// "http://127.0.0.1:9090". Empty means scheme and Host of each request.
	Issuer string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Rand is the source of every secret; nil means crypto/rand.Reader. A read
	// that fails panics: there is no simulator without randomness.
	Rand io.Reader
	// Wait pauses for a delay knob or a slow body and ends early, with an
	// error, when ctx does; nil means a timer. Tests put their own here so
	// that nothing has to sleep.
	Wait func(ctx context.Context, d time.Duration) error
	// Log receives one line per answered call and per injected fault; nil
	// discards. Tokens, codes, verifiers and secrets are never logged.
	Log *slog.Logger
	// Users are the accounts offered on the sign-in page; nil means DemoUsers.
	Users []User
	// Clients are OAuth Apps created by hand: they outlive ForgetClients.
	Clients []Client
	// Knobs is the behaviour to start with. Every field's zero value stands
	// for its default, so a partly filled value needs no DefaultKnobs call.
	// New panics on a value outside of a knob's list; see Knobs.Validate.
	Knobs Knobs
}

// Server is a simulated OSC: the authorization server, the platform APIs and
// service instances in one http.Handler. It is safe for concurrent use.
type Server struct {
	issuer string
	now    func() time.Time
	rand   io.Reader
	sleep  func(context.Context, time.Duration) error
	log    *slog.Logger
	users  []User
	mux    *http.ServeMux

	closed context.Context // ends every hang and delay
	stop   context.CancelFunc

	randMu sync.Mutex // an injected source need not be safe for concurrent use

	mu        sync.Mutex // guards everything below; never held while waiting or writing
	keys      keys
	knobs     Knobs
	counters  Counters
	inFlight  map[string]int   // refresh calls being answered, by family
	oauthApp  ttlMap[Client]   // made by hand
	clients   ttlMap[Client]   // registered dynamically
	seen      ttlMap[struct{}] // authorization requests counted already
	codes     ttlMap[*authorizationCode]
	families  ttlMap[*Family]
	consents  ttlMap[struct{}]
	opaque    ttlMap[patClaims]
	subs      ttlMap[struct{}]
	apps      ttlMap[app]
	instances ttlMap[serviceInstance]
	revoked   ttlMap[time.Time] // runner tokens of a user issued up to then
}

// State is bounded: old entries make room for new ones past these numbers.
const (
	maxClients  = 10_000
	maxCodes    = 10_000
	maxFamilies = 20_000
	maxOther    = 20_000
)

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Wait == nil {
		c.Wait = sleep
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Users == nil {
		c.Users = DemoUsers()
	}
	return c
}

// New makes a simulator.
func New(cfg Config) *Server {
	cfg = cfg.withDefaults()
	s := &Server{
		issuer:    strings.TrimRight(cfg.Issuer, "/"),
		now:       cfg.Now,
		rand:      cfg.Rand,
		sleep:     cfg.Wait,
		log:       cfg.Log,
		users:     cfg.Users,
		mux:       http.NewServeMux(),
		inFlight:  make(map[string]int),
		oauthApp:  newTTLMap[Client](maxOther),
		clients:   newTTLMap[Client](maxClients),
		seen:      newTTLMap[struct{}](maxOther),
		codes:     newTTLMap[*authorizationCode](maxCodes),
		families:  newTTLMap[*Family](maxFamilies),
		consents:  newTTLMap[struct{}](maxOther),
		opaque:    newTTLMap[patClaims](maxOther),
		subs:      newTTLMap[struct{}](maxOther),
		apps:      newTTLMap[app](maxOther),
		instances: newTTLMap[serviceInstance](maxOther),
		revoked:   newTTLMap[time.Time](maxOther),
	}
	s.closed, s.stop = context.WithCancel(context.Background())
	s.keys = s.newKeys()
	s.counters = newCounters()
	s.SetKnobs(func(k *Knobs) { *k = cfg.Knobs })
	for _, c := range cfg.Clients {
		s.AddClient(c)
	}
	s.routes()
	return s
}

// Close ends every hang and delay, now and from here on. The server itself
// keeps answering; Close is what a graceful shutdown calls first.
func (s *Server) Close() error {
	s.stop()
	return nil
}

// ServeHTTP answers everything, by path, and by host for the names OSC uses.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mux.ServeHTTP(w, routeByHost(r))
}

// routeByHost gives a request for one of OSC's host names the path the same
// handler has here.
func routeByHost(r *http.Request) *http.Request {
	prefix := ""
	labels := strings.SplitN(strings.ToLower(r.Host), ".", 3)
	switch {
	case len(labels) == 3 && labels[1] == "svc":
		switch labels[0] {
		case "token", "catalog", "deploy", "money":
			prefix = "/" + labels[0]
		}
	case len(labels) == 3 && labels[1] == "auto":
		if service, ok := strings.CutPrefix(labels[0], "api-"); ok {
			prefix = "/instance-api/" + service
		}
	}
	if prefix == "" {
		return r
	}
	moved := r.Clone(r.Context())
	moved.URL.Path = prefix + r.URL.Path
	moved.URL.RawPath = ""
	return moved
}

// base is the public base URL the request was made to.
func (s *Server) base(r *http.Request) string {
	if s.issuer != "" {
		return s.issuer
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// pause waits until d has passed, the client has gone or the server is closed.
func (s *Server) pause(r *http.Request, d time.Duration) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.closed, cancel)()
	return s.sleep(ctx, d)
}

// hang keeps the connection until the client has gone or the server is closed.
func (s *Server) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.closed.Done():
	}
	abort()
}

// abort drops the connection without an answer. net/http knows this panic and
// stays silent about it.
func abort() {
	panic(http.ErrAbortHandler)
}

var errStopped = errors.New("simulator: wait ended early")

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errStopped
	}
}

package osc

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

const (
	dialTimeout = 5 * time.Second
	callTimeout = 15 * time.Second // one call, waiting for a turn and reading the answer included
	maxAnswer   = 1 << 20          // bytes of an answer, decompressed
	// maxCalls bounds the calls under way at the provider, however many sessions
	// want something at once. Replicas do not know of each other: two have 64.
	maxCalls = 32
)

// Config is what a Provider is made of. Issuer is required.
type Config struct {
	Issuer    string            // as in the discovery document, no trailing slash
	Now       func() time.Time  // default time.Now
	Log       *slog.Logger      // default: nowhere
	Transport http.RoundTripper // default: one of our own
	// Observe is told of every call: the status, 0 for no answer, and how long
	// it took. It must return at once. Default: nobody is told.
	Observe func(endpoint Endpoint, status int, took time.Duration)
	// Trace is told of every call before it is made. It returns the context for
	// the call and what to tell of its answer, nil for nothing. Default: nobody is
	// told.
	Trace func(ctx context.Context, endpoint Endpoint) (context.Context, func(status int))
}

// Provider is OSC's authorization server, seen by a client.
type Provider struct {
	issuer string
	http   *http.Client
	now    func() time.Time
	log    *slog.Logger
	calls  *semaphore.Weighted
	tell   func(Endpoint, int, time.Duration)
	trace  func(context.Context, Endpoint) (context.Context, func(int))

	discovering singleflight.Group
	mu          sync.Mutex
	metadata    metadata
	pausedUntil time.Time // the token endpoint asked to be left alone until then
}

// New makes a provider. It makes no call yet.
func New(cfg Config) (*Provider, error) {
	if err := CheckURL(cfg.Issuer); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Transport == nil {
		cfg.Transport = newTransport()
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Endpoint, int, time.Duration) {}
	}
	if cfg.Trace == nil {
		cfg.Trace = func(ctx context.Context, _ Endpoint) (context.Context, func(int)) { return ctx, nil }
	}
	return &Provider{
		issuer: cfg.Issuer, now: cfg.Now, log: cfg.Log, calls: semaphore.NewWeighted(maxCalls), tell: cfg.Observe, trace: cfg.Trace,
		http: &http.Client{Transport: cfg.Transport, CheckRedirect: refuseRedirects},
	}, nil
}

// Issuer is the provider's identifier.
func (p *Provider) Issuer() string { return p.issuer }

// Close drops connections that are kept for the next call. The provider works
// on afterwards.
func (p *Provider) Close() { p.http.CloseIdleConnections() }

// refuseRedirects hands a redirect to the caller, as any other answer that is
// not a success: Go would send the form, client secret included, along on 307
// and 308.
func refuseRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// newTransport is Go's, with limits. It keeps no cookies.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  callTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    maxCalls,
		IdleConnTimeout:        90 * time.Second,
	}
}

// call makes one request and reads the answer, both within limits. It runs on
// the caller's context; callers whose result must not be lost detach it first.
func (p *Provider) call(ctx context.Context, endpoint Endpoint, request *http.Request) (*http.Response, []byte, error) {
	fail := func(err error) (*http.Response, []byte, error) {
		return nil, nil, &Error{Endpoint: endpoint, cause: ownWords(err)}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	status := 0
	ctx, traced := p.trace(ctx, endpoint)
	if traced != nil { // waiting for a turn is part of it
		defer func() { traced(status) }()
	}
	if err := p.calls.Acquire(ctx, 1); err != nil {
		return fail(err)
	}
	defer p.calls.Release(1)
	begun := p.now()
	answer, err := p.http.Do(request.WithContext(ctx))
	if err != nil {
		p.tell(endpoint, 0, p.now().Sub(begun))
		return fail(err)
	}
	status = answer.StatusCode
	defer func() { _ = answer.Body.Close() }()
	defer func() { p.tell(endpoint, answer.StatusCode, p.now().Sub(begun)) }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return fail(err)
	}
	if len(body) > maxAnswer {
		return nil, nil, &Error{Endpoint: endpoint, Status: answer.StatusCode, Malformed: true, cause: errors.New("answer too long")}
	}
	return answer, body, nil
}

// ownWords keeps of a failed call's error what this side found out: net/http
// quotes the URL, and of an answer it cannot read the offending line.
func ownWords(err error) error {
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &network):
		return network
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	default:
		return errors.New("no answer that can be read")
	}
}

// post makes a POST request of a body.
func post(ctx context.Context, target, contentType string, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	// Never repeated by the transport: a code or refresh token works once.
	request.GetBody = nil
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Accept", "application/json")
	return request, nil
}

// CheckURL tells whether a URL of the provider may be used: absolute, https,
// or http on this machine, without credentials, query and fragment.
func CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Host == "", u.Opaque != "":
		return fmt.Errorf("%q is not an absolute URL; write it like https://app.osaas.io", raw)
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return errors.New("must be a plain URL, without user, query or fragment")
	case u.Scheme == "https", u.Scheme == "http" && IsLoopback(u.Hostname()):
		return nil
	default:
		return fmt.Errorf("%q must begin with https:// (http:// only on this machine)", raw)
	}
}

// IsLoopback tells whether a host name is this machine (RFC 8252 §7.3, RFC 6761 §6.3).
func IsLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// CheckEndpoint is CheckURL for an endpoint, which may have a query (RFC 6749 §3.1).
func CheckEndpoint(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return err
	}
	u.RawQuery = ""
	return CheckURL(u.String())
}

package upstream

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
)

var errUnaskedSwitch = errors.New("upstream: the upstream switched protocols unasked")

// Transport puts the Injection of a request's context on the wire and nowhere
// else: not on the request the caller holds, nor on the one in the response.
// Whatever only the gateway may write is deleted from every request first, also
// from one without an Injection. Answers are filtered, their trailers and interim
// responses included. Bodies are streamed.
type Transport struct {
	// Base sends the requests; http.DefaultTransport when nil.
	Base http.RoundTripper

	// Hygiene is used for requests whose Injection names none.
	Hygiene *Hygiene
}

// RoundTrip implements http.RoundTripper. Errors of Base are returned as they
// are, as reverse proxies look at their types.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	inj := InjectionFrom(req.Context())
	if err := inj.Check(); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	h := inj.hygiene(t.Hygiene)
	resp, err := base.RoundTrip(h.outgoing(req, inj))
	if err != nil {
		return nil, err
	}
	if newer := renewal(req, resp, inj); newer != nil {
		discard(resp)
		inj = newer
		if resp, err = base.RoundTrip(h.outgoing(req, inj)); err != nil {
			return nil, err
		}
	}
	resp.Request = req // Base has put the request with the token there
	if resp.StatusCode == http.StatusSwitchingProtocols && req.Header.Get("Upgrade") == "" {
		_ = resp.Body.Close()
		return nil, errUnaskedSwitch
	}
	h.filterHeader(resp.Header, inj)
	h.filterTrailers(resp, inj)
	watch(resp, inj)
	return resp, nil
}

// renewal is what to send in a second and last attempt, after an upstream that
// refused the token; nil where its answer stands.
func renewal(req *http.Request, resp *http.Response, inj *Injection) *Injection {
	if inj == nil || inj.Session == nil || !refusesToken(resp.StatusCode, resp.Header) {
		return nil
	}
	newer := inj.Session.Renew(req.Context(), isReplayable(req))
	if newer.Check() != nil || !isReplayable(req) {
		return nil
	}
	return newer
}

// maxDiscarded is how much of an answer is read for its connection to be of
// further use.
const maxDiscarded = 64 << 10

func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxDiscarded)
	_ = resp.Body.Close()
}

// outgoing returns the copy of req that goes on the wire. Values of fields it
// does not change are shared with req.
func (h *Hygiene) outgoing(req *http.Request, inj *Injection) *http.Request {
	out := req.WithContext(h.traced(req.Context(), inj))
	if out.Header = maps.Clone(req.Header); out.Header == nil {
		out.Header = http.Header{}
	}
	h.vacate(out.Header, inj)
	inj.apply(out.Header)
	h.copyTrailers(out, req)
	return out
}

// traced adds what keeps tokens from the hooks that are in ctx already: the one
// by which reverse proxies forward interim responses, and the one that is shown
// every field on the wire.
func (h *Hygiene) traced(ctx context.Context, inj *Injection) context.Context {
	old := httptrace.ContextClientTrace(ctx)
	if old == nil || old.Got1xxResponse == nil && old.WroteHeaderField == nil {
		return ctx
	}
	traced := &tracedContext{Context: ctx, trace: *old}
	if forward := old.Got1xxResponse; forward != nil {
		traced.trace.Got1xxResponse = func(code int, header textproto.MIMEHeader) error {
			h.dropEchoes(http.Header(header), inj)
			return forward(code, header)
		}
	}
	if show := old.WroteHeaderField; show != nil {
		traced.trace.WroteHeaderField = func(name string, values []string) {
			if inj.sets(name) {
				values = []string{redacted}
			}
			show(name, values)
		}
	}
	return traced
}

// tracedContext is a context with another trace in place of the one it has.
// httptrace.WithClientTrace would call both, by reflection for every hook there
// is, which costs more than the rest of a request's hygiene.
type tracedContext struct {
	context.Context
	trace httptrace.ClientTrace
}

// Value replaces the trace, whatever key package httptrace keeps it under.
func (c *tracedContext) Value(key any) any {
	value := c.Context.Value(key)
	if _, isTrace := value.(*httptrace.ClientTrace); isTrace {
		return &c.trace
	}
	return value
}

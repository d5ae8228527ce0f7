package upstream

import (
	"io"
	"net/http"
	"sync"
)

// neverTrailers are fields that no trailer section may carry, as they say who
// asks and whom (RFC 9110 §6.5.1). Go's server and proxies pass them on.
var neverTrailers = []string{"authorization", "proxy-authorization", "cookie", "host"}

// stripTrailers deletes what Strip deletes from the trailers of r, now and once
// more when their values have arrived.
//
// Go's server fills the declared map when the body ends, on HTTP/1 with
// undeclared names too, and the copies of the request that middleware makes all
// share it: so it is filtered in place. Without a declaration there is no map
// to share and nothing arrives.
func (h *Hygiene) stripTrailers(r *http.Request) {
	if r.Trailer == nil {
		return
	}
	trailer := r.Trailer
	strip := func() {
		for name := range trailer {
			if h.refusesTrailer(name) {
				delete(trailer, name)
			}
		}
	}
	strip()
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &trailedBody{ReadCloser: r.Body, arrived: strip, onClose: true}
	}
}

// refusesTrailer reports whether a client may not send the trailer called name.
func (h *Hygiene) refusesTrailer(name string) bool {
	return h.reserved(name) || sameAny(name, neverTrailers)
}

// copyTrailers gives out, a shallow copy of in, trailers of its own: those of
// in that a client may send. They are copied when the body ends, as only then
// the map of in has its values; in itself is left alone, as http.RoundTripper
// demands.
func (h *Hygiene) copyTrailers(out, in *http.Request) {
	hasBody := in.Body != nil && in.Body != http.NoBody
	if in.Trailer == nil || len(in.Trailer) == 0 && !hasBody { // none are there, and none will be
		out.Trailer = nil
		return
	}
	own := make(http.Header, len(in.Trailer))
	fill := func() {
		clear(own)
		for name, values := range in.Trailer {
			if !h.refusesTrailer(name) {
				own[name] = values
			}
		}
	}
	fill()
	out.Trailer = own
	// A known length leaves no room for trailers that nobody declared. Zero is
	// "unknown" to http.Transport when there is a body.
	if !hasBody || len(in.Trailer) == 0 && in.ContentLength > 0 {
		return
	}
	out.Body = &trailedBody{ReadCloser: in.Body, arrived: fill}
	out.GetBody = nil // it would replay the body past ours
}

// filterTrailers drops from the trailers of resp what dropEchoes drops from its
// header, now and once more when their values have arrived. HTTP/1 responses of
// known length have none; all others may have some that were not declared.
func (h *Hygiene) filterTrailers(resp *http.Response, inj *Injection) {
	h.dropEchoes(resp.Trailer, inj)
	if resp.Body == nil || resp.Body == http.NoBody {
		return
	}
	if resp.Trailer == nil && resp.ProtoMajor < 2 && resp.ContentLength >= 0 {
		return
	}
	if _, tunnel := resp.Body.(io.Writer); tunnel {
		return // a protocol switch; whoever takes over needs to write
	}
	resp.Body = &trailedBody{
		ReadCloser: resp.Body,
		arrived:    func() { h.dropEchoes(resp.Trailer, inj) },
		onClose:    true,
	}
}

// trailedBody calls arrived once, when the body has ended and its trailers are
// there, before the reader learns of the end. With onClose also when the body
// is closed early, which makes Go's HTTP/1 bodies read on to the trailers.
type trailedBody struct {
	io.ReadCloser
	arrived func()
	onClose bool
	once    sync.Once // Close may come from another goroutine than Read
}

func (b *trailedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.once.Do(b.arrived)
	}
	return n, err
}

func (b *trailedBody) Close() error {
	err := b.ReadCloser.Close()
	if b.onClose {
		b.once.Do(b.arrived)
	}
	return err
}

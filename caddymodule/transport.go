package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/Eyevinn/osc-gateway/internal/upstream"
)

var errWrapsItself = errors.New("transport osc wraps another transport and can't wrap itself; name the other, or none for http")

const transportNamespace = "http.reverse_proxy.transport"

// Transport wraps another transport of reverse_proxy and puts the token on the
// wire, and nowhere else: the request that Caddy logs, retries and hands to
// error routes never holds it. Without a gate in front it sends none.
type Transport struct {
	// The transport that does the work. Default: http.
	TransportRaw json.RawMessage `json:"transport,omitempty" caddy:"namespace=http.reverse_proxy.transport inline_key=protocol"`

	wrapped http.RoundTripper // from JSON, or while parsing from a Caddyfile
	name    string            // of wrapped, while parsing
	wire    *upstream.Transport
}

// CaddyModule returns the module's id.
func (Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: transportNamespace + ".osc", New: func() caddy.Module { return new(Transport) }}
}

// Provision loads the wrapped transport.
func (t *Transport) Provision(ctx caddy.Context) error {
	if len(t.TransportRaw) == 0 {
		t.TransportRaw = json.RawMessage(`{"protocol":"http"}`)
	}
	loaded, err := ctx.LoadModule(t, "TransportRaw")
	if err != nil {
		return fmt.Errorf("loading the transport to wrap: %w", err)
	}
	if _, twice := loaded.(*Transport); twice {
		return errWrapsItself
	}
	t.wrapped = loaded.(http.RoundTripper)
	t.wire = &upstream.Transport{Base: t.wrapped}
	return nil
}

// RoundTrip sends the request with what the gate has to say about it.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := checkDialed(r); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	return t.wire.RoundTrip(r)
}

// checkDialed is checkUpstream for the reverse_proxy around the transport, which
// is not there to be looked at before it sends.
func checkDialed(r *http.Request) error {
	inj := upstream.InjectionFrom(r.Context())
	dialed, ok := reverseproxy.GetDialInfo(r.Context())
	if inj == nil || len(inj.Fields) == 0 || !ok || dialed.Upstream == nil || !isPlaceholder(dialed.Upstream.Dial) {
		return nil
	}
	return checkUpstream(dialed.Upstream.Dial)
}

// UnmarshalCaddyfile sets the transport up from tokens. Syntax:
//
//	transport osc [<name>] {
//	    <options of the transport named; default: http>
//	}
func (t *Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	segment := d.NextSegment()
	name, rest := "http", segment[1:] // after "osc"
	if len(rest) > 0 && rest[0].Text != "{" {
		name, rest = rest[0].Text, rest[1:]
	}
	head := segment[0]
	head.Text = name
	if name == "osc" {
		return d.WrapErr(errWrapsItself)
	}
	options := caddyfile.NewDispenser(append([]caddyfile.Token{head}, rest...))
	options.Next()
	module, err := caddyfile.UnmarshalModule(options, transportNamespace+"."+name)
	if err != nil {
		return err
	}
	t.wrapped, t.name = module.(http.RoundTripper), name
	t.encode()
	return nil
}

// encode writes the wrapped transport down once its options are known.
func (t *Transport) encode() {
	t.TransportRaw = caddyconfig.JSONModuleObject(t.wrapped, "protocol", t.name, nil)
}

// What reverse_proxy asks of some transports is asked of the wrapped one.

// TLSEnabled tells whether the wrapped transport speaks TLS.
func (t *Transport) TLSEnabled() bool {
	tls, ok := t.wrapped.(reverseproxy.TLSTransport)
	return ok && tls.TLSEnabled()
}

// EnableTLS has the wrapped transport speak TLS.
func (t *Transport) EnableTLS(base *reverseproxy.TLSConfig) error {
	tls, ok := t.wrapped.(reverseproxy.TLSTransport)
	if !ok {
		return fmt.Errorf("transport %s does not speak TLS", t.name)
	}
	err := tls.EnableTLS(base)
	t.encode()
	return err
}

// EnableH2C has the wrapped transport speak HTTP/2 without TLS.
func (t *Transport) EnableH2C() error {
	h2c, ok := t.wrapped.(reverseproxy.H2CTransport)
	if !ok {
		return fmt.Errorf("transport %s does not speak h2c", t.name)
	}
	err := h2c.EnableH2C()
	t.encode()
	return err
}

// ProxyProtocolEnabled tells whether the wrapped transport sends PROXY headers.
func (t *Transport) ProxyProtocolEnabled() bool {
	proxy, ok := t.wrapped.(reverseproxy.ProxyProtocolTransport)
	return ok && proxy.ProxyProtocolEnabled()
}

// OverrideHealthCheckScheme lets the wrapped transport choose.
func (t *Transport) OverrideHealthCheckScheme(base *url.URL, port string) {
	if override, ok := t.wrapped.(reverseproxy.HealthCheckSchemeOverriderTransport); ok {
		override.OverrideHealthCheckScheme(base, port)
	}
}

// RequestHeaderOps are the wrapped transport's.
func (t *Transport) RequestHeaderOps() *headers.HeaderOps {
	if ops, ok := t.wrapped.(reverseproxy.RequestHeaderOpsTransport); ok {
		return ops.RequestHeaderOps()
	}
	return nil
}

// DefaultBufferSizes are the wrapped transport's.
func (t *Transport) DefaultBufferSizes() (request, response int64) {
	if buffered, ok := t.wrapped.(reverseproxy.BufferedTransport); ok {
		return buffered.DefaultBufferSizes()
	}
	return 0, 0
}

// RequiresContentLength is the wrapped transport's answer.
func (t *Transport) RequiresContentLength() bool {
	needs, ok := t.wrapped.(reverseproxy.ContentLengthRequiredTransport)
	return ok && needs.RequiresContentLength()
}

var (
	_ http.RoundTripper                                = (*Transport)(nil)
	_ caddy.Provisioner                                = (*Transport)(nil)
	_ caddyfile.Unmarshaler                            = (*Transport)(nil)
	_ reverseproxy.TLSTransport                        = (*Transport)(nil)
	_ reverseproxy.H2CTransport                        = (*Transport)(nil)
	_ reverseproxy.ProxyProtocolTransport              = (*Transport)(nil)
	_ reverseproxy.HealthCheckSchemeOverriderTransport = (*Transport)(nil)
	_ reverseproxy.RequestHeaderOpsTransport           = (*Transport)(nil)
	_ reverseproxy.BufferedTransport                   = (*Transport)(nil)
	_ reverseproxy.ContentLengthRequiredTransport      = (*Transport)(nil)
)

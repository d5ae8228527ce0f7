package simulator

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// IngressOptions are what is not known of OSC's ingress.
type IngressOptions struct {
	// Proto is the X-Forwarded-Proto; default https, since TLS ends there.
	Proto string
	// Host replaces the Host the app sees, as the runner's internal name does;
	// empty keeps the public one. X-Forwarded-Host is the public one always.
	Host string
	// KeepForwarded appends to X-Forwarded-For, and believes
	// X-Forwarded-Host and -Proto, of the client instead of replacing them.
	KeepForwarded bool
	// Cut ends every exchange after that long, upgraded ones included; 0 never.
	Cut time.Duration
	// Wait stands in for a timer in tests.
	Wait func(ctx context.Context, d time.Duration) error
}

// Ingress puts what stands between a browser and an app on OSC in front of
// target: forwarding headers, and a time limit. One target can have several
// hosts.
func Ingress(target http.Handler, o IngressOptions) http.Handler {
	orElse(&o.Proto, "https")
	if o.Wait == nil {
		o.Wait = sleep
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		if o.Cut > 0 {
			go func() {
				if o.Wait(ctx, o.Cut) == nil {
					cancel()
				}
			}()
		}
		in := r.Clone(ctx)
		o.forward(in, r)
		target.ServeHTTP(w, in)
		if ctx.Err() != nil && r.Context().Err() == nil {
			abort() // cut: the client must not take what it got for complete
		}
	})
}

func (o IngressOptions) forward(in, r *http.Request) {
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		client = r.RemoteAddr
	}
	for name, value := range map[string]string{"X-Forwarded-Host": r.Host, "X-Forwarded-Proto": o.Proto, "X-Real-Ip": client} {
		if !o.KeepForwarded || in.Header.Get(name) == "" {
			in.Header.Set(name, value)
		}
	}
	if before := r.Header.Get("X-Forwarded-For"); o.KeepForwarded && before != "" {
		client = before + ", " + client
	}
	in.Header.Set("X-Forwarded-For", client)
	if o.Host != "" {
		in.Host = o.Host
	}
}

// IngressTo is the target for an app that listens at u.
func IngressTo(u *url.URL) http.Handler {
	return &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
			p.Out.Header[name] = p.In.Header[name] // Rewrite drops them
		}
		p.SetURL(u)
		p.Out.Host = p.In.Host
	}}
}

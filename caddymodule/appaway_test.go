package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

const (
	withOSC  = "{\n\tosc_auth {\n\t\tissuer {$OSC}\n\t}\n}\n\n"
	awaySite = withOSC + `http://localhost {
	osc_proxy {$APP} {
		public /open
	}
}`
	awayGate = withOSC + `http://localhost {
	osc_auth {
		public /open
	}
	reverse_proxy {$APP}
}`
	awayChecked = withOSC + `http://localhost {
	osc_proxy {$APP} {
		public /open
		fail_duration 1h
	}
}`
)

func TestAnAppThatCanNotBeReachedIsWaitedFor(t *testing.T) {
	for name, site := range map[string]string{"osc_proxy": awaySite, "osc_auth": awayGate, "with health checks": awayChecked} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.serve(site)
			b := g.browser()
			b.goes(g.local() + "/")
			w.app.server.Close()
			for _, path := range []string{"/open", "/studio", "/again"} {
				answer := b.asks("GET", g.local()+path)
				wantStatus(t, answer, http.StatusServiceUnavailable)
				if body := answer.body; !strings.Contains(body, "<code>app_unavailable</code>") || !strings.Contains(body, `http-equiv="refresh"`) || answer.header.Get("Retry-After") == "" {
					t.Errorf("%s: %v\n%s", path, answer.header, body)
				}
			}
			answer := b.asks("POST", g.local()+"/studio", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Origin: "+g.local())
			if body := answer.body; answer.status != http.StatusServiceUnavailable || !strings.Contains(body, `"reason":"app_unavailable"`) {
				t.Errorf("a program: %d\n%s", answer.status, body)
			}
		})
	}
}

// What breaks off after something was sent is no app that is starting, and
// repeating it by itself might do it twice.
func TestAnAppThatBreaksOffIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	g := w.serve(awaySite)
	b := g.browser()
	b.goes(g.local() + "/")
	w.app.answers(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	wantStatus(t, b.asks("GET", g.local()+"/studio"), http.StatusBadGateway)
}

func TestASiteWithErrorPagesOfItsOwnKeepsThem(t *testing.T) {
	w := newWorld(t)
	g := w.serve(withOSC + `http://localhost {
	osc_proxy {$APP} {
		public /open
	}
	handle_errors {
		respond "our own {http.error.status_code}" 599
	}
}

http://other.localhost {
	osc_proxy {$APP} {
		public /open
	}
}`)
	w.app.server.Close()
	answer := g.browser().asks("GET", g.local()+"/open")
	if body := answer.body; answer.status != 599 || body != "our own 502" {
		t.Errorf("%d %s", answer.status, body)
	}
	answer = g.browser().asks("GET", "http://other.localhost:"+g.port()+"/open")
	if body := answer.body; answer.status != http.StatusServiceUnavailable || !strings.Contains(body, "app_unavailable") {
		t.Errorf("the site beside it: %d %s", answer.status, body)
	}
}

func TestWhatMeansThatNothingWasSent(t *testing.T) {
	dial, read := &net.OpError{Op: "dial", Err: io.EOF}, &net.OpError{Op: "read", Err: io.EOF}
	for _, c := range []struct {
		err  error
		away bool
	}{
		{caddyhttp.Error(http.StatusBadGateway, reverseproxy.NewDialError(io.EOF)), true},
		{caddyhttp.Error(http.StatusBadGateway, dial), true},
		{fmt.Errorf("wrapped: %w", dial), true},
		{caddyhttp.Error(http.StatusServiceUnavailable, errors.New("no upstreams available")), true},
		{caddyhttp.Error(http.StatusServiceUnavailable, errors.New("busy")), false},
		{caddyhttp.Error(http.StatusServiceUnavailable, nil), false},
		{caddyhttp.Error(http.StatusBadGateway, errors.New("no upstreams available")), false},
		{caddyhttp.Error(http.StatusBadGateway, read), false},
		{io.EOF, false},
		{nil, false},
	} {
		if isAppAway(c.err) != c.away {
			t.Errorf("%v: %v", c.err, !c.away)
		}
	}
}

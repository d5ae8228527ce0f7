package osc

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestOnlySafeURLsArePartOfTheProvider(t *testing.T) {
	for raw, want := range map[string]bool{
		"https://app.osaas.io":           true,
		"https://app.osaas.io/path":      true,
		"https://app.osaas.io:8443":      true,
		"http://localhost:9090":          true,
		"http://osc.localhost:9090":      true,
		"http://127.0.0.1:9090":          true,
		"http://127.8.8.8":               true,
		"http://[::1]:9090":              true,
		"http://app.osaas.io":            false,
		"http://localhost.example.com":   false,
		"http://notlocalhost":            false,
		"http://.localhost.example":      false,
		"http://127.0.0.1.example.com":   false,
		"http://0.0.0.0":                 false,
		"http://10.0.0.1":                false,
		"ftp://app.osaas.io":             false,
		"app.osaas.io":                   false,
		"//app.osaas.io":                 false,
		"/api":                           false,
		"https:app.osaas.io":             false,
		"https://":                       false,
		"":                               false,
		"https://user@app.osaas.io":      false,
		"https://user:pass@app.osaas.io": false,
		"https://app.osaas.io?x=1":       false,
		"https://app.osaas.io#x":         false,
		"https://app.osaas.io\r\nX: y":   false,
		"https://app.osaas.io/%zz":       false,
	} {
		if err := CheckURL(raw); (err == nil) != want {
			t.Errorf("CheckURL(%q) is %v, want success %t", raw, err, want)
		}
		if _, err := New(Config{Issuer: raw}); (err == nil) != want {
			t.Errorf("New with issuer %q is %v, want success %t", raw, err, want)
		}
	}
}

func TestANewProviderHasMadeNoCall(t *testing.T) {
	r := newRig(t)
	if r.Issuer() != r.server.URL {
		t.Errorf("issuer is %q", r.Issuer())
	}
	checkAsked(t, r.server, "", 0)
}

func TestNoRedirectIsFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			canary := startServer(t)
			r := newRig(t)
			redirect := answer(status, "", "Location", canary.URL+"/steal?"+marker)
			r.server.on(tokenPath, redirect)
			r.server.on(registerPath, redirect)
			_, exchanged := r.trade(t.Context())
			_, refreshed := r.renew(t.Context())
			_, registered := r.Register(t.Context(), "app", redirectURI)
			for _, err := range []error{exchanged, refreshed, registered} {
				if e := asError(t, err); e.Status != status {
					t.Errorf("error is %v", e)
				}
				checkQuiet(t, err.Error())
			}
			checkAsked(t, canary, "", 0)
			checkAsked(t, r.server, tokenPath, 2)
		})
	}
}

// writeRaw sends bytes that need not be HTTP and closes the connection.
func TestCallsArePostedOnceEvenOnAConnectionThatBreaks(t *testing.T) {
	r := newRig(t)
	r.server.on(tokenPath, answer(200, goodAnswer))
	if _, err := r.trade(t.Context()); err != nil { // the connection is kept
		t.Fatal(err)
	}
	r.server.on(tokenPath, func(w http.ResponseWriter, _ *http.Request) { writeRaw(w, "") })
	if _, err := r.trade(t.Context()); err == nil {
		t.Error("success without an answer")
	}
	checkAsked(t, r.server, tokenPath, 2)
}

func TestCookiesOfTheProviderAreNotKept(t *testing.T) {
	r := newRig(t)
	cookie := []string{"Set-Cookie", "sid=" + marker + "; Path=/"}
	r.server.on(wellKnown, answer(200, `{"issuer":"`+r.server.URL+`"}`, cookie...))
	r.server.on(tokenPath, answer(200, goodAnswer, cookie...))
	for range 2 {
		if _, err := r.trade(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, got := range r.server.asked("") {
		if sent := got.header.Get("Cookie"); sent != "" {
			t.Errorf("%s was sent the cookie %q", got.path, sent)
		}
	}
}

func TestACertificateThatDoesNotFitEndsTheCall(t *testing.T) {
	for name, test := range map[string]struct {
		trusted bool
		host    string
		at      time.Time
		ok      bool
	}{
		"one that is trusted": {trusted: true, host: "127.0.0.1", ok: true},
		"a self-signed one":   {host: "127.0.0.1"},
		"one of another host": {trusted: true, host: "localhost"},
		"an expired one":      {trusted: true, host: "127.0.0.1", at: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		t.Run(name, func(t *testing.T) {
			r, server := newTLSRig(t, test.host)
			transport := newTransport()
			t.Cleanup(transport.CloseIdleConnections)
			transport.TLSClientConfig = &tls.Config{Time: func() time.Time { return test.at }}
			if test.at.IsZero() {
				transport.TLSClientConfig.Time = nil
			}
			if test.trusted {
				transport.TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			}
			r.http.Transport = transport
			_, err := r.trade(t.Context())
			if (err == nil) != test.ok {
				t.Errorf("error is %v, want success %t", err, test.ok)
			}
			var refused *tls.CertificateVerificationError
			if !test.ok && !errors.As(err, &refused) {
				t.Errorf("error %v does not tell the operator why", err)
			}
			if !test.ok {
				checkAsked(t, r.server, "", 0)
				checkQuiet(t, err.Error())
			}
		})
	}
}

func newTLSRig(t *testing.T, host string) (*rig, *httptest.Server) {
	t.Helper()
	s := newAuthServer()
	s.on(tokenPath, answer(200, goodAnswer))
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	s.URL = strings.Replace(server.URL, "127.0.0.1", host, 1)
	return rigFor(t, s, s.URL), server
}

func TestAPlainServerBehindAnHTTPSIssuerIsNotSpokenTo(t *testing.T) {
	server := startServer(t)
	r := rigFor(t, server, strings.Replace(server.URL, "http://", "https://", 1))
	if _, err := r.trade(t.Context()); err == nil {
		t.Error("a plain answer was accepted")
	}
	checkAsked(t, server, "", 0)
}

// drip sends a byte a second until the client leaves.

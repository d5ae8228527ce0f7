package gate_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
	"github.com/Eyevinn/osc-gateway/internal/upstream"
)

// with is what one kind of request carries beside what others do.
func with(all ...headers) headers {
	merged := headers{}
	for _, some := range all {
		maps.Copy(merged, some)
	}
	return merged
}

var webSocket = headers{"Connection": "Upgrade", "Upgrade": "websocket", "Origin": origin, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "websocket"}

func TestAStreamBeginsWithATokenThatLasts(t *testing.T) {
	for name, test := range map[string]struct {
		with    headers
		lasting bool
	}{
		"a WebSocket":               {webSocket, true},
		"an upgrade to anything":    {with(webSocket, headers{"Upgrade": "foo"}), true},
		"an EventSource":            {with(scripted, headers{"Accept": "text/event-stream"}), true},
		"events among other things": {with(scripted, headers{"Accept": "application/json, text/event-stream"}), true},
		"a page":                    {navigation, false},
		"a script":                  {scripted, false},
	} {
		r := newRig(t)
		b := r.signedIn("ada", "acme")
		if a := b.do("GET", "/app/x", test.with); !a.passed || r.app.last().header.Get("X-Pat-Jwt") != bearer("ada") {
			t.Fatalf("%s: %d %s", name, a.Code, a.Body)
		}
		if lasting, fresh := r.vault.count("Lasting"), r.vault.count("Fresh"); (lasting == 1) != test.lasting || lasting+fresh != 1 {
			t.Errorf("%s: Lasting was asked %d times, Fresh %d times", name, lasting, fresh)
		}
	}
}

func TestAStreamThatCanNotBeginIsToldWhy(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	r.vault.fails("Lasting", &tokens.Unavailable{Part: tokens.PartProvider, RetryAfter: 3 * time.Second, Err: errDown})
	if a := b.do("GET", "/app", webSocket); a.Code != http.StatusServiceUnavailable || a.reason() != "provider_unavailable" || a.Header().Get("Retry-After") != "3" {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	r.vault.fails("Lasting", &tokens.Ended{Reason: tokens.EndRevoked})
	if a := b.do("GET", "/app", webSocket); a.Code != http.StatusUnauthorized || a.reason() != "session_revoked" {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

func TestAStreamOfARouteIsToldToTheVaultAndEndsWhenItSays(t *testing.T) {
	r := newRig(t, func(_ *rig, cfg *gate.Config) {
		cfg.Routes = gate.NewTable(&gate.Route{Mode: gate.Required, Token: patHeader, Streams: 3 * time.Hour}, false)
	})
	b := r.signedIn("ada", "acme")
	begun := make(chan struct{})
	r.app.serve = func(w http.ResponseWriter, req *http.Request) error {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		close(begun)
		<-req.Context().Done()
		return nil
	}
	req := request(t, "GET", "/app/events?token=in-the-query", with(scripted, headers{"Accept": "text/event-stream"}))
	b.attach(req)
	served := make(chan struct{})
	go func() {
		defer close(served)
		r.serve(req)
	}()
	<-begun
	stream, closed := r.vault.stream(0)
	if stream.Kind != "sse" || stream.Path != "/app/events" || stream.Most != 3*time.Hour || closed != 0 {
		t.Errorf("the vault was told of %+v, %d closed", stream, closed)
	}
	stream.End()
	<-served
	if _, closed := r.vault.stream(0); closed != 1 {
		t.Errorf("%d closed", closed)
	}
	r.checkLog("in-the-query")
}

func TestAStreamOfNobodyIsToldToNobody(t *testing.T) {
	r := newRig(t)
	r.app.serve = func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		return nil
	}
	b := r.signedIn("ada", "acme")
	b.navigate("/assets/x")               // public, though somebody is signed in
	r.browser().navigate("/maybe/x")      // anonymous
	r.browser().do("GET", "/", headers{}) // likewise
	if r.vault.count("Renew")+len(r.vault.streams) != 0 {
		t.Errorf("told of %v", r.vault.streams)
	}
}

// through is our transport in front of an upstream that refuses all tokens but
// the newest. It counts what the upstream got.
func through(r *rig, newest string, got *[]http.Header) gate.Handler {
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		*got = append(*got, req.Header.Clone())
		status := http.StatusUnauthorized
		for _, values := range req.Header {
			if strings.Join(values, "") == newest {
				status = http.StatusOK
			}
		}
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody}, nil
	})
	return handler(func(w http.ResponseWriter, req *http.Request) error {
		req = req.Clone(req.Context())
		req.RequestURI, req.Body = "", nil
		resp, err := (&upstream.Transport{Base: base, Hygiene: r.app.hygiene}).RoundTrip(req)
		if err == nil {
			w.WriteHeader(resp.StatusCode)
		}
		return err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// passes sends a request of a browser through the gate to a handler.
func (b *browser) passes(method, target string, next gate.Handler) int {
	b.rig.t.Helper()
	req := request(b.rig.t, method, target, with(scripted, headers{"Origin": origin}))
	b.attach(req)
	w := httptest.NewRecorder()
	if err := b.rig.gate.ServeHTTP(w, req, next); err != nil {
		b.rig.t.Fatal(err)
	}
	return w.Code
}

const newerToken = canary + "access-newer"

// transportRig is a gate in front of our transport, with a route of a service, one
// without a token and one with jobs.
func transportRig(t *testing.T) *rig {
	return newRig(t, func(_ *rig, cfg *gate.Config) {
		cfg.InPlace = false
		table := gate.NewTable(&gate.Route{Mode: gate.Required, Token: patHeader, Identity: true}, false)
		table.Add(under("/service"), &gate.Route{Mode: gate.Required, Token: gate.TokenHeader{Name: "Authorization"}, Service: "the-service"})
		table.Add(under("/off"), &gate.Route{Mode: gate.Required, Identity: true})
		table.Add(under("/jobs"), &gate.Route{Mode: gate.Required, Token: patHeader, Jobs: time.Hour})
		table.Add(under("/raw"), &gate.Route{Mode: gate.Required, Token: gate.TokenHeader{Name: "X-Pat-Jwt", Raw: true}})
		cfg.Routes = table
	})
}

func TestATokenTheUpstreamRefusesIsRenewedAndTheRequestSentAgain(t *testing.T) {
	for name, test := range map[string]struct {
		target, field, first, second string
	}{
		"the user's own": {"/app", "X-Pat-Jwt", bearer("ada"), "Bearer " + newerToken},
		"bare":           {"/raw", "X-Pat-Jwt", canary + "access-ada", newerToken},
		"with a job":     {"/jobs", "X-Pat-Jwt", bearer("ada"), "Bearer " + newerToken},
		"a service's":    {"/service", "Authorization", "Bearer " + canary + "the-service", "Bearer " + newerToken},
	} {
		t.Run(name, func(t *testing.T) {
			r := transportRig(t)
			r.vault.newer, r.services.newer = secret.New(newerToken), secret.New(newerToken)
			var got []http.Header
			status := r.signedIn("ada", "acme").passes("GET", test.target, through(r, test.second, &got))
			if status != http.StatusOK || len(got) != 2 || got[0].Get(test.field) != test.first || got[1].Get(test.field) != test.second {
				t.Fatalf("%d; the upstream got %v", status, got)
			}
			for _, field := range []string{"X-Osc-User", "X-Osc-Tenant", gate.JobHeader} {
				if got[0].Get(field) != got[1].Get(field) {
					t.Errorf("%s is %q, then %q", field, got[0].Get(field), got[1].Get(field))
				}
			}
			if service := test.target == "/service"; service != (r.vault.count("Renew") == 0) || service != (len(r.services.renewed) == 1) {
				t.Errorf("the vault renewed %d times, services %v", r.vault.count("Renew"), r.services.renewed)
			}
			if test.target == "/jobs" && got[1].Get(gate.JobHeader) == "" {
				t.Error("the handle is gone")
			}
			r.checkLog()
		})
	}
}

func TestWithoutAnotherTokenTheUpstreamsRefusalIsTheAnswer(t *testing.T) {
	for name, prepare := range map[string]func(r *rig){
		"it is the same": func(r *rig) {
			r.vault.newer, r.services.newer = secret.New(canary+"access-ada"), secret.New(canary+"the-service")
		},
		"there is none": func(r *rig) {
			r.vault.fails("Renew", &tokens.Unavailable{Part: tokens.PartProvider, Err: errDown})
		},
		"the session ended": func(r *rig) { r.vault.fails("Renew", &tokens.Ended{Reason: tokens.EndRejected}) },
	} {
		for _, target := range []string{"/app", "/service"} {
			r := transportRig(t)
			b := r.signedIn("ada", "acme")
			prepare(r)
			if name != "it is the same" { // the first exchange is to succeed
				r.services.newer = secret.String{}
			}
			var got []http.Header
			next := through(r, "Bearer "+newerToken, &got)
			status := b.passes("GET", target, handler(func(w http.ResponseWriter, req *http.Request) error {
				if name != "it is the same" {
					r.services.err = errDown
				}
				return next.ServeHTTP(w, req)
			}))
			if status != http.StatusUnauthorized || len(got) != 1 {
				t.Errorf("%s, %s: %d after %d attempts", name, target, status, len(got))
			}
			r.checkLog()
		}
	}
}

// What can't be sent again goes out as it is, and the next request has another
// token.
func TestARefusalOfWhatCanNotBeSentAgainIsSeenToBehindIt(t *testing.T) {
	r := transportRig(t)
	r.vault.newer = secret.New(newerToken)
	var got []http.Header
	if status := r.signedIn("ada", "acme").passes("POST", "/app", through(r, "Bearer "+newerToken, &got)); status != http.StatusUnauthorized || len(got) != 1 {
		t.Errorf("%d after %d attempts", status, len(got))
	}
	if refused := <-r.vault.renewals; refused.Reveal() != canary+"access-ada" {
		t.Errorf("renewed as %q was refused", refused.Reveal())
	}
}

func TestARefusalInPlaceIsSeenToBehindIt(t *testing.T) {
	r := newRig(t)
	r.app.serve = func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	if a := r.signedIn("ada", "acme").do("GET", "/app", scripted); a.Code != http.StatusUnauthorized {
		t.Errorf("%d", a.Code)
	}
	if refused := <-r.vault.renewals; refused.Reveal() != canary+"access-ada" {
		t.Errorf("renewed as %q was refused", refused.Reveal())
	}
}

// Whatever a 401 is about there, it is no token of ours.
func TestARefusalWhereNoTokenIsSentRenewsNothing(t *testing.T) {
	r := transportRig(t)
	r.vault.newer = secret.New(newerToken)
	b := r.signedIn("ada", "acme")
	var got []http.Header
	for _, method := range []string{"GET", "POST"} {
		if status := b.passes(method, "/off", through(r, newerToken, &got)); status != http.StatusUnauthorized {
			t.Errorf("%d", status)
		}
	}
	if len(got) != 2 || r.vault.count("Renew") != 0 {
		t.Errorf("%d attempts of two requests, %d renewals", len(got), r.vault.count("Renew"))
	}
}

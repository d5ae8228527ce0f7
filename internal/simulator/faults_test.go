package simulator

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// gate is a Wait that says it was reached and goes on when told.
func gate(arrived chan<- struct{}, release <-chan struct{}) func(context.Context, time.Duration) error {
	return func(ctx context.Context, _ time.Duration) error {
		arrived <- struct{}{}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// answeringFault is a fault and what is seen of it.
type answeringFault struct {
	fault       Fault
	status      int
	contentType string
	body        string
}

func answeringFaults() map[string]answeringFault {
	return map[string]answeringFault{
		"500":            {Fault{Kind: Fault500}, 500, "application/json", "server_error"},
		"502 with HTML":  {Fault{Kind: Fault502HTML}, 502, "text/html", "502 Bad Gateway"},
		"503":            {Fault{Kind: Fault503}, 503, "text/plain", "upstream"},
		"429":            {Fault{Kind: Fault429}, 429, "application/json", "statusCode"},
		"401 empty":      {Fault{Kind: Fault401Empty}, 401, "", ""},
		"Fastify 404":    {Fault{Kind: FaultFastify404}, 404, "application/json", "Route POST:/api/connect/token not found"},
		"200 HTML":       {Fault{Kind: FaultHTML}, 200, "text/html", "back soon"},
		"invalid client": {Fault{Kind: FaultInvalidClient}, 401, "application/json", "invalid_client"},
		"invalid grant":  {Fault{Kind: FaultInvalidGrant}, 400, "application/json", "invalid_grant"},
		"a redirect":     {Fault{Kind: FaultRedirect307}, 307, "", ""},
		"any reply": {Fault{Kind: FaultReply, Status: 202, Body: `{"access_token":1}`, Headers: map[string]string{"Content-Type": "application/x", "Set-Cookie": "a=b"}},
			202, "application/x", `{"access_token":1}`},
		"a huge body": {Fault{Kind: FaultHugeBody, SizeBytes: 100_000}, 200, "application/json", strings.Repeat("a", 100_000)},
	}
}

func TestFaultsThatAnswer(t *testing.T) {
	for name, tc := range answeringFaults() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{})
			client, tokens := w.signIn("alice", "acme")
			tc.fault.Count = 1
			tc.fault.RetryAfterSeconds = 7
			w.knobs(func(k *Knobs) { k.Faults = []Fault{tc.fault} })
			a := w.refresh(client, tokens["refresh_token"].(string))
			if a.status != tc.status || !strings.HasPrefix(a.header.Get("Content-Type"), tc.contentType) || !strings.Contains(a.body, tc.body) {
				t.Errorf("got %d %v %.200q", a.status, a.header, a.body)
			}
			if tc.fault.Kind == Fault429 && a.header.Get("Retry-After") != "7" {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
			if to := a.header.Get("Location"); to != "" {
				w.wantStatus(w.call("POST", to, ""), http.StatusTeapot)
			}
			// Nothing took effect, and the fault is used up.
			w.wantStatus(w.refresh(client, tokens["refresh_token"].(string)), 200)
			if left := w.sim.Knobs().Faults; len(left) != 0 {
				t.Errorf("left %v", left)
			}
			if c := w.sim.Counters(); c.Faults != 1 || c.RefreshesOK != 1 || c.RefreshRejected != 0 {
				t.Errorf("counters %+v", c)
			}
		})
	}
}

func TestFaultsThatBreakTheConnection(t *testing.T) {
	for name, tc := range map[string]struct {
		kind      string
		committed bool
	}{
		"before anything is done": {FaultCloseBefore, false},
		"after the rotation":      {FaultCloseAfterCommit, true},
		"in the middle of it":     {FaultCloseMidBody, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{})
			client, tokens := w.signIn("alice", "acme")
			w.knobs(func(k *Knobs) { k.Faults = []Fault{{Kind: tc.kind, Count: 1}} })
			form := with(client, "grant_type", "refresh_token", "refresh_token", tokens["refresh_token"].(string))
			if a, err := w.trySend(w.request("POST", "/api/connect/token", form.Encode(), formType)); err == nil {
				t.Fatalf("answered %+v", a)
			}
			want := 200
			if tc.committed {
				want = 400
			}
			w.wantStatus(w.token(form), want)
		})
	}
}

func TestFaultsThatDamageTheAnswer(t *testing.T) {
	w := newWorld(t, Config{})
	client, tokens := w.signIn("alice", "acme")
	w.knobs(func(k *Knobs) {
		k.Token.Rotation = RotationNone
		k.Faults = []Fault{{Kind: FaultWrongTokenType, Count: 1}, {Kind: FaultTruncatedJSON, Count: 1}, {Kind: FaultSlowBody, Count: 1, DelayMS: 20}}
	})
	refresh := func() answer { return w.refresh(client, tokens["refresh_token"].(string)) }
	if m := refresh().json(t); m["token_type"] != "mac" {
		t.Errorf("token type %v", m)
	}
	if a := refresh(); a.status != 200 || !strings.HasPrefix(a.body, "{") || strings.HasSuffix(a.body, "}") {
		t.Errorf("truncated %q", a.body)
	}
	a := refresh()
	if a.json(t)["token_type"] != "Bearer" || len(w.pauses()) != len(a.body)-1 || w.pauses()[0] != 20*time.Millisecond {
		t.Errorf("slow body of %d bytes waited %d times", len(a.body), len(w.pauses()))
	}
	if c := w.sim.Counters(); c.RefreshesOK != 3 {
		t.Errorf("counters %+v", c)
	}
}

func TestFaultScopesCountsAndEndpoints(t *testing.T) {
	w := newWorld(t, Config{})
	client, tokens := w.signIn("alice", "acme")
	w.knobs(func(k *Knobs) {
		k.Faults = []Fault{
			{Kind: FaultDelay, DelayMS: 250},
			{Kind: Fault500, Scope: ScopeRefresh, Count: 2},
			{Kind: Fault503, Scope: ScopeCode},
			{Kind: Fault401Empty, Endpoint: EndpointPlan},
		}
	})
	for _, want := range []int{500, 500, 200} {
		a := w.wantStatus(w.refresh(client, tokens["refresh_token"].(string)), want)
		if want == 200 {
			tokens = a.json(t)
		}
	}
	for range 3 {
		w.wantStatus(w.exchange(client, "x"), 503)
	}
	w.wantStatus(w.call("GET", "/money/mytenantplan", ""), 401)
	if p := w.pauses(); len(p) != 6 || p[0] != 250*time.Millisecond {
		t.Errorf("waited %v", p)
	}
	if left := w.sim.Knobs().Faults; len(left) != 3 || left[1].Kind != Fault503 || left[1].Count != 0 {
		t.Errorf("left %+v", left)
	}
	w.knobs(func(k *Knobs) { k.Faults = nil })
	w.wantStatus(w.refresh(client, tokens["refresh_token"].(string)), 200)
}

func TestAHangEndsWithTheClient(t *testing.T) {
	w := newWorld(t, Config{Knobs: Knobs{Faults: []Fault{{Kind: FaultHang}}}})
	ended := make(chan struct{})
	seen := make(chan struct{})
	inner := w.sim.mux
	w.sim.mux = http.NewServeMux()
	w.sim.mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		defer close(ended)
		close(seen)
		inner.ServeHTTP(rw, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		r, err := w.request("POST", "/api/connect/token", "grant_type=refresh_token", formType)
		if err == nil {
			_, err = w.trySend(r.WithContext(ctx), nil)
		}
		failed <- err
	}()
	<-seen
	cancel()
	if err := <-failed; err == nil {
		t.Error("a hang was answered")
	}
	<-ended
}

func TestHangsDelaysAndBodiesEndWithClose(t *testing.T) {
	for name, fault := range map[string]Fault{
		"a hang":      {Kind: FaultHang},
		"a delay":     {Kind: FaultDelay, DelayMS: 3_600_000},
		"a slow body": {Kind: FaultSlowBody, DelayMS: 3_600_000},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{Wait: sleep, Knobs: Knobs{Faults: []Fault{fault}}})
			w.sim.Close()
			if _, err := w.trySend(w.request("POST", "/api/connect/token", "grant_type=refresh_token", formType)); err == nil {
				t.Error("it was answered")
			}
		})
	}
}

func TestAHugeBodyEndsWithClose(t *testing.T) {
	w := newWorld(t, Config{Knobs: Knobs{Faults: []Fault{{Kind: FaultHugeBody, SizeBytes: 1 << 40}}}})
	r, err := w.request("POST", "/api/connect/token", "", formType)
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	w.sim.Close() // the server's own Close, in Cleanup, waits for the handler
}

package gate_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

var listening = with(scripted, headers{"Accept": "text/event-stream"})

// sentEvent is an event as an EventSource reads it.
type sentEvent struct {
	ID, Event string
	Data      map[string]any
}

// readEvents reads what a stream has sent.
func readEvents(t *testing.T, text string) (all []sentEvent) {
	t.Helper()
	for block := range strings.SplitSeq(text, "\n\n") {
		var one sentEvent
		for line := range strings.SplitSeq(block, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			switch name {
			case "id":
				one.ID = value
			case "event":
				one.Event = value
			case "data":
				if err := json.Unmarshal([]byte(value), &one.Data); err != nil {
					t.Fatalf("%v: %s", err, value)
				}
			}
		}
		if one.Event == "" {
			continue
		}
		if one.ID == "" || one.Data["type"] != one.Event {
			t.Errorf("an event like %+v", one)
		}
		all = append(all, one)
	}
	return all
}

// listens sends a request for events that stays, until the test ends it.
func (b *browser) listens(ctx context.Context) (changes chan tokens.Change, answered <-chan answer) {
	b.rig.t.Helper()
	req := request(b.rig.t, "GET", "/auth/events", listening).WithContext(ctx)
	b.attach(req)
	done := make(chan answer, 1)
	go func() { done <- b.rig.serve(req) }()
	return <-b.rig.vault.watched, done
}

func TestEventsTellWhatBecomesOfTheSession(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	changes, answered := b.listens(t.Context())
	later := *r.vault.sessions[b.session].session
	later.TokenExpires, later.Ends = later.TokenExpires.Add(time.Hour), r.clock.Now().Add(5*time.Minute)
	for _, kind := range []tokens.ChangeKind{tokens.Refreshed, tokens.Expiring, tokens.Extended} {
		changes <- tokens.Change{Kind: kind, Session: &later}
	}
	changes <- tokens.Change{Kind: tokens.Over, Reason: tokens.EndRevoked}
	close(changes)
	a := <-answered
	if h := a.Header(); a.Code != http.StatusOK || h.Get("Content-Type") != "text/event-stream" || h.Get("X-Accel-Buffering") != "no" || !a.Flushed {
		t.Errorf("%d %v", a.Code, h)
	}
	got := readEvents(t, a.Body.String())
	var kinds []string
	for _, event := range got {
		kinds = append(kinds, event.Event)
	}
	if strings.Join(kinds, " ") != "session refreshed expiring session ended" {
		t.Fatalf("told of %q", kinds)
	}
	asked := map[string]any{"type": "session"}
	if err := json.Unmarshal(b.do("GET", "/auth/session", scripted).Body.Bytes(), &asked); err != nil {
		t.Fatal(err)
	}
	if said := got[0].Data; len(said) != len(asked) || said["user"] != "ada" || said["token_expires_at"] != asked["token_expires_at"] {
		t.Errorf("at first %v, and asked %v", said, asked)
	}
	if moved := later.TokenExpires.Format(time.RFC3339); got[1].Data["token_expires_at"] != moved {
		t.Errorf("refreshed: %v, want %s", got[1].Data, moved)
	}
	if near := later.Ends.Format(time.RFC3339); got[2].Data["idle_expires_at"] != near || got[2].Data["signed_in"] != true {
		t.Errorf("expiring: %v, want %s", got[2].Data, near)
	}
	if last := got[4].Data; last["signed_in"] != false || last["reason"] != "session_revoked" || last["signin_url"] != "/auth/signin" || last["user"] != nil {
		t.Errorf("ended: %v", last)
	}
	<-r.vault.left
	if used := r.vault.count("Fresh") + r.vault.count("Lasting") + r.vault.count("Renew"); used != 0 {
		t.Errorf("listening counted as use %d times", used)
	}
	r.checkLog()
}

func TestEventsTellNobodyThatNobodyIsSignedInAndStop(t *testing.T) {
	r := newRig(t)
	ended := r.signedIn("ada", "acme")
	r.vault.end(ended.session, tokens.EndRejected)
	for name, test := range map[string]struct {
		who    *browser
		reason any
	}{"no session": {r.browser(), nil}, "one that ended": {ended, "refresh_rejected"}} {
		before := test.who.cookies()
		a := test.who.do("GET", "/auth/events", listening)
		got := readEvents(t, a.Body.String())
		if a.Code != http.StatusOK || len(got) != 1 || got[0].Event != "session" || got[0].Data["signed_in"] != false || got[0].Data["reason"] != test.reason {
			t.Errorf("%s: %d %v", name, a.Code, got)
		}
		again := test.who.do("GET", "/auth/events", with(listening, headers{"Last-Event-ID": "1"}))
		if again.Code != http.StatusNoContent || again.Body.Len() != 0 {
			t.Errorf("%s, again: %d %s", name, again.Code, again.Body)
		}
		if test.who.cookies() != before {
			t.Errorf("%s: cookies were touched", name)
		}
	}
	if r.vault.count("Watch") != 0 {
		t.Error("somebody watches what is over")
	}
}

func TestEventsDoNotGuessWhileTheStoreIsAway(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	r.vault.fails("Peek", &tokens.Unavailable{Part: tokens.PartStore, Err: errDown})
	for _, id := range []string{"", "1"} {
		a := b.do("GET", "/auth/events", with(listening, headers{"Last-Event-ID": id}))
		if a.Code != http.StatusServiceUnavailable || a.reason() != "store_unavailable" || strings.Contains(a.Body.String(), "signed_in") {
			t.Errorf("%d %s", a.Code, a.Body)
		}
	}
}

func TestEventsAreForPagesOfTheSiteAlone(t *testing.T) {
	r := newRig(t, func(_ *rig, cfg *gate.Config) {
		cfg.Routes = gate.NewTable(&gate.Route{Mode: gate.Required, CrossOrigin: []string{"https://friend.example"}}, false)
	})
	b := r.signedIn("ada", "acme")
	for name, elsewhere := range map[string]headers{
		"another site":                      {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
		"a tenant next door":                {"Origin": "https://other.apps.example.com", "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
		"an origin the routes let in":       {"Origin": "https://friend.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
		"an old browser, elsewhere":         {"Origin": "https://evil.example"},
		"a page without an origin":          {"Origin": "null"},
		"an image":                          {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
		"a link that was followed to it":    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
		"a frame of a tenant next door":     {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
		"a page that says it is two things": {"Origin": "https://evil.example, " + origin},
	} {
		a := b.do("GET", "/auth/events", with(headers{"Accept": "text/event-stream"}, elsewhere))
		if a.Code != http.StatusForbidden || a.Header().Get("Access-Control-Allow-Origin") != "" || r.vault.count("Peek")+r.vault.count("Watch") != 0 {
			t.Errorf("%s: %d %s", name, a.Code, a.Body)
		}
	}
}

func TestAStreamOfEventsEndsWithItsClientOrTheServer(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	ctx, leave := context.WithCancel(t.Context())
	_, answered := b.listens(ctx)
	leave()
	<-answered
	<-r.vault.left

	changes, answered := b.listens(t.Context())
	close(changes)
	if got := readEvents(t, (<-answered).Body.String()); len(got) != 1 || got[0].Event != "session" {
		t.Errorf("the server ends, and tells %v", got)
	}
	<-r.vault.left
}

func TestAClientThatMadePlaceForAnotherStaysAwayForAWhile(t *testing.T) {
	r := newRig(t)
	changes, answered := r.signedIn("ada", "acme").listens(t.Context())
	changes <- tokens.Change{Kind: tokens.Displaced}
	close(changes)
	if body := (<-answered).Body.String(); !strings.Contains(body, "\n\nretry: 60000\n\n") || strings.Contains(body, "ended") {
		t.Errorf("told:\n%s", body)
	}
}

func TestASilentStreamOfEventsSendsHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		changes, answered := r.signedIn("ada", "acme").listens(t.Context())
		<-time.After(time.Minute + time.Second)
		close(changes)
		if body := (<-answered).Body.String(); strings.Count(body, "\n\n:") != 3 {
			t.Errorf("in a minute:\n%s", body)
		}
	})
}

// deadlines is a client's connection, which keeps what limits it is given. It
// can be broken.
type deadlines struct {
	*httptest.ResponseRecorder
	write  []time.Time
	broken bool
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.write = append(d.write, at)
	return nil
}

func (d *deadlines) Write(b []byte) (int, error) {
	if d.broken {
		return 0, http.ErrHandlerTimeout
	}
	return d.ResponseRecorder.Write(b)
}

func (d *deadlines) WriteString(text string) (int, error) { return d.Write([]byte(text)) }

func TestEventsEndWhereNobodyReads(t *testing.T) {
	for _, broken := range []bool{false, true} {
		r := newRig(t)
		b := r.signedIn("ada", "acme")
		req := request(t, "GET", "/auth/events", listening)
		b.attach(req)
		w := &deadlines{ResponseRecorder: httptest.NewRecorder(), broken: broken}
		done := make(chan error, 1)
		go func() { done <- r.gate.ServeHTTP(w, req, r.app) }()
		changes := <-r.vault.watched
		if !broken {
			close(changes)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		<-r.vault.left
		if len(w.write) != 1 || !w.write[0].Equal(r.clock.Now().Add(30*time.Second)) {
			t.Errorf("limits for writing: %v", w.write)
		}
	}
}

func TestTheScriptIsOneSmallFileThatIsAskedForOnce(t *testing.T) {
	r := newRig(t)
	a := r.serve(request(t, "GET", "/auth/session.js", scripted))
	h := a.Header()
	etag := h.Get("ETag")
	if a.Code != http.StatusOK || h.Get("Content-Type") != "text/javascript; charset=utf-8" || len(etag) < 10 || etag[0] != '"' {
		t.Fatalf("%d %v", a.Code, h)
	}
	if size := a.Body.Len(); size < 1024 || size > 4096 {
		t.Errorf("%d bytes", size)
	}
	for _, foreign := range []string{"eval(", "innerHTML", "document.cookie", "new Function", "import("} {
		if strings.Contains(a.Body.String(), foreign) {
			t.Errorf("it has %s", foreign)
		}
	}
	again := r.serve(request(t, "GET", "/auth/session.js", with(scripted, headers{"If-None-Match": etag})))
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 || again.Header().Get("ETag") != etag {
		t.Errorf("again: %d %v", again.Code, again.Header())
	}
	other := r.serve(request(t, "GET", "/auth/session.js", with(scripted, headers{"If-None-Match": `"other"`})))
	if other.Code != http.StatusOK || other.Body.String() != a.Body.String() {
		t.Errorf("another: %d", other.Code)
	}
	if r.vault.touched() != 0 {
		t.Error("the store was asked")
	}
}

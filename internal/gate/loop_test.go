package gate_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const roundsCookie = "__Host-osc_session_rounds"

// goesRound signs a browser in as often as the gateway lets it; after each time,
// spoil does what makes it come back without a session.
func (b *browser) goesRound(spoil func()) (stopped answer) {
	b.rig.t.Helper()
	for round := range 3 {
		state := b.start("/app")
		if state == "" {
			b.rig.t.Fatalf("round %d: not sent to sign in", round+1)
		}
		b.finish(state)
		spoil()
	}
	return b.navigate("/app")
}

// stopped checks that an answer ends a loop with a diagnosis, for the person and
// for the operator.
func (r *rig) stopped(a answer, diagnosis string) {
	r.t.Helper()
	body := a.Body.String()
	if a.Code != http.StatusLoopDetected || !strings.Contains(body, "redirect_loop") || !strings.Contains(body, "Diagnosis: "+diagnosis+".") {
		r.t.Fatalf("%d, want 508 and %s:\n%s", a.Code, diagnosis, body)
	}
	if log := r.log.String(); !strings.Contains(log, "level=WARN msg=refused reason=redirect_loop") || !strings.Contains(log, "diagnosis="+diagnosis) {
		r.t.Errorf("the log does not say %s:\n%s", diagnosis, log)
	}
	r.checkLog()
}

// A browser that keeps no session cookie, and a provider that approves by
// itself, would go round for ever.
func TestABrowserThatDoesNotKeepItsSessionIsNotSentRoundForEver(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	r.stopped(b.goesRound(func() { delete(b.jar, sessionCookie) }), "cookie_missing")
	if again := b.navigate("/app"); !again.toProvider() {
		t.Fatalf("trying again by hand got %d", again.Code)
	}
}

func TestALoopSaysThatTheCookieComesBackSealedWithAnotherKey(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	other := cookies.New(newRing(t), jarConfig)
	ticket, err := tokens.NewTicket(strings.NewReader(strings.Repeat("t", tokens.TicketSize)))
	if err != nil {
		t.Fatal(err)
	}
	r.stopped(b.goesRound(func() {
		h := http.Header{}
		if err := other.SetSession(h, site, ticket, time.Hour); err != nil {
			t.Fatal(err)
		}
		b.keep(h)
	}), "cookie_unreadable")
}

func TestALoopSaysThatTwoCookiesComeBack(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	for range 3 {
		b.finish(b.start("/app"))
		b.jar["a"] = "b; " + sessionCookie + "=another"
	}
	r.stopped(b.navigate("/app"), "cookie_twice")
}

func TestALoopSaysThatTheStoreDoesNotKnowTheSession(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	r.stopped(b.goesRound(func() {
		for _, name := range r.vault.names() {
			r.vault.forget(name)
		}
	}), "session_unknown")
}

func TestALoopSaysThatSessionsEndAtOnce(t *testing.T) {
	for reason, diagnosis := range map[tokens.EndReason]string{
		tokens.EndExpired: "clock", tokens.EndRejected: "session_ended", tokens.EndRevoked: "session_ended",
	} {
		r := newRig(t)
		b := r.browser()
		r.stopped(b.goesRound(func() {
			for _, name := range r.vault.names() {
				r.vault.end(name, reason)
			}
		}), diagnosis)
	}
}

// The browser forgets rounds after a minute: older ones were noted by another
// clock, and so were those of the future.
func TestALoopSaysThatAClockIsWrong(t *testing.T) {
	for _, jump := range []time.Duration{5 * time.Minute, -time.Minute} {
		r := newRig(t)
		b := r.browser()
		for range 3 {
			b.finish(b.start("/app"))
			delete(b.jar, sessionCookie)
		}
		r.clock.Advance(jump)
		r.stopped(b.navigate("/app"), "clock")
	}
}

// seenAs is a gate that is asked as a test says.
func seenAs(scheme, host *string) func(*rig, *gate.Config) {
	return func(_ *rig, cfg *gate.Config) {
		cfg.Asked = func(*http.Request) (string, string) { return *scheme, *host }
	}
}

// The pages are on www, or on http: what is set there does not come along to the
// callback, and what the callback sets does not come along to the pages.
func TestALoopSaysThatPagesAreElsewhereThanThePublicURL(t *testing.T) {
	for diagnosis, at := range map[string]struct{ scheme, host string }{
		"other_host": {"https", "www.example.com"}, "other_scheme": {"http", "app.example.com"},
	} {
		scheme, host := "", ""
		r := newRig(t, seenAs(&scheme, &host))
		pages, callbacks := r.browser(), r.browser()
		last := answer{}
		rounds := 0
		for ; rounds < 10; rounds++ {
			scheme, host = at.scheme, at.host
			state := pages.start("/app")
			pages.jar = map[string]string{}
			scheme, host = "https", "app.example.com:443"
			last = callbacks.finish(state)
			if last.toProvider() { // the second attempt
				last = callbacks.finish(last.state(t))
			}
			if last.Code != http.StatusFound {
				break
			}
		}
		r.stopped(last, diagnosis)
		if rounds != 3 {
			t.Errorf("%s: %d rounds", diagnosis, rounds)
		}
	}
}

// A proxy that passes on neither host nor scheme makes every request look as if
// it came elsewhere. That alone means nothing.
func TestAProxyThatHidesTheHostIsNoLoop(t *testing.T) {
	scheme, host := "http", "10.0.0.1:8080"
	r := newRig(t, seenAs(&scheme, &host))
	b := r.browser()
	for range 5 {
		b.finish(b.start("/app"))
		b.works("ada")
		b.do("POST", "/auth/signout", nil)
	}
	b.finish(b.start("/app"))
	b.works("ada")
	if b.has(roundsCookie) {
		t.Error("rounds are counted")
	}
}

func TestALoopSaysThatTheAppSendsPeopleToSignInWhoAreSignedIn(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	b.finish(b.start("/app"))
	b.works("ada")
	asked := answer{}
	for round := 1; round < 10; round++ {
		asked = b.do("GET", "/auth/signin?return_to=/app", fromAway)
		if !asked.toProvider() {
			if round != 3 {
				t.Errorf("stopped at round %d", round)
			}
			break
		}
		b.finish(asked.state(t))
		b.works("ada")
	}
	r.stopped(asked, "app_redirect")
	b.works("ada")
}

func TestWhoSignsInAnewByHandIsInNoLoop(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	b.finish(b.start("/app"))
	byHand := headers{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-User": "?1"}
	for range 5 {
		b.finish(b.do("GET", "/auth/signin?return_to=/app", byHand).state(t))
		b.works("ada")
	}
	for range 5 { // with time between them
		r.clock.Advance(2 * time.Minute)
		b.finish(b.do("GET", "/auth/signin?return_to=/app", fromAway).state(t))
	}
}

func TestASecondAttemptThatIsLostSaysWhy(t *testing.T) {
	for diagnosis, spoil := range map[string]func(*browser){
		"cookie_missing": func(b *browser) { b.jar = map[string]string{} },
		"cookie_unreadable": func(b *browser) {
			for name := range b.jar {
				b.jar[name] += "x"
			}
		},
	} {
		r := newRig(t)
		b := r.browser()
		first := b.start("/app")
		b.jar = map[string]string{}
		second := b.finish(first).state(t)
		spoil(b)
		if a := b.finish(second); a.Code != 400 || !strings.Contains(a.Body.String(), "Diagnosis: "+diagnosis+".") || !strings.Contains(a.Body.String(), "flow_expired") {
			t.Errorf("%d, want %s:\n%s", a.Code, diagnosis, a.Body)
		}
	}
}

func TestSigningOutAndInAgainIsNoLoop(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	for range 6 {
		b.finish(b.start("/app"))
		b.works("ada")
		b.do("POST", "/auth/signout", nil)
	}
}

package gate_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func TestFiftyIdenticalCallbacksExchangeTheCodeOnce(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	state := b.start("/app/x")
	release, begun := make(chan struct{}), make(chan struct{}, 50)
	r.clients.does(func(context.Context, string) (tokens.Set, error) {
		begun <- struct{}{}
		<-release
		return grant("ada", "acme"), nil
	})
	tabs := make([]*browser, 50)
	answers := make([]answer, 50)
	var all sync.WaitGroup
	for i := range tabs {
		tabs[i] = b.copyOf()
		all.Go(func() { answers[i] = tabs[i].finish(state) })
	}
	<-begun
	close(release)
	all.Wait()
	if calls := r.clients.calls(); len(calls) != 1 {
		t.Errorf("%d exchanges", len(calls))
	}
	if names := r.vault.names(); len(names) != 1 {
		t.Errorf("%d sessions", len(names))
	}
	for i, a := range answers {
		if a.location() != "/app/x" {
			t.Errorf("callback %d: %d %s", i, a.Code, a.location())
		}
		tabs[i].works("ada")
	}
}

func TestAFinishedSignInAnswersItsCallbackOnceMore(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	state := b.start("/app/x")
	lost := b.copyOf() // the browser, had the first answer not arrived
	b.finish(state)
	if a := lost.finish(state); a.location() != "/app/x" {
		t.Errorf("%d %s", a.Code, a.location())
	}
	lost.works("ada")
	b.works("ada")
	if calls := r.clients.calls(); len(calls) != 1 {
		t.Errorf("%d exchanges", len(calls))
	}
	if a := b.finish(state); a.location() != "/" { // its flow is gone: home
		t.Errorf("again with the flow gone: %d %s", a.Code, a.location())
	}
	b.works("ada")
}

func TestACancelledRequestDoesNotLoseItsSignIn(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	state := b.start("/app/x")
	release, begun := make(chan struct{}), make(chan struct{}, 1)
	r.clients.does(func(ctx context.Context, _ string) (tokens.Set, error) {
		begun <- struct{}{}
		<-release
		return grant("ada", "acme"), ctx.Err()
	})
	ctx, cancel := context.WithCancel(context.Background())
	first := request(t, "GET", "/auth/callback?code=the-code&state="+state, fromAway).WithContext(ctx)
	b.attach(first)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		r.serve(first) // nobody reads the answer
	}()
	<-begun
	cancel()
	<-gone
	close(release)
	if a := b.finish(state); a.location() != "/app/x" {
		t.Fatalf("the callback once more: %d %s %s", a.Code, a.location(), a.Body)
	}
	if calls := r.clients.calls(); len(calls) != 1 {
		t.Errorf("%d exchanges", len(calls))
	}
	b.works("ada")
}

func TestAFailedExchangeSaysWhyAndMakesNoSession(t *testing.T) {
	weather := &tokens.Unavailable{Part: tokens.PartStore, RetryAfter: 7 * time.Second, Err: errDown}
	tests := []struct {
		name   string
		fault  func(*rig)
		status int
		reason pages.Reason
		retry  string
	}{
		{"the code is rejected", func(r *rig) { r.clients.answers(tokens.Set{}, tokens.ErrRejected) }, http.StatusBadRequest, pages.FlowExpired, ""},
		{"the provider is down", func(r *rig) { r.clients.answers(tokens.Set{}, errDown) }, http.StatusServiceUnavailable, pages.ProviderUnavailable, "5"},
		{"the provider is malformed", func(r *rig) { r.clients.answers(tokens.Set{}, malformed()) }, http.StatusBadGateway, pages.ProviderError, ""},
		{"the store is full", func(r *rig) { r.vault.fails("Create", tokens.ErrFull) }, http.StatusServiceUnavailable, pages.TooManySessions, "5"},
		{"the store is down", func(r *rig) { r.vault.fails("Create", weather) }, http.StatusServiceUnavailable, pages.StoreUnavailable, "7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			b := r.browser()
			state := b.start("/app")
			tt.fault(r)
			a := b.finish(state)
			if a.Code != tt.status || r.observer.last() != tt.reason || a.Header().Get("Retry-After") != tt.retry {
				t.Errorf("%d %s Retry-After %q", a.Code, r.observer.last(), a.Header().Get("Retry-After"))
			}
			if b.has(sessionCookie) || b.flows() != 0 || len(r.clients.calls()) != 1 {
				t.Errorf("cookies %s, exchanges %v", b.cookies(), r.clients.calls())
			}
			r.checkLog("the-code", state)
		})
	}
}

func TestAFailedSignInKeepsTheSessionThereIs(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	state := r.flowOf(b, "/app")
	r.clients.answers(tokens.Set{}, tokens.ErrRejected)
	b.finish(state)
	b.works("ada")
}

func TestAClientTheProviderForgotIsReplacedAndTheSignInStartsOverOnce(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	first := b.start("/app/x?q=1")
	r.clients.answers(tokens.Set{}, tokens.ErrClientUnknown)
	second := b.finish(first).state(t)
	if !strings.HasSuffix(second, ".2") || b.flows() != 1 || len(r.clients.forgotten) != 1 {
		t.Fatalf("state %s, flows %d, forgotten %v", second, b.flows(), r.clients.forgotten)
	}
	a := b.finish(second)
	if a.Code != http.StatusBadGateway || a.location() != "" || r.observer.last() != pages.ProviderError {
		t.Errorf("a second refusal: %d %s %s", a.Code, a.location(), r.observer.last())
	}
	r.clients.answers(grant("ada", "acme"), nil)
	if a := b.finish(b.start("/app/x?q=1")); a.location() != "/app/x?q=1" {
		t.Errorf("%d %s", a.Code, a.location())
	}
	b.works("ada")
}

func TestASignInThatStartedOverEndsWhereItBegan(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	first := b.start("/app/x?q=1")
	r.clients.answers(tokens.Set{}, tokens.ErrClientUnknown)
	second := b.finish(first).state(t)
	r.clients.answers(grant("ada", "acme"), nil)
	if a := b.finish(second); a.location() != "/app/x?q=1" {
		t.Errorf("%d %s", a.Code, a.location())
	}
}

func TestAConfiguredClientTheProviderRefusesIsTheOperatorsToMend(t *testing.T) {
	r := newRig(t, func(r *rig, _ *gate.Config) {
		r.clients.client.Dynamic = false
		r.clients.known[r.clients.client.ID] = r.clients.client
	})
	b := r.browser()
	state := b.start("/app")
	r.clients.answers(tokens.Set{}, tokens.ErrClientUnknown)
	a := b.finish(state)
	if a.Code != http.StatusBadGateway || b.flows() != 0 || len(r.clients.forgotten) != 0 {
		t.Errorf("%d, flows %d", a.Code, b.flows())
	}
	if !strings.Contains(r.log.String(), "client_secret") {
		t.Errorf("the log does not say what to mend: %s", r.log)
	}
}

func TestAFlowOfAClientThatIsGoneStartsOver(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	first := b.start("/app/x")
	r.clients.Forget(t.Context(), "", r.clients.client.ID) // by a process that has been restarted since
	second := b.finish(first).state(t)
	if a := b.finish(second); a.location() != "/app/x" {
		t.Errorf("%d %s", a.Code, a.location())
	}
	b.works("ada")
}

func TestSigningInEndsTheSessionBeforeAndMakesANewTicket(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("mallory", "evil") // a cookie somebody planted
	planted := b.copyOf()
	b.finish(r.flowOf(b, "/app"))
	b.works("ada")
	if b.jar[sessionCookie] == planted.jar[sessionCookie] {
		t.Error("the session cookie is the one from before")
	}
	if r.vault.alive(b.session) {
		t.Error("the earlier session is still alive")
	}
	if a := planted.navigate("/app"); a.passed {
		t.Error("the earlier cookie still passes")
	}
}

func TestASessionThatCouldNotBeEndedDoesNotStopTheNewOne(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("mallory", "evil")
	state := r.flowOf(b, "/app")
	r.vault.fails("Revoke", &tokens.Unavailable{Part: tokens.PartStore, Err: errDown})
	b.finish(state)
	b.works("ada")
	if !strings.Contains(r.log.String(), "was not ended") {
		t.Errorf("log: %s", r.log)
	}
}

package gate_test

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func TestTheObserverIsToldWhatCameOfARequest(t *testing.T) {
	r := newRig(t)
	ada, eve := r.signedIn("ada", "acme"), r.signedIn("eve", "evil")
	nobody := r.browser()
	foreignPost := headers{"Origin": "https://evil.example"}
	ada.navigate("/assets/x")
	ada.navigate("/app")
	ada.navigate("/api/x")
	ada.navigate("/maybe/x")
	nobody.navigate("/maybe/x")
	nobody.navigate("/app")
	nobody.do("GET", "/api/x", scripted)
	eve.navigate("/acme/x")
	ada.do("POST", "/app", foreignPost)
	r.vault.fails("Fresh", &tokens.Unavailable{Part: tokens.PartStore, Err: errDown})
	ada.navigate("/app")
	want := []string{
		"public passed", "required passed", "api passed", "optional passed", "optional anonymous", "required challenged",
		"api challenged", "required refused", "required refused", "required unavailable",
	}
	if !reflect.DeepEqual(r.observer.requests, want) {
		t.Errorf("requests %q", r.observer.requests)
	}
	if !reflect.DeepEqual(r.observer.entered, []string{"ada", "ada", "ada"}) {
		t.Errorf("entered %q", r.observer.entered)
	}
}

func TestTheObserverIsToldOfSignInsAndSignOuts(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	b.finish(b.start("/app"))
	name := r.vault.names()[0]
	r.clients.answers(tokens.Set{}, tokens.ErrRejected)
	b.finish(r.flowOf(b, "/app"))
	b.comeBack("error=access_denied&state=" + r.flowOf(b, "/app"))
	want := []string{"ok ada", "flow_expired", "consent_denied"}
	if !reflect.DeepEqual(r.observer.signIns, want) {
		t.Errorf("sign-ins %q", r.observer.signIns)
	}
	b.do("POST", "/auth/signout", ownPost)
	b.do("POST", "/auth/signout", ownPost)
	if !reflect.DeepEqual(r.observer.signedOut, []tokens.Name{name}) {
		t.Errorf("signed out %v", r.observer.signedOut)
	}
}

func TestASessionOfAnotherProviderOpensNothing(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	other := newRig(t, func(_ *rig, cfg *gate.Config) { cfg.Safe, cfg.Realm = r.safe, "https://other.example" })
	moved := other.browser()
	moved.jar = b.jar
	if a := moved.do("GET", "/app", scripted); a.passed || a.Code != http.StatusUnauthorized {
		t.Errorf("%d", a.Code)
	}
}

func TestNotKnowingTheClientOfAFlowIsNoReasonToStartOver(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	state := b.start("/app")
	r.clients.byIDErr = errDown
	if a := b.finish(state); a.Code != http.StatusServiceUnavailable || a.location() != "" || len(r.clients.calls()) != 0 {
		t.Errorf("%d %s", a.Code, a.location())
	}
	r.clients.byIDErr = nil
	if a := b.finish(state); a.location() != "/app" {
		t.Errorf("once more: %d %s", a.Code, a.location())
	}
}

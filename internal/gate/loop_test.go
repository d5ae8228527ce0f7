package gate_test

import (
	"testing"
)

// A browser that keeps no session cookie, and a provider that approves by
// itself, would go round for ever.
func TestABrowserThatDoesNotKeepItsSessionIsNotSentRoundForEver(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	for round := range 3 {
		state := b.start("/app")
		if state == "" {
			t.Fatalf("round %d: not sent to sign in", round+1)
		}
		b.finish(state)
		delete(b.jar, sessionCookie)
	}
	if stopped := b.navigate("/app"); stopped.Code != 508 {
		t.Fatalf("the fourth round got %d, want 508 and the page that says why", stopped.Code)
	}
	if again := b.navigate("/app"); !again.toProvider() {
		t.Fatalf("trying again by hand got %d", again.Code)
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

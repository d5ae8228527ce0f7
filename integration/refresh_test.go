package integration

import (
	"net/http"
	"sync"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

func TestTokensStayFreshAndEachIsRefreshedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	w.osc.SetKnobs(func(k *simulator.Knobs) { k.Token.AccessLifetimeSeconds = 3 })
	v := w.visitor()
	v.signIn("/")
	session := v.session()
	first, _ := w.app.last(t).token()
	eventually(t, "the app got a third token", func() bool {
		var burst sync.WaitGroup
		for range 10 {
			burst.Go(func() {
				if got, err := v.try(http.MethodGet, "/studio", navigation, ""); err != nil || got.Status != http.StatusOK {
					t.Errorf("%v %v", got, err)
				}
			})
		}
		burst.Wait()
		return len(distinctTokens(w.app)) >= 3
	})
	counted := w.osc.Counters()
	if counted.ReuseDetected != 0 || counted.RefreshRejected != 0 || counted.MaxConcurrentRefreshesPerFamily > 1 {
		t.Errorf("%+v", counted)
	}
	if now, _ := w.app.last(t).token(); now == first || v.session() != session {
		t.Error("the token is the old one, or the cookie a new one")
	}
}

// distinctTokens are the tokens the app has seen.
func distinctTokens(a *app) map[string]bool {
	seen := map[string]bool{}
	for _, got := range a.all() {
		if token, ok := got.token(); ok {
			seen[token] = true
		}
	}
	return seen
}

func TestARefusedRefreshEndsTheSessionAndSaysWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	w.osc.SetKnobs(func(k *simulator.Knobs) { k.Token.AccessLifetimeSeconds = 2 })
	v := w.visitor()
	v.signIn("/")
	w.osc.RevokeUser("alice")
	var got answer
	eventually(t, "the session has ended", func() bool {
		got = v.fetch(http.MethodGet, "/api/rooms")
		return got.Status != http.StatusOK
	})
	if got.Status != http.StatusUnauthorized || readProblem(t, got).Reason != "refresh_rejected" {
		t.Errorf("%v", got)
	}
	if page := v.signIn("/studio"); page.Status != http.StatusOK || page.URL.Path != "/studio" {
		t.Errorf("signing in again: %v", page)
	}
}

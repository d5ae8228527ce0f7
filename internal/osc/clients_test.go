package osc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// clientsOf are clients registered with a rig's provider.
func clientsOf(r *rig) *Clients {
	c := NewClients(r.clock.Now, r.logged.logger())
	c.Adopt(r.Provider, tokens.Client{}, "app")
	return c
}

// register hands out dyn-1, dyn-2 and so on, with further members.
func (s *authServer) register(members func() string) http.HandlerFunc {
	var mu sync.Mutex
	n := 0
	return func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		n++
		body := fmt.Sprintf(`{"client_id":"dyn-%d","client_secret":"secret-%d"%s}`, n, n, members())
		mu.Unlock()
		answer(201, body)(w, q)
	}
}

func nothing() string { return "" }

// checkFor fails unless For gives the client of that id.
func checkFor(t *testing.T, c *Clients, redirectURI, want string) {
	t.Helper()
	client, err := c.For(t.Context(), redirectURI)
	if err != nil || client.ID != want {
		t.Errorf("the client for %s is %q (%v), want %q", redirectURI, client.ID, err, want)
	}
}

func TestAColdStartRegistersOnceHoweverManyAsk(t *testing.T) {
	r := newRig(t)
	c := clientsOf(r)
	r.server.on(registerPath, r.server.register(nothing))
	var callers sync.WaitGroup
	for range 1000 {
		callers.Go(func() { checkFor(t, c, redirectURI, "dyn-1") })
	}
	callers.Wait()
	checkAsked(t, r.server, registerPath, 1)
}

func TestAFailingColdStartAsksOnceHoweverManyAsk(t *testing.T) {
	r := newRig(t)
	r.server.on(registerPath, answer(500, ""))
	const rounds = 50
	c := clientsOf(r)
	for range rounds {
		var callers sync.WaitGroup
		start := make(chan struct{})
		for range 16 {
			callers.Go(func() { <-start; _, _ = c.For(context.Background(), redirectURI) })
		}
		close(start)
		callers.Wait()
		r.clock.Advance(registerPause)
	}
	checkAsked(t, r.server, registerPath, rounds)
}

func TestEachRedirectURIHasItsOwnClientAndNothingElse(t *testing.T) {
	r := newRig(t)
	c := clientsOf(r)
	r.server.on(registerPath, r.server.register(nothing))
	for range 2 {
		checkFor(t, c, redirectURI, "dyn-1")
		checkFor(t, c, redirectURI+"2", "dyn-2")
	}
	for i, wish := range wishes(t, r.server) {
		if want := redirectURI + []string{"", "2"}[i]; len(wish.RedirectURIs) != 1 || wish.RedirectURIs[0] != want || wish.Name != "app" {
			t.Errorf("asked for %+v", wish)
		}
	}
	if strings.Contains(r.logged.String(), "secret-1") {
		t.Error("the log shows a client secret")
	}
}

func TestAConfiguredClientIsUsedAndNothingRegistered(t *testing.T) {
	r := newRig(t)
	c := clientsOf(r)
	r.server.on(registerPath, r.server.register(nothing))
	checkFor(t, c, redirectURI, "dyn-1")
	c.Adopt(r.Provider, confidential, "app")
	checkFor(t, c, redirectURI, "client-1")
	checkFor(t, c, redirectURI+"2", "client-1")
	if client, ok := byID(t, c, "client-1"); !ok || !client.Secret.Equal(confidential.Secret) || client.Dynamic {
		t.Error("the configured client is not found by its id")
	}
	if _, ok := byID(t, c, "dyn-1"); !ok {
		t.Error("flows begun before the configuration changed cannot finish")
	}
	checkAsked(t, r.server, registerPath, 1)
}

func TestARegistrationIsRenewedBeforeItEnds(t *testing.T) {
	for name, test := range map[string]struct {
		expiresIn time.Duration // 0: the provider says never; below: it says nothing
		good      time.Duration
	}{
		"a long one, a quarter of an hour before": {2 * time.Hour, 2*time.Hour - renewAhead},
		"a short one, halfway":                    {time.Minute, 30 * time.Second},
		"one of unknown end, after half an hour":  {-1, unknownAge},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := clientsOf(r)
			r.server.on(registerPath, r.server.register(func() string {
				if test.expiresIn < 0 {
					return ""
				}
				return fmt.Sprintf(`,"client_secret_expires_at":%d`, r.clock.Now().Add(test.expiresIn).Unix())
			}))
			for _, want := range []string{"dyn-1", "dyn-2", "dyn-3"} {
				checkFor(t, c, redirectURI, want)
				r.clock.Advance(test.good - time.Second)
				checkFor(t, c, redirectURI, want)
				r.clock.Advance(time.Second)
			}
			checkAsked(t, r.server, registerPath, 3)
		})
	}
}

func TestARegistrationThatNeverEndsIsKept(t *testing.T) {
	r := newRig(t)
	c := clientsOf(r)
	r.server.on(registerPath, r.server.register(func() string { return `,"client_secret_expires_at":0` }))
	checkFor(t, c, redirectURI, "dyn-1")
	r.clock.Advance(10 * 365 * 24 * time.Hour)
	checkFor(t, c, redirectURI, "dyn-1")
	checkAsked(t, r.server, registerPath, 1)
}

func TestARegistrationThatEndedBeforeItBeganStartsNoLoop(t *testing.T) {
	for name, expires := range map[string]int64{
		"by a clock that is behind ours": newClock().Now().Add(-time.Hour).Unix(),
		"at the very moment":             newClock().Now().Unix(),
		"since it gave a duration":       3600,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := clientsOf(r)
			r.server.on(registerPath, r.server.register(func() string { return fmt.Sprintf(`,"client_secret_expires_at":%d`, expires) }))
			for range 10 {
				if _, err := c.For(t.Context(), redirectURI); err != nil {
					t.Fatal(err)
				}
			}
			checkAsked(t, r.server, registerPath, 1)
		})
	}
}

func TestAReplacedClientStillFinishesItsFlows(t *testing.T) {
	r := newRig(t)
	c := clientsOf(r)
	r.server.on(registerPath, r.server.register(nothing))
	checkFor(t, c, redirectURI, "dyn-1")
	r.clock.Advance(unknownAge)
	checkFor(t, c, redirectURI, "dyn-2")
	for id, want := range map[string]string{"dyn-1": "secret-1", "dyn-2": "secret-2"} {
		if client, ok := byID(t, c, id); !ok || client.Secret.Reveal() != want {
			t.Errorf("%s is not found by its id", id)
		}
	}
	for range keepReplaced {
		if _, ok := byID(t, c, "dyn-1"); !ok {
			t.Error("a replaced client was dropped before its flows could finish")
		}
		r.clock.Advance(unknownAge)
		if _, err := c.For(t.Context(), redirectURI); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := byID(t, c, "dyn-1"); ok {
		t.Error("a replaced client is kept forever")
	}
	for _, id := range []string{"", "nobody"} {
		if _, ok := byID(t, c, id); ok {
			t.Errorf("there is a client of id %q", id)
		}
	}
}

func TestAForgottenClientIsRegisteredAnew(t *testing.T) {
	r := newRig(t)
	c := clientsOf(r)
	r.server.on(registerPath, r.server.register(nothing))
	checkFor(t, c, redirectURI, "dyn-1")
	checkFor(t, c, redirectURI+"2", "dyn-2")
	if !c.Forget(t.Context(), redirectURI, "dyn-1") {
		t.Error("a registered client cannot be forgotten")
	}
	if _, ok := byID(t, c, "dyn-1"); ok {
		t.Error("a forgotten client is found")
	}
	checkFor(t, c, redirectURI, "dyn-3")
	checkFor(t, c, redirectURI+"2", "dyn-2")
	r.clock.Advance(unknownAge)
	checkFor(t, c, redirectURI, "dyn-4")
	c.Forget(t.Context(), redirectURI, "dyn-3")
	if _, ok := byID(t, c, "dyn-3"); ok {
		t.Error("a replaced client that was forgotten is found")
	}
	c.Adopt(r.Provider, confidential, "app")
	if c.Forget(t.Context(), redirectURI, confidential.ID) {
		t.Error("the configured client was forgotten")
	}
	checkFor(t, c, redirectURI, "client-1")
}

func TestSessionsOfTheConfiguredClientUseItsPresentSecret(t *testing.T) {
	r := newRig(t)
	c := clientsOf(r)
	r.server.on(tokenPath, answer(200, goodAnswer))
	c.Adopt(r.Provider, tokens.Client{ID: "client-1", Secret: secret.New("new-secret")}, "app")
	for _, client := range []tokens.Client{confidential, {ID: "dyn-9", Secret: secret.New("its-own"), Dynamic: true}} {
		if _, err := c.Refresh(t.Context(), client, secret.New(refreshToken)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Exchange(t.Context(), public, code, verifier, redirectURI); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"client_id=client-1&client_secret=new-secret", "client_id=dyn-9&client_secret=its-own", "client_id=client-2&code="} {
		if got := r.server.asked(tokenPath)[i].body; !strings.Contains(got, want) {
			t.Errorf("form is %q, want %q in it", got, want)
		}
	}
}

func TestARegistrationBelongsToTheProviderThatGaveIt(t *testing.T) {
	r, other := newRig(t), newRig(t)
	c := clientsOf(r)
	r.server.on(registerPath, answer(201, `{"client_id":"ours"}`))
	other.server.on(registerPath, answer(201, `{"client_id":"theirs"}`))
	checkFor(t, c, redirectURI, "ours")
	c.Adopt(r.Provider, tokens.Client{}, "renamed")
	checkFor(t, c, redirectURI, "ours")
	c.Adopt(other.Provider, tokens.Client{}, "app")
	checkFor(t, c, redirectURI, "theirs")
	if _, ok := byID(t, c, "ours"); ok {
		t.Error("a client of the provider before is found")
	}
	other.server.on(registerPath, answer(500, ""))
	_, _ = c.For(t.Context(), redirectURI+"2")
	c.Adopt(r.Provider, tokens.Client{}, "app")
	checkFor(t, c, redirectURI+"2", "ours")
}

func TestWhoLeavesDoesNotSpoilARegistrationForOthers(t *testing.T) {
	r := newRig(t)
	c := clientsOf(r)
	begun, release := make(chan struct{}), make(chan struct{})
	give := r.server.register(nothing)
	r.server.on(registerPath, func(w http.ResponseWriter, q *http.Request) { close(begun); <-release; give(w, q) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if _, err := c.For(ctx, redirectURI); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	close(release)
	checkFor(t, c, redirectURI, "dyn-1")
	checkAsked(t, r.server, registerPath, 1)
}

// byID looks a client of redirectURI up.
func byID(t *testing.T, c *Clients, id string) (tokens.Client, bool) {
	t.Helper()
	client, found, err := c.ByID(t.Context(), redirectURI, id)
	if err != nil {
		t.Fatal(err)
	}
	return client, found
}

package osc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	servicePath = "/token/servicetoken"
	catalogPath = "/catalog/mysubscriptions"
	service     = "eyevinn-intercom-manager"
	pat         = "canary-pat"
)

func servicesOf(r *rig) *Services {
	base := r.Issuer()
	return NewServices(r.Provider, base+"/token", base+"/catalog")
}

func sessionOf(n byte) *tokens.Session {
	return &tokens.Session{Name: tokens.Name{n}, Access: secret.New(pat), Tenant: "acme"}
}

// grantsService answers with sat-1, sat-2 and so on, each good for a lifetime.
func (r *rig) grantsService(lifetime time.Duration) http.HandlerFunc {
	var mu sync.Mutex
	n := 0
	return func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		n++
		fmt.Fprintf(w, `{"serviceId":%q,"token":"sat-%d","expiry":%d}`, service, n, r.clock.Now().Add(lifetime).Unix())
	}
}

func wantService(t *testing.T, s *Services, session *tokens.Session, want string) {
	t.Helper()
	got, err := s.Token(t.Context(), session, service)
	if err != nil || got.Reveal() != want {
		t.Fatalf("Token = %q, %v; want %q", got.Reveal(), err, want)
	}
}

func TestAServiceTokenIsExchangedOncePerSessionUntilShortlyBeforeItsEnd(t *testing.T) {
	r := newRig(t)
	s := servicesOf(r)
	r.server.on(catalogPath, answer(200, `[{"serviceId":"`+service+`"}]`))
	r.server.on(servicePath, r.grantsService(time.Hour))
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got, err := s.Token(context.Background(), sessionOf(1), service); err != nil || got.Reveal() != "sat-1" {
				t.Errorf("Token = %v, %v", got.Reveal(), err)
			}
		})
	}
	wg.Wait()
	wantService(t, s, sessionOf(2), "sat-2") // another session shares nothing
	r.clock.Advance(54 * time.Minute)
	wantService(t, s, sessionOf(1), "sat-1")
	r.clock.Advance(2 * time.Minute)
	wantService(t, s, sessionOf(1), "sat-3")
	checkAsked(t, r.server, servicePath, 3)
	checkAsked(t, r.server, catalogPath, 1)
	asked := r.server.asked(servicePath)[0]
	if asked.header.Get("X-Pat-Jwt") != "Bearer "+pat || asked.header.Get("Authorization") != "" || asked.body != `{"serviceId":"`+service+`"}` {
		t.Errorf("asked with %v %s", asked.header, asked.body)
	}
	if got := r.server.asked(catalogPath)[0].header.Get("Content-Type"); got != "" {
		t.Errorf("a call without a body says Content-Type %s", got)
	}
}

func TestAWorkspaceThatLacksTheServiceIsSubscribedFirst(t *testing.T) {
	r := newRig(t)
	s := servicesOf(r)
	r.server.on(catalogPath, answer(200, `[{"serviceId":"valkey-io-valkey"}]`))
	r.server.on(servicePath, r.grantsService(time.Hour))
	wantService(t, s, sessionOf(1), "sat-1")
	asked := r.server.asked(catalogPath)
	if len(asked) != 2 || asked[1].method != http.MethodPost || asked[1].body != `{"services":["`+service+`"]}` {
		t.Fatalf("the catalogue was asked %+v", asked)
	}
}

func TestWhatIsNoServiceTokenIsRefusedOrWeatherAndNeverKept(t *testing.T) {
	future := newClock().Now().Add(time.Hour).Unix()
	for name, test := range map[string]struct {
		answer  http.HandlerFunc
		refusal bool
	}{
		"no JSON":             {answer(200, "<html>"), true},
		"no token":            {answer(200, fmt.Sprintf(`{"expiry":%d}`, future)), true},
		"a token of bytes":    {answer(200, fmt.Sprintf(`{"token":"a\r\nb","expiry":%d}`, future)), true},
		"no expiry":           {answer(200, `{"token":"sat"}`), true},
		"one that has ended":  {answer(200, `{"token":"sat","expiry":1}`), true},
		"of another service":  {answer(200, fmt.Sprintf(`{"serviceId":"x-y","token":"sat","expiry":%d}`, future)), true},
		"a redirect":          {answer(307, "", "Location", "/elsewhere"), false},
		"forbidden":           {answer(403, `{"reason":"no"}`), true},
		"too many":            {answer(429, "", "Retry-After", "7"), false},
		"the service is away": {answer(502, "<html>"), false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			s := servicesOf(r)
			r.server.on(catalogPath, answer(200, `[{"serviceId":"`+service+`"}]`))
			r.server.on(servicePath, test.answer)
			got, err := s.Token(t.Context(), sessionOf(1), service)
			if err == nil || !got.IsEmpty() {
				t.Fatalf("Token = %q, %v", got.Reveal(), err)
			}
			if IsRefusal(err) != test.refusal {
				t.Errorf("IsRefusal(%v) = %v", err, !test.refusal)
			}
			if strings.Contains(err.Error(), pat) || strings.Contains(err.Error(), "sat") && test.refusal {
				t.Errorf("the error tells too much: %v", err)
			}
			r.server.on(servicePath, r.grantsService(time.Hour))
			wantService(t, s, sessionOf(1), "sat-1")
		})
	}
}

func TestWhoLeavesDoesNotEndTheExchange(t *testing.T) {
	r := newRig(t)
	s := servicesOf(r)
	release := make(chan struct{})
	r.server.on(catalogPath, answer(200, `[{"serviceId":"`+service+`"}]`))
	grant := r.grantsService(time.Hour)
	arrived := make(chan struct{}, 1)
	r.server.on(servicePath, func(w http.ResponseWriter, request *http.Request) {
		arrived <- struct{}{}
		<-release
		grant(w, request)
	})
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := s.Token(ctx, sessionOf(1), service)
		left <- err
	}()
	<-arrived
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatalf("the one who left got %v", err)
	}
	close(release)
	wantService(t, s, sessionOf(1), "sat-1")
	checkAsked(t, r.server, servicePath, 1)
}

func TestTheCatalogueIsBesideTheTokenService(t *testing.T) {
	for tokenService, want := range map[string]string{
		"https://token.svc.prod.osaas.io": "https://catalog.svc.prod.osaas.io",
		"http://127.0.0.1:9090/token":     "http://127.0.0.1:9090/catalog",
		"https://platform.example.com":    "https://platform.example.com",
	} {
		if got := CatalogOf(tokenService); got != want {
			t.Errorf("CatalogOf(%s) = %s, want %s", tokenService, got, want)
		}
	}
}

const authorizePath = "/api/connect/authorize"

func TestAVisitorIsNotSentToAProviderThatHasForgottenTheClient(t *testing.T) {
	r := newRig(t)
	c := clientsOf(r)
	r.server.on(registerPath, r.server.register(func() string { return `,"client_secret_expires_at":0` }))
	r.server.on(authorizePath, answer(200, "<html>sign in"))
	checkFor(t, c, redirectURI, "dyn-1")
	checkFor(t, c, redirectURI, "dyn-1")
	checkAsked(t, r.server, authorizePath, 0) // just registered: no need to ask

	r.clock.Advance(provenFor)
	checkFor(t, c, redirectURI, "dyn-1")
	checkFor(t, c, redirectURI, "dyn-1")
	checkAsked(t, r.server, authorizePath, 1)

	r.clock.Advance(provenFor)
	r.server.on(authorizePath, answer(400, "<html>unknown client"))
	checkFor(t, c, redirectURI, "dyn-2")
	checkAsked(t, r.server, registerPath, 2)

	for _, status := range []int{302, 404, 500, 503} { // says nothing of the client
		r.clock.Advance(provenFor)
		r.server.on(authorizePath, answer(status, ""))
		checkFor(t, c, redirectURI, "dyn-2")
	}
	checkAsked(t, r.server, registerPath, 2)
}

func wantRenewed(t *testing.T, s *Services, session *tokens.Session, refused, want string) {
	t.Helper()
	got, err := s.Renew(t.Context(), session, service, secret.New(refused))
	if err != nil || got.Reveal() != want {
		t.Fatalf("Renew = %q, %v; want %q", got.Reveal(), err, want)
	}
}

// serviceRig has a workspace that is subscribed, and service tokens that live for
// an hour.
func serviceRig(t *testing.T) (*rig, *Services) {
	t.Helper()
	r := newRig(t)
	r.server.on(catalogPath, answer(200, subscriptions))
	r.server.on(servicePath, r.grantsService(time.Hour))
	return r, servicesOf(r)
}

func TestARefusedServiceTokenIsExchangedAgainOnceAMinute(t *testing.T) {
	r, s := serviceRig(t)
	wantService(t, s, sessionOf(1), "sat-1")
	wantRenewed(t, s, sessionOf(1), "sat-1", "sat-2")
	wantRenewed(t, s, sessionOf(1), "sat-1", "sat-2") // a late refusal of the old one
	wantService(t, s, sessionOf(1), "sat-2")
	checkAsked(t, r.server, servicePath, 2)
	r.clock.Advance(renewEvery - time.Second)
	wantRenewed(t, s, sessionOf(1), "sat-2", "sat-2")
	checkAsked(t, r.server, servicePath, 2)
	r.clock.Advance(time.Second)
	wantRenewed(t, s, sessionOf(1), "sat-2", "sat-3")
	checkAsked(t, r.server, servicePath, 3)
}

func TestARefusedServiceTokenIsNobodyElses(t *testing.T) {
	r, s := serviceRig(t)
	wantService(t, s, sessionOf(1), "sat-1")
	wantService(t, s, sessionOf(2), "sat-2")
	r.clock.Advance(renewEvery)
	wantRenewed(t, s, sessionOf(1), "sat-1", "sat-3")
	wantService(t, s, sessionOf(2), "sat-2")
}

func TestARefusedServiceTokenThatIsForgottenIsExchangedAnew(t *testing.T) {
	r, s := serviceRig(t)
	wantRenewed(t, s, sessionOf(1), "sat-of-another-process", "sat-1")
	r.clock.Advance(56 * time.Minute) // it is too close to its end by now
	wantRenewed(t, s, sessionOf(1), "sat-1", "sat-2")
	checkAsked(t, r.server, servicePath, 2)
}

func TestAnExchangeThatFailsAfterARefusalIsNotTriedAgainWithinAMinute(t *testing.T) {
	r, s := serviceRig(t)
	wantService(t, s, sessionOf(1), "sat-1")
	r.clock.Advance(renewEvery)
	r.server.on(servicePath, answer(503, ""))
	if got, err := s.Renew(t.Context(), sessionOf(1), service, secret.New("sat-1")); err == nil || !got.IsEmpty() {
		t.Errorf("Renew = %q, %v", got.Reveal(), err)
	}
	for range 5 {
		r.clock.Advance(renewEvery/5 - time.Second)
		wantRenewed(t, s, sessionOf(1), "sat-1", "sat-1")
		wantService(t, s, sessionOf(1), "sat-1") // what there is is still given
	}
	checkAsked(t, r.server, servicePath, 2)
	r.server.on(servicePath, r.grantsService(time.Hour))
	r.clock.Advance(renewEvery)
	wantRenewed(t, s, sessionOf(1), "sat-1", "sat-1") // the server counts from the beginning
	checkAsked(t, r.server, servicePath, 3)
}

// A clock that was set back does not make the wait any longer.
func TestARefusedServiceTokenIsExchangedAfterTheClockWasSetBack(t *testing.T) {
	r, s := serviceRig(t)
	wantService(t, s, sessionOf(1), "sat-1")
	r.clock.Advance(-time.Hour)
	wantRenewed(t, s, sessionOf(1), "sat-1", "sat-2")
}

func TestParallelRefusalsOfAServiceTokenShareOneExchangeAndAllGetItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := newBubbleRig(t)
		defer end()
		s := servicesOf(r)
		r.server.on(catalogPath, answer(200, subscriptions))
		grant := r.grantsService(time.Hour)
		r.server.on(servicePath, grant)
		wantService(t, s, sessionOf(1), "sat-1")
		r.clock.Advance(renewEvery)
		release := make(chan struct{})
		r.server.on(servicePath, func(w http.ResponseWriter, q *http.Request) { <-release; grant(w, q) })
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { wantRenewed(t, s, sessionOf(1), "sat-1", "sat-2") })
		}
		synctest.Wait()
		all.Go(func() { wantRenewed(t, s, sessionOf(1), "sat-1", "sat-2") }) // while it is under way
		wantService(t, s, sessionOf(1), "sat-1")                             // nobody else waits for it
		synctest.Wait()
		close(release)
		all.Wait()
		checkAsked(t, r.server, servicePath, 2)
	})
}

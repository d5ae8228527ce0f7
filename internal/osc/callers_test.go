package osc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

const subscriptions = `[{"serviceId":"` + service + `"}]`

func callersOf(r *rig) *Callers { return NewCallers(servicesOf(r)) }

// callersToken is a token of a user of acme, which ends after a lifetime.
func (r *rig) callersToken(user string, lifetime time.Duration) string {
	now := r.clock.Now()
	return jwt(fmt.Sprintf(`{"userId":%q,"tenantId":"acme","iat":%d,"exp":%d}`, user, now.Unix(), now.Add(lifetime).Unix()))
}

func wantCaller(t *testing.T, c *Callers, token, user string) {
	t.Helper()
	session, err := c.Identify(t.Context(), secret.New(token))
	if err != nil || session.User != user || session.Access.Reveal() != token {
		t.Fatalf("Identify = %+v, %v; want %q", session, err, user)
	}
}

func wantRefused(t *testing.T, c *Callers, token string) {
	t.Helper()
	if session, err := c.Identify(t.Context(), secret.New(token)); !errors.Is(err, ErrTokenRefused) || session != nil {
		t.Fatalf("Identify = %+v, %v; want a refusal", session, err)
	}
}

func TestACallerIsWhoItsTokenSaysOnceOSCHasAcceptedIt(t *testing.T) {
	r := newRig(t)
	c := callersOf(r)
	r.server.on(catalogPath, answer(200, subscriptions))
	token := r.callersToken("robot", time.Hour)
	wantCaller(t, c, token, "robot")
	session, err := c.Identify(t.Context(), secret.New(token))
	if err != nil || session.Tenant != "acme" || !session.TokenExpires.Equal(r.clock.Now().Add(time.Hour)) || session.Name == (sessionOf(0).Name) {
		t.Errorf("%+v, %v", session, err)
	}
	asked := r.server.asked(catalogPath)
	if len(asked) != 1 || asked[0].method != http.MethodGet || asked[0].header.Get("X-Pat-Jwt") != "Bearer "+token ||
		asked[0].header.Get("Authorization") != "" || asked[0].query != "" || asked[0].body != "" {
		t.Errorf("the catalogue was asked %+v", asked)
	}
	if strings.Contains(r.logged.String(), token) {
		t.Errorf("the token was logged: %s", r.logged)
	}
}

func TestTwoTokensAreTwoCallers(t *testing.T) {
	r := newRig(t)
	c := callersOf(r)
	r.server.on(catalogPath, answer(200, subscriptions))
	for _, user := range []string{"ada", "bob", "ada", "bob"} {
		wantCaller(t, c, r.callersToken(user, time.Hour), user)
	}
	one, _ := c.Identify(t.Context(), secret.New(r.callersToken("ada", time.Hour)))
	other, _ := c.Identify(t.Context(), secret.New(r.callersToken("bob", time.Hour)))
	if one.Name == other.Name {
		t.Error("they would share service tokens")
	}
	checkAsked(t, r.server, catalogPath, 2)
}

// An opaque token says nothing of whose it is, and is good all the same.
func TestACallerOfAnOpaqueTokenHasNoName(t *testing.T) {
	r := newRig(t)
	c := callersOf(r)
	r.server.on(catalogPath, answer(200, `[]`))
	wantCaller(t, c, "opaque", "")
	r.clock.Advance(callerGood - time.Second)
	wantCaller(t, c, "opaque", "")
	checkAsked(t, r.server, catalogPath, 1)
	r.clock.Advance(time.Second)
	wantCaller(t, c, "opaque", "")
	checkAsked(t, r.server, catalogPath, 2)
}

func TestAnAcceptedTokenIsGoodForAMinuteAndNotBeyondItsEnd(t *testing.T) {
	for name, test := range map[string]struct{ lifetime, good time.Duration }{
		"one that lives long":   {time.Hour, callerGood},
		"one that ends earlier": {20 * time.Second, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := callersOf(r)
			r.server.on(catalogPath, answer(200, subscriptions))
			token := r.callersToken("robot", test.lifetime)
			wantCaller(t, c, token, "robot")
			r.server.on(catalogPath, answer(401, "")) // it was revoked
			r.clock.Advance(test.good - time.Second)
			wantCaller(t, c, token, "robot")
			checkAsked(t, r.server, catalogPath, 1)
			r.clock.Advance(time.Second)
			wantRefused(t, c, token)
			checkAsked(t, r.server, catalogPath, 2)
		})
	}
}

func TestARefusedTokenIsNotAskedForAgainForAWhile(t *testing.T) {
	for _, status := range []int{401, 403} {
		r := newRig(t)
		c := callersOf(r)
		r.server.on(catalogPath, answer(status, `{"error":"invalid_grant","error_description":"`+marker+`"}`))
		token := r.callersToken("robot", time.Hour)
		for range 5 {
			wantRefused(t, c, token)
			r.clock.Advance(callerRefused/5 - time.Millisecond)
		}
		checkAsked(t, r.server, catalogPath, 1)
		r.server.on(catalogPath, answer(200, subscriptions))
		r.clock.Advance(callerRefused)
		wantCaller(t, c, token, "robot")
		checkAsked(t, r.server, catalogPath, 2)
	}
}

func TestWhatIsNoAnswerAboutATokenIsNeitherYesNorNoAndNotKept(t *testing.T) {
	for name, handle := range map[string]http.HandlerFunc{
		"not found":                http.NotFound,
		"a bad request":            answer(400, `{"error":"invalid_client"}`),
		"too many":                 answer(429, "", "Retry-After", "7"),
		"broken":                   answer(500, "<html>"),
		"a proxy's page":           answer(502, "<html>"),
		"away":                     answer(503, "", "Retry-After", "7"),
		"a redirect":               answer(302, "", "Location", "/signin"),
		"a page of something else": answer(200, "<html>hello"),
		"an empty page":            answer(200, ""),
		"an object":                answer(200, `{"error":"who are you?"}`),
		"null":                     answer(200, `null`),
		"no answer at all": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			conn.Close()
		},
		"an answer that breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "[")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := callersOf(r)
			r.server.on(catalogPath, handle)
			token := r.callersToken("robot", time.Hour)
			for range 2 {
				session, err := c.Identify(t.Context(), secret.New(token))
				if err == nil || errors.Is(err, ErrTokenRefused) || session != nil {
					t.Fatalf("Identify = %+v, %v", session, err)
				}
				if strings.Contains(err.Error(), token) {
					t.Errorf("the error holds the token: %v", err)
				}
				if retry := map[string]time.Duration{"too many": 7 * time.Second, "away": 7 * time.Second}[name]; RetryAfter(err) != retry {
					t.Errorf("Retry-After %v", RetryAfter(err))
				}
			}
			r.server.on(catalogPath, answer(200, subscriptions))
			wantCaller(t, c, token, "robot") // at once
		})
	}
}

func TestATokenIsCheckedOnceHoweverManyBringIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := newBubbleRig(t)
		defer end()
		c := callersOf(r)
		release := make(chan struct{})
		r.server.on(catalogPath, func(w http.ResponseWriter, q *http.Request) { <-release; answer(200, subscriptions)(w, q) })
		token := r.callersToken("robot", time.Hour)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { wantCaller(t, c, token, "robot") })
		}
		synctest.Wait()
		close(release)
		all.Wait()
		checkAsked(t, r.server, catalogPath, 1)
	})
}

func TestWhoLeavesDoesNotSpoilTheCheckForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := newBubbleRig(t)
		defer end()
		c := callersOf(r)
		release := make(chan struct{})
		r.server.on(catalogPath, func(w http.ResponseWriter, q *http.Request) { <-release; answer(200, subscriptions)(w, q) })
		token := r.callersToken("robot", time.Hour)
		ctx, leave := context.WithCancel(context.Background())
		left, stayed := make(chan error, 1), make(chan error, 1)
		identify := func(ctx context.Context, done chan<- error) {
			_, err := c.Identify(ctx, secret.New(token))
			done <- err
		}
		go identify(ctx, left)
		synctest.Wait()
		go identify(context.Background(), stayed)
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the one who left got %v", err)
		}
		close(release)
		if err := <-stayed; err != nil {
			t.Errorf("the other got %v", err)
		}
		checkAsked(t, r.server, catalogPath, 1)
	})
}

// Anybody can send tokens, and checking them must not crowd out those who refresh
// sessions.
func TestTokensThatAreBeingCheckedAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := newBubbleRig(t)
		defer end()
		c := callersOf(r)
		release := make(chan struct{})
		r.server.on(catalogPath, func(w http.ResponseWriter, q *http.Request) { <-release; answer(200, subscriptions)(w, q) })
		const many = 3 * maxChecks
		errs := make(chan error, many)
		for i := range many {
			go func() {
				_, err := c.Identify(context.Background(), secret.New(r.callersToken(fmt.Sprint("user", i), time.Hour)))
				errs <- err
			}()
		}
		synctest.Wait()
		checkAsked(t, r.server, catalogPath, maxChecks)
		begun := time.Now()
		for range many - maxChecks {
			if err := <-errs; err == nil || errors.Is(err, ErrTokenRefused) {
				t.Errorf("one that got no turn: %v", err)
			}
		}
		if waited := time.Since(begun); waited != checkWait {
			t.Errorf("they waited %v", waited)
		}
		close(release)
		for range maxChecks {
			if err := <-errs; err != nil {
				t.Errorf("one that had its turn: %v", err)
			}
		}
		if _, err := c.Identify(context.Background(), secret.New(r.callersToken("another", time.Hour))); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestACheckThatHangsIsGivenUpOnAndSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := newBubbleRig(t)
		defer end()
		c := callersOf(r)
		r.server.on(catalogPath, silent)
		begun := time.Now()
		if _, err := c.Identify(context.Background(), secret.New("opaque")); err == nil || errors.Is(err, ErrTokenRefused) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begun); took > callTimeout {
			t.Errorf("it took %v", took)
		}
	})
}

func TestATokenSaysHowLongItLivesOn(t *testing.T) {
	now := newClock().Now()
	for name, test := range map[string]struct {
		token string
		want  time.Duration
	}{
		"a fresh one":              {jwt(fmt.Sprintf(`{"iat":%d,"exp":%d}`, now.Unix(), now.Add(time.Hour).Unix())), time.Hour},
		"one that was kept":        {jwt(fmt.Sprintf(`{"iat":%d,"exp":%d}`, now.Add(-40*time.Minute).Unix(), now.Add(20*time.Minute).Unix())), 20 * time.Minute},
		"one that says nothing":    {jwt(`{}`), 0},
		"one that is not readable": {"opaque", 0},
	} {
		if got := TokenLifetime(secret.New(test.token), now); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

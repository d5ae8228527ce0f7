package osc

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// where is the path of the endpoints in use, after the server's URL.
func (r *rig) where(ctx context.Context) string {
	e := r.endpoints(ctx)
	return strings.ReplaceAll(strings.Join([]string{e.authorization, e.token, e.registration}, " "), r.server.URL, "")
}

const known = "/api/connect/authorize /api/connect/token /api/connect/register"

func (s *authServer) fullDocument() http.HandlerFunc {
	return s.document(`"authorization_endpoint":"`+s.URL+`/a"`, `"token_endpoint":"`+s.URL+`/t"`, `"registration_endpoint":"`+s.URL+`/r"`)
}

func TestDiscoveryIsAskedOnceAnHour(t *testing.T) {
	r := newRig(t)
	r.server.on(wellKnown, r.server.fullDocument())
	for range 3 {
		if got := r.where(t.Context()); got != "/a /t /r" {
			t.Fatalf("endpoints are %s", got)
		}
	}
	r.clock.Advance(metadataAge - time.Second)
	r.endpoints(t.Context())
	checkAsked(t, r.server, wellKnown, 1)
	r.clock.Advance(time.Second)
	r.endpoints(t.Context())
	checkAsked(t, r.server, wellKnown, 2)
	if got := r.server.asked(wellKnown)[0]; got.method != "GET" || got.query != "" || got.header.Get("Accept") != "application/json" {
		t.Errorf("asked with %s, query %q", got.method, got.query)
	}
}

func TestOnlyADocumentThatCanBeTrustedIsUsed(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string // ISSUER stands for the server's URL
		want   string
	}{
		"a whole document":                {200, `{"issuer":"ISSUER","authorization_endpoint":"ISSUER/a","token_endpoint":"ISSUER/t","registration_endpoint":"ISSUER/r"}`, "/a /t /r"},
		"members nobody knows":            {200, `{"x":{"y":[1]},"issuer":"ISSUER","token_endpoint":"ISSUER/t","scopes_supported":null}`, "/api/connect/authorize /t /api/connect/register"},
		"an issuer alone":                 {200, `{"issuer":"ISSUER"}`, known},
		"an endpoint with a query":        {200, `{"issuer":"ISSUER","token_endpoint":"ISSUER/t?v=2"}`, "/api/connect/authorize /t?v=2 /api/connect/register"},
		"an endpoint elsewhere, by https": {200, `{"issuer":"ISSUER","token_endpoint":"https://auth.example.com/t"}`, "/api/connect/authorize https://auth.example.com/t /api/connect/register"},
		"members of another case":         {200, `{"issuer":"ISSUER","Token_Endpoint":"https://evil.example/t"}`, known},
		"no issuer":                       {200, `{"token_endpoint":"ISSUER/t"}`, known},
		"another issuer":                  {200, `{"issuer":"https://evil.example","token_endpoint":"ISSUER/t"}`, known},
		"the issuer with a slash":         {200, `{"issuer":"ISSUER/","token_endpoint":"ISSUER/t"}`, known},
		"an issuer given twice":           {200, `{"issuer":"https://evil.example","issuer":"ISSUER","token_endpoint":"ISSUER/t"}`, known},
		"an endpoint by plain http":       {200, `{"issuer":"ISSUER","authorization_endpoint":"ISSUER/a","token_endpoint":"http://auth.example.com/t"}`, known},
		"an endpoint of another scheme":   {200, `{"issuer":"ISSUER","token_endpoint":"file:///t"}`, known},
		"an endpoint that is relative":    {200, `{"issuer":"ISSUER","token_endpoint":"/t"}`, known},
		"an endpoint with a user":         {200, `{"issuer":"ISSUER","token_endpoint":"https://user:pass@auth.example.com/t"}`, known},
		"an endpoint with a fragment":     {200, `{"issuer":"ISSUER","token_endpoint":"ISSUER/t#x"}`, known},
		"an endpoint with a line break":   {200, `{"issuer":"ISSUER","token_endpoint":"ISSUER/t\r\nX: y"}`, known},
		"an endpoint that is no text":     {200, `{"issuer":"ISSUER","token_endpoint":7}`, known},
		"methods that are no list":        {200, `{"issuer":"ISSUER","token_endpoint":"ISSUER/t","token_endpoint_auth_methods_supported":"x"}`, known},
		"nothing there":                   {404, ``, known},
		"a document with an error":        {500, `{"issuer":"ISSUER","token_endpoint":"ISSUER/t"}`, known},
		"a page":                          {200, `<html>` + marker, known},
		"half a document":                 {200, `{"issuer":"ISSUER","token_endpoint":"ISSUER/t"`, known},
		"a list":                          {200, `[]`, known},
		"more than can be read":           {200, `{"issuer":"ISSUER","token_endpoint":"ISSUER/t","x":"` + strings.Repeat("x", maxAnswer) + `"}`, known},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.server.on(wellKnown, answer(test.status, strings.ReplaceAll(test.body, "ISSUER", r.server.URL)))
			if got := r.where(t.Context()); got != test.want {
				t.Errorf("endpoints are %s, want %s", got, test.want)
			}
			checkQuiet(t, r.logged.String())
		})
	}
}

func TestWithoutDiscoveryTheKnownPathsServeUntilItIsBack(t *testing.T) {
	r := newRig(t)
	r.server.on(wellKnown, answer(500, ""))
	for range 3 {
		if got := r.where(t.Context()); got != known {
			t.Fatalf("endpoints are %s", got)
		}
	}
	checkAsked(t, r.server, wellKnown, 1)
	r.server.on(wellKnown, r.server.fullDocument())
	r.clock.Advance(assumedAge - time.Second)
	if got := r.where(t.Context()); got != known {
		t.Errorf("endpoints are %s before the pause is over", got)
	}
	r.clock.Advance(time.Second)
	if got := r.where(t.Context()); got != "/a /t /r" {
		t.Errorf("endpoints are %s after the pause", got)
	}
	checkAsked(t, r.server, wellKnown, 2)
}

func TestWhatDiscoverySaidStaysWhileItIsAway(t *testing.T) {
	r := newRig(t)
	r.server.on(wellKnown, r.server.fullDocument())
	r.endpoints(t.Context())
	for i, broken := range []http.HandlerFunc{answer(503, ""), answer(200, "<html>"), answer(404, ""), answer(200, `{"issuer":"https://evil.example"}`)} {
		r.server.on(wellKnown, broken)
		r.clock.Advance(metadataAge)
		if got := r.where(t.Context()); got != "/a /t /r" {
			t.Errorf("endpoints are %s", got)
		}
		r.endpoints(t.Context())
		checkAsked(t, r.server, wellKnown, i+2)
	}
}

func TestParallelCallersShareOneDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := newBubbleRig(t)
		defer end()
		release := make(chan struct{})
		document := r.server.fullDocument()
		r.server.on(wellKnown, func(w http.ResponseWriter, q *http.Request) { <-release; document(w, q) })
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				if got := r.where(context.Background()); got != "/a /t /r" {
					t.Errorf("endpoints are %s", got)
				}
			})
		}
		synctest.Wait()
		checkAsked(t, r.server, wellKnown, 1)
		close(release)
		callers.Wait()
		checkAsked(t, r.server, wellKnown, 1)
	})
}

func TestWhoComesLateToADiscoveryDoesNotRepeatIt(t *testing.T) {
	server := startServer(t)
	server.on(wellKnown, server.fullDocument())
	r := rigFor(t, server, server.URL)
	const rounds = 100
	for range rounds {
		var callers sync.WaitGroup
		start := make(chan struct{})
		for range 16 {
			callers.Go(func() { <-start; r.endpoints(context.Background()) })
		}
		close(start)
		callers.Wait()
		r.clock.Advance(metadataAge)
	}
	checkAsked(t, server, wellKnown, rounds)
}

func TestWhoLeavesDoesNotSpoilDiscoveryForOthers(t *testing.T) {
	r := newRig(t)
	r.server.on(wellKnown, r.server.fullDocument())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r.endpoints(gone)
	if got := r.where(t.Context()); got != "/a /t /r" {
		t.Errorf("endpoints are %s", got)
	}
}

func TestWhoLeavesDoesNotWaitForDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := newBubbleRig(t)
		defer end()
		r.server.on(wellKnown, silent)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := r.trade(ctx); err == nil {
			t.Error("a code was exchanged for a visitor who has left")
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("returned after %v", took)
		}
	})
}

func TestWhatIsKnownServesWhileDiscoveryHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := newBubbleRig(t)
		defer end()
		r.server.on(wellKnown, r.server.fullDocument())
		r.server.on("/t", answer(200, goodAnswer))
		r.endpoints(context.Background())
		r.server.on(wellKnown, silent)
		r.clock.Advance(metadataAge)
		began := time.Now()
		if _, err := r.renew(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the refresh took %v", took)
		}
	})
}

func TestTheWellKnownPathStandsBeforeTheIssuersOwn(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://app.osaas.io":           "https://app.osaas.io/.well-known/oauth-authorization-server",
		"https://app.osaas.io/":          "https://app.osaas.io/.well-known/oauth-authorization-server",
		"https://app.osaas.io/tenant":    "https://app.osaas.io/.well-known/oauth-authorization-server/tenant",
		"https://app.osaas.io/tenant/":   "https://app.osaas.io/.well-known/oauth-authorization-server/tenant",
		"http://localhost:9090/a/b":      "http://localhost:9090/.well-known/oauth-authorization-server/a/b",
		"https://[2001:db8::1]:8443/osc": "https://[2001:db8::1]:8443/.well-known/oauth-authorization-server/osc",
	} {
		if got := DiscoveryURL(issuer); got != want {
			t.Errorf("discovery of %s is at %s, want %s", issuer, got, want)
		}
	}
}

func TestAnIssuerWithAPathIsComparedExactly(t *testing.T) {
	for path, want := range map[string]string{"/tenant": "/t", "/tenant/": "/t"} {
		server := startServer(t)
		r := rigFor(t, server, server.URL+path)
		server.on(wellKnown+"/tenant", answer(200, `{"issuer":"`+server.URL+path+`","token_endpoint":"`+server.URL+`/t"}`))
		if got := strings.TrimPrefix(r.endpoints(t.Context()).token, server.URL); got != want {
			t.Errorf("issuer %s: token endpoint is %s", path, got)
		}
		if got := r.endpoints(t.Context()).authorization; got != server.URL+"/tenant/api/connect/authorize" {
			t.Errorf("issuer %s: authorization endpoint is %s", path, got)
		}
	}
}

func TestDiscoveryFollowsNoRedirect(t *testing.T) {
	canary := startServer(t)
	r := newRig(t)
	r.server.on(wellKnown, func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, canary.URL+"/steal", http.StatusFound)
	})
	if got := r.where(t.Context()); got != known {
		t.Errorf("endpoints are %s", got)
	}
	checkAsked(t, canary, "", 0)
}

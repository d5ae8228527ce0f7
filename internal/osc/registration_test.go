package osc

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const goodRegistration = `{"client_id":"dyn-1","client_secret":"dyn-secret"}`

func TestAClientIsRegisteredAsTheStandardAsks(t *testing.T) {
	for _, status := range []int{200, 201} {
		r := newRig(t)
		r.server.on(registerPath, answer(status, goodRegistration))
		got, err := r.Register(t.Context(), "My app", redirectURI)
		if err != nil {
			t.Fatal(err)
		}
		if got.Client.ID != "dyn-1" || got.Client.Secret.Reveal() != "dyn-secret" || !got.Client.Dynamic {
			t.Errorf("client is %+v", got.Client)
		}
		if got.RedirectURI != redirectURI || !got.Created.Equal(r.clock.Now()) || !got.Expires.IsZero() || got.Forever {
			t.Errorf("registration is %+v", got)
		}
		asked := r.server.asked(registerPath)
		if len(asked) != 1 || asked[0].method != "POST" || asked[0].query != "" || asked[0].header.Get("Content-Type") != "application/json" {
			t.Fatalf("asked %+v", asked)
		}
		want := `{"client_name":"My app","redirect_uris":["` + redirectURI + `"],"grant_types":["authorization_code","refresh_token"],` +
			`"response_types":["code"],"token_endpoint_auth_method":"client_secret_post"}`
		if asked[0].body != want {
			t.Errorf("asked for %s", asked[0].body)
		}
	}
}

func TestARegistrationAsksForTheAuthenticationThatIsTaken(t *testing.T) {
	r := newRig(t)
	r.server.on(wellKnown, r.server.document(`"token_endpoint_auth_methods_supported":["client_secret_basic"]`))
	r.server.on(registerPath, answer(201, goodRegistration))
	if _, err := r.Register(t.Context(), "app", redirectURI); err != nil {
		t.Fatal(err)
	}
	if got := wishes(t, r.server)[0].AuthMethod; got != "client_secret_basic" {
		t.Errorf("asked for %s", got)
	}
}

// wishes are the registrations asked for.
func wishes(t *testing.T, s *authServer) []clientMetadata {
	t.Helper()
	var list []clientMetadata
	for _, asked := range s.asked(registerPath) {
		var wish clientMetadata
		if err := json.Unmarshal([]byte(asked.body), &wish); err != nil {
			t.Fatal(err)
		}
		list = append(list, wish)
	}
	return list
}

func TestOnlyARegistrationThatCanBeUsedIsKept(t *testing.T) {
	id := func(raw string) string { return `{"client_id":` + raw + `,"client_secret":"s"}` }
	sec := func(raw string) string { return `{"client_id":"c","client_secret":` + raw + `}` }
	more := func(member string) string { return `{"client_id":"c","client_secret":"s",` + member + `}` }
	for name, test := range map[string]struct {
		body string
		ok   bool
	}{
		"id and secret":                     {goodRegistration, true},
		"a public client":                   {`{"client_id":"c"}`, true},
		"the redirect URI as asked for":     {more(`"redirect_uris":["` + redirectURI + `"]`), true},
		"members nobody knows":              {more(`"client_name":"` + marker + `","jwks":{}`), true},
		"an id in URL form":                 {id(`"https://osc.example/c?x=1&y"`), true},
		"another redirect URI":              {more(`"redirect_uris":["https://evil.example/cb"]`), false},
		"a redirect URI more":               {more(`"redirect_uris":["` + redirectURI + `","https://evil.example/cb"]`), false},
		"no redirect URI":                   {more(`"redirect_uris":[]`), false},
		"a redirect URI that is no list":    {more(`"redirect_uris":"` + redirectURI + `"`), false},
		"an id with a line break":           {id(`"a\r\nb"`), false},
		"an id with a space":                {id(`"a b"`), false},
		"an id with an accent":              {id(`"\u00e9"`), false},
		"an id with a null byte":            {id(`"a\u0000"`), false},
		"an empty id":                       {id(`""`), false},
		"an id that is a number":            {id(`7`), false},
		"an id that is null":                {id(`null`), false},
		"an id just too long":               {id(`"` + strings.Repeat("c", maxCredential+1) + `"`), false},
		"an id given twice":                 {`{"client_id":"c","client_id":"d"}`, false},
		"an id of another case":             {`{"Client_ID":"c"}`, false},
		"no id":                             {`{"client_secret":"` + marker + `"}`, false},
		"a secret with a line break":        {sec(`"` + marker + `\n"`), false},
		"an empty secret":                   {sec(`""`), false},
		"a secret that is a number":         {sec(`7`), false},
		"a secret just too long":            {sec(`"` + strings.Repeat("s", maxCredential+1) + `"`), false},
		"an expiry that is a word":          {more(`"client_secret_expires_at":"never"`), false},
		"an expiry that is null":            {more(`"client_secret_expires_at":null`), false},
		"an error with a status of success": {`{"error":"invalid_client_metadata","error_description":"` + marker + `"}`, false},
		"a page":                            {`<html>` + marker, false},
		"a list":                            {`[` + goodRegistration + `]`, false},
		"nothing":                           {``, false},
		"ten megabytes":                     {`{"client_id":"c","x":"` + strings.Repeat("x", 10<<20) + `"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.server.on(registerPath, answer(201, test.body))
			got, err := r.Register(t.Context(), "app", redirectURI)
			checkAsked(t, r.server, registerPath, 1)
			if test.ok {
				if err != nil || got.Client.ID == "" {
					t.Errorf("error is %v", err)
				}
				return
			}
			if e := asError(t, err); !e.Malformed || e.Endpoint != EndpointRegistration || got.Client.ID != "" {
				t.Errorf("error is %+v, client %q", e, got.Client.ID)
			}
			checkQuiet(t, err.Error())
		})
	}
}

func TestNoURLOfARegistrationIsFetched(t *testing.T) {
	canary := startServer(t)
	r := newRig(t)
	r.server.on(registerPath, answer(201, `{"client_id":"c","registration_client_uri":"`+canary.URL+`/","logo_uri":"`+canary.URL+`/","jwks_uri":"`+canary.URL+`/"}`,
		"Location", canary.URL))
	if _, err := r.Register(t.Context(), "app", redirectURI); err != nil {
		t.Fatal(err)
	}
	checkAsked(t, canary, "", 0)
}

func TestTheEndOfARegistrationIsTakenFromTheAnswer(t *testing.T) {
	for raw, want := range map[string]struct {
		expires int64
		forever bool
	}{
		`0`: {0, true}, `"0"`: {0, true}, `1893456000`: {1893456000, false}, `1893456000.9`: {1893456000, false}, `1e300`: {200 * 365 * 24 * 3600, false},
	} {
		got, err := parseRegistration([]byte(`{"client_id":"c","client_secret_expires_at":`+raw+`}`), nil)
		if err != nil || got.Forever != want.forever || (want.expires != 0) != (got.Expires.Unix() == want.expires) {
			t.Errorf("%s is %v, forever %t (%v)", raw, got.Expires, got.Forever, err)
		}
	}
	for _, raw := range []string{`-1`, `-1893456000`, `0.5`} {
		if got, err := parseRegistration([]byte(`{"client_id":"c","client_secret_expires_at":`+raw+`}`), nil); err == nil && got.Forever {
			t.Errorf("%s is taken for a promise to last forever", raw)
		}
	}
}

func TestAProviderThatWillNotHearOfRefreshTokensIsAskedOnceMoreWithout(t *testing.T) {
	refuse := answer(400, `{"error":"invalid_client_metadata","error_description":"`+marker+`"}`)
	r := newRig(t)
	r.server.on(registerPath, func(w http.ResponseWriter, q *http.Request) {
		if len(r.server.asked(registerPath)) == 1 {
			refuse(w, q)
			return
		}
		answer(201, goodRegistration)(w, q)
	})
	if _, err := r.Register(t.Context(), "app", redirectURI); err != nil {
		t.Fatal(err)
	}
	asked := wishes(t, r.server)
	if len(asked) != 2 || !slices.Equal(asked[1].GrantTypes, []string{"authorization_code"}) || !slices.Equal(asked[1].RedirectURIs, []string{redirectURI}) {
		t.Errorf("asked for %+v", asked)
	}

	r.server.on(registerPath, refuse)
	_, err := r.Register(t.Context(), "app", redirectURI)
	if e := asError(t, err); e.Code != "invalid_client_metadata" {
		t.Errorf("error is %v", err)
	}
	checkQuiet(t, err.Error())
	checkAsked(t, r.server, registerPath, 4)
}

// failures are the ways a registration endpoint may fail.
func failures() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"an error of the standard": answer(400, `{"error":"invalid_redirect_uri","error_description":"`+marker+`"}`),
		"too many requests":        answer(429, marker),
		"a server error":           answer(500, marker),
		"a page":                   answer(200, `<html>`+marker),
		"not found":                answer(404, marker),
		"ten megabytes":            answer(200, strings.Repeat(marker, 10<<20/len(marker))),
		"a broken connection":      func(w http.ResponseWriter, _ *http.Request) { writeRaw(w, "") },
	}
}

func TestAfterAFailedRegistrationTheProviderIsLeftAloneForAWhile(t *testing.T) {
	for name, handle := range failures() {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := clientsOf(r)
			r.server.on(registerPath, handle)
			for range 5 {
				_, err := c.For(t.Context(), redirectURI)
				asError(t, err)
				checkQuiet(t, err.Error(), r.logged.String())
			}
			checkAsked(t, r.server, registerPath, 1)
			r.clock.Advance(registerPause - time.Second)
			_, _ = c.For(t.Context(), redirectURI)
			checkAsked(t, r.server, registerPath, 1)
			r.clock.Advance(time.Second)
			r.server.on(registerPath, answer(201, goodRegistration))
			if _, err := c.For(t.Context(), redirectURI); err != nil {
				t.Errorf("after the pause: %v", err)
			}
			checkAsked(t, r.server, registerPath, 2)
		})
	}
}

func TestRegistrationWaitsAsLongAsTheProviderAsks(t *testing.T) {
	for asked, want := range map[int]time.Duration{1: registerPause, 60: time.Minute, 86400: maxRetryAfter} {
		r := newRig(t)
		c := clientsOf(r)
		r.server.on(registerPath, answer(429, "", "Retry-After", strconv.Itoa(asked)))
		_, _ = c.For(t.Context(), redirectURI)
		r.clock.Advance(want - time.Second)
		_, _ = c.For(t.Context(), redirectURI)
		checkAsked(t, r.server, registerPath, 1)
		r.clock.Advance(time.Second)
		_, _ = c.For(t.Context(), redirectURI)
		checkAsked(t, r.server, registerPath, 2)
	}
}

func TestARegistrationThatHangsDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := newBubbleRig(t)
		defer end()
		c := clientsOf(r)
		r.server.on(registerPath, silent)
		r.server.on(tokenPath, answer(200, goodAnswer))
		hung := make(chan error)
		go func() { _, err := c.For(context.Background(), redirectURI); hung <- err }()
		synctest.Wait()
		began := time.Now()
		if _, err := r.renew(context.Background()); err != nil || time.Since(began) > 0 {
			t.Errorf("a refresh took %v: %v", time.Since(began), err)
		}
		asError(t, <-hung)
		if took := time.Since(began); took != callTimeout {
			t.Errorf("gave up after %v", took)
		}
	})
}

package osc

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func TestTheCodeIsExchangedAsTheStandardAsks(t *testing.T) {
	r := newRig(t)
	r.server.on(tokenPath, answer(200, goodAnswer))
	set, err := r.trade(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if set.Access.Reveal() != "pat-1" || set.Refresh.Reveal() != "refresh-1" || set.Lifetime != time.Hour {
		t.Errorf("set is %q, %q, %v", set.Access.Reveal(), set.Refresh.Reveal(), set.Lifetime)
	}
	checkForm(t, r.server, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {redirectURI},
		"client_id": {"client-1"}, "client_secret": {clientSecret},
	}, "")
}

func TestTheRefreshTokenIsTradedAsTheStandardAsks(t *testing.T) {
	r := newRig(t)
	r.server.on(tokenPath, answer(200, goodAnswer))
	if _, err := r.renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkForm(t, r.server, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}, "client_id": {"client-1"}, "client_secret": {clientSecret},
	}, "")
}

func TestAPublicClientSendsItsIDAlone(t *testing.T) {
	r := newRig(t)
	r.server.on(wellKnown, r.server.document(`"token_endpoint_auth_methods_supported":["client_secret_basic"]`))
	r.server.on(tokenPath, answer(200, goodAnswer))
	if _, err := r.Exchange(t.Context(), public, code, verifier, redirectURI); err != nil {
		t.Fatal(err)
	}
	checkForm(t, r.server, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {redirectURI}, "client_id": {"client-2"},
	}, "")
}

func TestTheSecretGoesWhereTheProviderWantsItAndNeverIntoTheURL(t *testing.T) {
	odd := tokens.Client{ID: "cl:ient+1", Secret: confidential.Secret}
	for name, test := range map[string]struct {
		methods string
		basic   string
	}{
		"in the body where nothing is said":     {`null`, ""},
		"in the body where both are taken":      {`["client_secret_basic","client_secret_post"]`, ""},
		"in the body where only that is taken":  {`["client_secret_post"]`, ""},
		"in the body where neither is named":    {`["private_key_jwt"]`, ""},
		"in the header where only that is said": {`["client_secret_basic"]`, "cl%3Aient%2B1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.server.on(wellKnown, r.server.document(`"token_endpoint_auth_methods_supported":`+test.methods))
			r.server.on(tokenPath, answer(200, goodAnswer))
			if _, err := r.Exchange(t.Context(), odd, code, verifier, redirectURI); err != nil {
				t.Fatal(err)
			}
			want := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {redirectURI}}
			if test.basic == "" {
				want["client_id"], want["client_secret"] = []string{odd.ID}, []string{clientSecret}
			}
			checkForm(t, r.server, want, test.basic)
		})
	}
}

// checkForm looks at the only request to the token endpoint.
func checkForm(t *testing.T, s *authServer, want url.Values, basicUser string) {
	t.Helper()
	asked := s.asked(tokenPath)
	if len(asked) != 1 {
		t.Fatalf("the token endpoint was asked %d times, want once", len(asked))
	}
	got := asked[0]
	if got.method != "POST" || got.query != "" || got.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("%s with query %q and type %q", got.method, got.query, got.header.Get("Content-Type"))
	}
	if got.body != want.Encode() {
		t.Errorf("form is %q, want %q", got.body, want.Encode())
	}
	user, password, _ := (&http.Request{Header: got.header}).BasicAuth()
	if user != basicUser || (basicUser != "") != (password == clientSecret) {
		t.Errorf("basic authentication of %q, want %q", user, basicUser)
	}
}

func TestAnAnswerThatIsNoTokenResponseIsRefused(t *testing.T) {
	with := func(member string) string { return `{"access_token":"pat-1","token_type":"Bearer",` + member + `}` }
	access := func(raw string) string { return `{"access_token":` + raw + `,"token_type":"Bearer","expires_in":3600}` }
	for name, body := range map[string]string{
		"a page":                                `<html>` + marker + `</html>`,
		"nothing":                               ``,
		"an error with the status of a success": `{"error":"invalid_grant","error_description":"` + marker + `"}`,
		"an error next to a token":              with(`"error":"` + marker + `"`),
		"a token of another type":               `{"access_token":"` + marker + `","token_type":"mac","expires_in":3600}`,
		"no token type":                         `{"access_token":"` + marker + `","expires_in":3600}`,
		"a token type that is null":             `{"access_token":"x","token_type":null}`,
		"a token type that is a list":           `{"access_token":"x","token_type":["Bearer"]}`,
		"a token type with a space":             `{"access_token":"x","token_type":"Bearer "}`,
		"no access token":                       `{"token_type":"Bearer"}`,
		"an empty access token":                 access(`""`),
		"an access token that is null":          access(`null`),
		"an access token that is a number":      access(`12345`),
		"an access token that is a list":        access(`["x"]`),
		"an access token that is an object":     access(`{"` + marker + `":1}`),
		"an access token with a line break":     access(`"abc\r\nX-Admin: ` + marker + `"`),
		"an access token with an accent":        access(`"tok\u00e9n"`),
		"an access token with a space":          access(`"tok en"`),
		"an access token with a null byte":      access(`"tok\u0000en"`),
		"an access token with a tab":            access(`"tok\ten"`),
		"an access token written backwards":     access(`"t\u202eok"`),
		"an access token in quotes":             access(`"\"tok\""`),
		"an access token that is two":           access(`"tok,Bearer x"`),
		"an access token of padding alone":      access(`"=="`),
		"an access token with padding inside":   access(`"a=b"`),
		"an access token with half a surrogate": access(`"\ud800"`),
		"an access token just too long":         access(`"` + strings.Repeat("A", maxToken+1) + `"`),
		"an access token of nearly a megabyte":  access(`"` + strings.Repeat("A", 1<<20-100) + `"`),
		"an access token of a megabyte":         access(`"` + strings.Repeat("A", 1<<20) + `"`),
		"an access token given twice":           `{"access_token":"GOOD","access_token":"` + marker + `","token_type":"Bearer"}`,
		"an access token given twice, escaped":  `{"access_token":"GOOD","access\u005ftoken":"` + marker + `","token_type":"Bearer"}`,
		"an access token in capitals only":      `{"ACCESS_TOKEN":"` + marker + `","token_type":"Bearer"}`,
		"any member given twice":                with(`"x":1,"x":2`),
		"a refresh token with a line break":     with(`"refresh_token":"r\r\n` + marker + `"`),
		"a refresh token with a space":          with(`"refresh_token":"r r"`),
		"a refresh token with an accent":        with(`"refresh_token":"\u00e9"`),
		"a refresh token that is a number":      with(`"refresh_token":1`),
		"a refresh token that is null":          with(`"refresh_token":null`),
		"a refresh token just too long":         with(`"refresh_token":"` + strings.Repeat("r", maxToken+1) + `"`),
		"a list":                                `[` + goodAnswer + `]`,
		"half an object":                        `{"access_token":"x"`,
		"something after the object":            goodAnswer + ` trailing`,
		"two objects":                           goodAnswer + goodAnswer,
		"a byte order mark":                     "\ufeff" + goodAnswer,
		"null":                                  `null`,
		"a string":                              `""`,
		"a comma too many":                      `{"access_token":"x","token_type":"Bearer",}`,
		"an object in an object, without end":   strings.Repeat(`{"a":`, 20000),
		"a list in a list, deep":                with(`"a":` + strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000)),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.server.on(tokenPath, answer(200, body))
			set, err := r.trade(t.Context())
			e := asError(t, err)
			if !e.Malformed || !IsMalformed(err) || e.Endpoint != EndpointToken || e.Status != 200 || set != (tokens.Set{}) {
				t.Errorf("error %+v and set %v", e, set)
			}
			if errors.Is(err, tokens.ErrRejected) || errors.Is(err, tokens.ErrClientUnknown) {
				t.Errorf("%v is taken for a verdict", err)
			}
			checkQuiet(t, err.Error(), r.logged.String())
			checkAsked(t, r.server, tokenPath, 1)
		})
	}
}

func TestATokenResponseIsReadAsItIsMeant(t *testing.T) {
	long := strings.Repeat("A", maxToken)
	for name, test := range map[string]struct{ body, access, refresh string }{
		"whatever the case of the token type": {`{"access_token":"a","token_type":"BEARER","refresh_token":"r"}`, "a", "r"},
		"without a refresh token":             {`{"access_token":"a","token_type":"bearer"}`, "a", ""},
		"with an empty refresh token":         {`{"access_token":"a","token_type":"Bearer","refresh_token":""}`, "a", ""},
		"with any visible refresh token":      {`{"access_token":"a","token_type":"Bearer","refresh_token":"!\"~"}`, "a", `!"~`},
		"with every character of a token":     {`{"access_token":"aZ0-._~+/==","token_type":"Bearer"}`, "aZ0-._~+/==", ""},
		"with the longest token":              {`{"access_token":"` + long + `","token_type":"Bearer"}`, long, ""},
		"with white space":                    {" {\n\"access_token\" : \t\"a\" , \"token_type\": \"Bearer\" }\r\n", "a", ""},
		"with members nobody knows":           {`{"scope":null,"id_token":{"x":[1]},"access_token":"a","token_type":"Bearer"}`, "a", ""},
		"whatever another case says":          {`{"access_token":"GOOD","Access_Token":"EVIL","TOKEN_TYPE":"mac","token_type":"Bearer"}`, "GOOD", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.server.on(tokenPath, answer(200, test.body))
			set, err := r.trade(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if set.Access.Reveal() != test.access || set.Refresh.Reveal() != test.refresh {
				t.Errorf("tokens are %q and %q", set.Access.Reveal(), set.Refresh.Reveal())
			}
		})
	}
}

func TestTheLifetimeOfATokenIsNeverAbsurd(t *testing.T) {
	const refused = time.Duration(-1)
	for raw, want := range map[string]time.Duration{
		`0`: 0, `-1`: 0, `-0`: 0, `-9223372036854775808`: 0, `-1e999`: 0, `1`: time.Second, `10`: 10 * time.Second,
		`3600`: time.Hour, `"3600"`: time.Hour, `3600.7`: time.Hour, `1e3`: 1000 * time.Second,
		`86400`: maxLifetime, `86401`: maxLifetime, `1e20`: maxLifetime, `9223372036854775807`: maxLifetime,
		`99999999999`: maxLifetime, `"99999999999999999999999"`: maxLifetime, `1e999`: maxLifetime,
		`"abc"`: refused, `null`: refused, `true`: refused, `{}`: refused, `[]`: refused, `""`: refused, `"-1"`: refused,
		`"-0"`: refused, `"1e3"`: refused, `"0x10"`: refused, `"3600 "`: refused, `"Inf"`: refused, `"1_000"`: refused, `"٣"`: refused,
	} {
		t.Run(raw, func(t *testing.T) {
			set, err := parseSet([]byte(`{"access_token":"a","token_type":"Bearer","expires_in":`+raw+`}`), newClock().Now())
			if want == refused {
				if err == nil {
					t.Errorf("accepted as %v", set.Lifetime)
				}
				return
			}
			if err != nil || set.Lifetime != want {
				t.Errorf("lifetime is %v (%v), want %v", set.Lifetime, err, want)
			}
		})
	}
	t.Run("not given", func(t *testing.T) {
		set, err := parseSet([]byte(`{"access_token":"a","token_type":"Bearer"}`), newClock().Now())
		if err != nil || set.Lifetime != defaultLifetime {
			t.Errorf("lifetime is %v (%v), want %v", set.Lifetime, err, defaultLifetime)
		}
	})
}

func TestNothingIsSentWhileTheProviderWantsToBeLeftAlone(t *testing.T) {
	r := newRig(t)
	r.server.on(tokenPath, answer(429, "", "Retry-After", "30"))
	if _, err := r.renew(t.Context()); asError(t, err).Status != 429 {
		t.Fatal(err)
	}
	r.server.on(tokenPath, answer(200, goodAnswer))
	r.clock.Advance(29 * time.Second)
	_, err := r.renew(t.Context())
	if e := asError(t, err); e.RetryAfter() != time.Second || RetryAfter(err) != time.Second || e.Status != 0 || e.Malformed || errors.Is(err, tokens.ErrRejected) {
		t.Errorf("error during the pause is %+v", e)
	}
	checkAsked(t, r.server, tokenPath, 1)
	r.clock.Advance(time.Second)
	if _, err := r.renew(t.Context()); err != nil {
		t.Errorf("after the pause: %v", err)
	}
	checkAsked(t, r.server, tokenPath, 2)
}

func TestASignInIsTriedEvenWhileRefreshesPause(t *testing.T) {
	r := newRig(t)
	r.server.on(tokenPath, answer(429, "", "Retry-After", "30"))
	_, _ = r.renew(t.Context())
	r.server.on(tokenPath, answer(200, goodAnswer))
	if _, err := r.trade(t.Context()); err != nil {
		t.Errorf("a code lives too short to wait: %v", err)
	}
}

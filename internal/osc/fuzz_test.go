package osc

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	bearerSyntax = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`) // RFC 6750 §2.1
	visibleASCII = regexp.MustCompile(`^[!-~]*$`)
)

func FuzzTokenResponse(f *testing.F) {
	for _, seed := range []string{
		goodAnswer, ``, `null`, `{}`, `[{}]`, "\ufeff" + goodAnswer, goodAnswer + `x`,
		`{"access_token":"a","access_token":"b","token_type":"Bearer"}`,
		`{"access_token":"a","Access_Token":"b","token_type":"Bearer"}`,
		`{"access_token":"a\r\nX: y","token_type":"Bearer"}`,
		`{"access_token":"a","token_type":"Bearer","expires_in":1e999}`,
		`{"access_token":"a","token_type":"Bearer","expires_in":-9223372036854775808}`,
		`{"access_token":"a","token_type":"Bearer","expires_in":"3600"}`,
		`{"access_token":"` + jwt(`{"userId":"u","tenantId":"t","iat":1,"exp":2}`) + `","token_type":"Bearer"}`,
		`{"access_token":"` + jwt(`{"userId":"\u0000","exp":1e300}`) + `","token_type":"bearer","expires_in":5}`,
	} {
		f.Add([]byte(seed), int64(1772366400))
	}
	f.Fuzz(func(t *testing.T, body []byte, unix int64) {
		now := time.Unix(unix%(1<<33), 0)
		set, err := parseSet(body, now)
		if err != nil {
			if !set.Access.IsEmpty() || !set.Refresh.IsEmpty() {
				t.Error("an error comes with a token")
			}
			return
		}
		if access := set.Access.Reveal(); !bearerSyntax.MatchString(access) || len(access) > maxToken {
			t.Errorf("access token %q", access)
		}
		if refresh := set.Refresh.Reveal(); !visibleASCII.MatchString(refresh) || len(refresh) > maxToken {
			t.Errorf("refresh token %q", refresh)
		}
		if set.Lifetime < 0 || set.Lifetime > maxLifetime {
			t.Errorf("lifetime %v", set.Lifetime)
		}
		for _, who := range []string{set.User, set.Tenant} {
			if !visibleASCII.MatchString(who) || len(who) > maxClaim {
				t.Errorf("claim %q", who)
			}
		}
		var exact map[string]any
		if json.Unmarshal(body, &exact) == nil && exact["access_token"] != set.Access.Reveal() {
			t.Errorf("access token %q is not the member's value", set.Access.Reveal())
		}
	})
}

func FuzzRegistration(f *testing.F) {
	for _, seed := range []string{
		goodRegistration, ``, `null`, `{}`, `{"client_id":"c"}`, `{"client_id":"a\r\nb","client_secret":"x"}`,
		`{"client_id":"c","client_secret":"s","redirect_uris":["https://evil.example/cb"]}`,
		`{"client_id":"c","client_secret":"s","redirect_uris":["` + redirectURI + `"],"client_secret_expires_at":0}`,
		`{"client_id":"c","client_secret_expires_at":1e300}`, `{"client_id":"c","client_secret_expires_at":-1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseRegistration(body, []string{redirectURI})
		if err != nil {
			if got.Client.ID != "" || !got.Client.Secret.IsEmpty() {
				t.Error("an error comes with a client")
			}
			return
		}
		for _, value := range []string{got.Client.ID, got.Client.Secret.Reveal()} {
			if !visibleASCII.MatchString(value) || len(value) > maxCredential {
				t.Errorf("credential %q", value)
			}
		}
		if got.Client.ID == "" || !got.Client.Dynamic || got.Forever && !got.Expires.IsZero() {
			t.Errorf("registration %+v", got)
		}
		got.Created = newClock().Now()
		got.usable(got.Created.Add(time.Hour))
		var members map[string]json.RawMessage
		var echoed []string
		if json.Unmarshal(body, &members) == nil && json.Unmarshal(members["redirect_uris"], &echoed) == nil &&
			echoed != nil && !slices.Equal(echoed, []string{redirectURI}) {
			t.Errorf("redirect URIs %q were accepted", echoed)
		}
	})
}

func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		goodAnswer, `{}`, ` { "a" : [ 1 , 2 ] } `, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":1,}`, `{"a":1]`, `{"a":{"b":{"a":null}}}`,
		`{} {}`, `{"\ud800":1}`, "{\"\xff\":1}", `null`, `[]`, strings.Repeat(`{"a":`, 100), "\ufeff{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseObject(body)
		var want map[string]json.RawMessage
		valid := json.Unmarshal(body, &want) == nil && want != nil
		switch {
		case err == nil && !valid:
			if len(body) < 10000 { // beyond, the two count nesting from different places
				t.Fatalf("%q is taken for an object", body)
			}
		case err != nil && valid:
			if !repeats(body) {
				t.Fatalf("%q is refused: %v", body, err)
			}
		case err == nil:
			sameMembers(t, got, want)
		}
	})
}

// repeats tells whether a valid object has fewer names than members.
func repeats(body []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(body))
	_, _ = decoder.Token()
	seen := map[json.Token]bool{}
	for decoder.More() {
		name, _ := decoder.Token()
		if seen[name] {
			return true
		}
		seen[name] = true
		var skipped any
		if decoder.Decode(&skipped) != nil {
			return false
		}
	}
	return false
}

func sameMembers(t *testing.T, got object, want map[string]json.RawMessage) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d members, want %d", len(got), len(want))
	}
	for name, value := range want {
		if !bytes.Equal(got[name], value) {
			t.Errorf("member %q is %q, want %q", name, got[name], value)
		}
		text, ok := got.text(name)
		var s *string
		if isText := json.Unmarshal(value, &s) == nil && s != nil; isText != ok || ok && *s != text {
			t.Errorf("member %q is the text %q, %t", name, text, ok)
		}
	}
}

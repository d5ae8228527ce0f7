package integration

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// attack2Answer is a token response to a code, and what may come of it: a
// session whose token lives for at most a time, or none at all.
type attack2Answer struct {
	id, what string
	reply    func(grant string) attack2Reply
	kept     bool
	either   bool          // kept or not
	most     time.Duration // 0: an hour
}

// attack2As is a pair with members of one's own.
func attack2As(members ...string) func(string) attack2Reply {
	return func(grant string) attack2Reply { return attack2Pair(grant, 0, members...) }
}

func attack2Body(body string) func(string) attack2Reply {
	return func(string) attack2Reply { return attack2Reply{body: body} }
}

// attack2TooLong is longer than any token may be.
var attack2TooLong = strings.Repeat("A", 20_000)

func attack2Answers(canary string) []attack2Answer {
	good := strings.TrimSuffix(attack2Pair("x", 0).body, "}")
	text := func(s string) string { return `"` + marker + s + `"` }
	all := []attack2Answer{
		{id: "TE-001", what: "a page", reply: func(string) attack2Reply {
			return attack2Reply{header: http.Header{"Content-Type": {"text/html"}}, body: "<html>" + marker + "</html>"}
		}},
		{id: "TE-002", what: "an error with status 200", reply: attack2Body(`{"error":"invalid_grant","error_description":"<script>` + marker + `"}`)},
		{id: "TE-011", what: "another type of token", reply: attack2As("token_type", `"mac"`)},
		{id: "TE-012", what: "a type in capitals", reply: attack2As("token_type", `"BEARER"`), kept: true},
		{id: "TE-013", what: "no type", reply: attack2As("token_type", "")},
		{id: "TE-014", what: "a list as token", reply: attack2As("access_token", `["x"]`)},
		{id: "TE-014", what: "nothing but a type", reply: attack2Body(`{"token_type":"Bearer"}`)},
		{id: "TE-018", what: "a lifetime of 1e20", reply: attack2As("expires_in", "1e20"), kept: true, most: 24 * time.Hour},
		{id: "TE-018", what: "the largest number there is", reply: attack2As("expires_in", "9223372036854775807"), kept: true, most: 24 * time.Hour},
		{id: "TE-018", what: "three thousand years", reply: attack2As("expires_in", "99999999999"), kept: true, most: 24 * time.Hour},
		{id: "TE-019", what: "a string of digits", reply: attack2As("expires_in", `"3600"`), kept: true},
		{id: "TE-019", what: "a fraction", reply: attack2As("expires_in", "3600.7"), kept: true},
		{id: "TE-019", what: "no lifetime", reply: attack2As("expires_in", ""), kept: true},
		{id: "TE-019", what: "null", reply: attack2As("expires_in", "null")},
		{id: "TE-019", what: "true", reply: attack2As("expires_in", "true")},
		{id: "TE-019", what: "a word", reply: attack2As("expires_in", `"abc"`)},
		{id: "TE-019", what: "an object", reply: attack2As("expires_in", "{}")},
		{id: "TE-020", what: "a field behind the token", reply: attack2As("access_token", text(`\r\nX-Admin: 1`))},
		{id: "TE-022", what: "a token of 20 kB", reply: attack2As("access_token", `"`+attack2TooLong+`"`)},
		{id: "TE-022", what: "a token of a megabyte", reply: attack2As("access_token", `"`+strings.Repeat(attack2TooLong, 50)+`"`)},
		{id: "TE-023", what: "a token twice", reply: attack2Body(`{"access_token":"` + marker + `-1","access_token":"` + marker + `-2","token_type":"Bearer","expires_in":3600}`)},
		{id: "TE-024", what: "a token in another case", kept: true, reply: func(grant string) attack2Reply {
			return attack2Reply{body: strings.Replace(attack2Pair(grant, 0).body, `,"token_type"`, `,"Access_Token":"`+marker+`","token_type"`, 1)}
		}},
		{id: "TE-027", what: "a cookie", kept: true, reply: func(grant string) attack2Reply {
			r := attack2Pair(grant, 0)
			r.header = http.Header{"Set-Cookie": {"osc_session=" + marker + "; Path=/", "provider=" + marker}}
			return r
		}},
		{id: "TE-034", what: "minus nothing", reply: attack2As("expires_in", "-0"), either: true},
		{id: "TE-034", what: "a number with exponent", reply: attack2As("expires_in", "1e3"), either: true},
		{id: "TE-034", what: "a hexadecimal number", reply: attack2As("expires_in", `"0x10"`), either: true},
		{id: "TE-034", what: "a hexadecimal number, bare", reply: attack2As("expires_in", "0x10")},
		{id: "TE-034", what: "digits and a space", reply: attack2As("expires_in", `"3600 "`), either: true},
	}
	for _, token := range []string{"é", " x", `\u0000`, `\t`, "\u202e", `\"`, ",Bearer x"} {
		all = append(all, attack2Answer{id: "TE-021", what: fmt.Sprintf("a token with %q", token), reply: attack2As("access_token", text(token))})
	}
	for what, body := range map[string]string{
		"an array": "[" + good + "}]", "half": good, "more after it": good + "} trailing", "two of them": good + "}" + good + "}",
		"a byte order mark": "\ufeff" + good + "}", "null": "null", "an empty string": `""`, "nothing": "", "a depth of 20000": strings.Repeat(`{"a":`, 20_000),
	} {
		all = append(all, attack2Answer{id: "TE-025", what: what, reply: attack2Body(body)})
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		all = append(all, attack2Answer{id: "TE-010", what: fmt.Sprint("a redirect ", status), reply: func(string) attack2Reply {
			return attack2Reply{status: status, header: http.Header{"Location": {canary}}}
		}})
	}
	return append(all, attack2JWTs()...)
}

// attack2JWTs are tokens that say things about themselves: times may shorten
// their lives, and what can't be read makes them opaque.
func attack2JWTs() (all []attack2Answer) {
	for what, payload := range map[string]string{
		"a word as time": `{"exp":"abc","userId":"mallory"}`, "an absurd time": `{"exp":1e300,"userId":"mallory"}`,
		"nested 10000 deep": strings.Repeat(`{"a":`, 2_000) + "1" + strings.Repeat("}", 2_000), "nobody's name": `{"exp":99999999999}`,
		"names that are none": `{"userId":{"a":1},"tenantId":["x"]}`, "a name with a line break": `{"userId":"a\r\nX-Admin: 1"}`,
		"no JSON": "\x00\xff\x00\xff\x00\xff\x00\xff\x00", "an array": `["userId","mallory"]`, "an ended life": `{"exp":1,"iat":0}`,
	} {
		all = append(all, attack2Answer{id: "TE-036", what: "claims with " + what, reply: attack2As("access_token", attack2JWT(payload)), kept: true})
	}
	soon := fmt.Sprintf(`{"exp":%d,"userId":"mallory"}`, time.Now().Add(3*time.Minute).Unix())
	return append(all,
		attack2Answer{id: "TE-036", what: "an earlier end", reply: attack2As("access_token", attack2JWT(soon)), kept: true, most: 3 * time.Minute},
		attack2Answer{id: "TE-036", what: "no base64", reply: attack2As("access_token", `"eyJhbGciOiJub25lIn0.not~base64~at~all.signaturesignature"`), kept: true},
		attack2Answer{id: "TE-036", what: "five parts", reply: attack2As("access_token", `"eyJ.aaaa.bbbb.cccc.dddd"`), kept: true},
	)
}

func TestAttack2TokenResponses(t *testing.T) {
	t.Parallel()
	a := newAttack2(t, setup{})
	a.canaries.note(planted, marker)
	grants := a.grants()
	canary := a.osc.URL + "/_simulator/canary"
	for i, c := range attack2Answers(canary) {
		t.Run(c.id+" "+c.what, func(t *testing.T) { a.tryAnswer(t, grants, fmt.Sprint("row", i), c) })
	}
	if n := a.osc.Counters().CanaryHits; n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
	for _, call := range a.asked.at(attack2Token) {
		if call.header["Cookie"] != nil {
			t.Errorf("the gateway has a cookie for the provider: %q", call.header["Cookie"])
		}
	}
}

func (a *attack2) tryAnswer(t *testing.T, grants *attack2Grants, name string, c attack2Answer) {
	v := a.browser(t)
	grant := &attack2Grant{name: name, begin: c.reply(name)}
	before := a.exchanges()
	got := grants.signIn(a, v, grant)
	a.own(t, got)
	if n := a.exchanges() - before; n != 1 {
		t.Errorf("%d exchanges", n)
	}
	switch signedIn := a.held(v) != ""; {
	case signedIn && !c.kept && !c.either, !signedIn && c.kept:
		t.Errorf("signed in: %v: %v", signedIn, got)
	case !signedIn:
		a.refused(t, v, got)
	default:
		a.keptAs(t, v, grant, c)
	}
}

// exchanges is how many codes were sent to the token endpoint.
func (a *attack2) exchanges() (n int) {
	for _, call := range a.asked.at(attack2Token) {
		if call.form().Get("grant_type") == "authorization_code" {
			n++
		}
	}
	return n
}

// refused checks that nothing came of a token response.
func (a *attack2) refused(t *testing.T, v *visitor, got answer) {
	t.Helper()
	if got.Status != http.StatusBadGateway && got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, "<code>provider_") {
		t.Error(got)
	}
	if strings.Contains(got.Body, "script>") || strings.Contains(got.Body, marker) {
		t.Errorf("the page has what the provider said: %s", got.Body)
	}
	a.signedOut(t, v)
}

// keptAs checks that a token response became a session with its token, that
// lives no longer than it may.
func (a *attack2) keptAs(t *testing.T, v *visitor, grant *attack2Grant, c attack2Answer) {
	t.Helper()
	most := c.most
	if most == 0 {
		most = time.Hour
	}
	if life := a.tokenLife(t, v); life > most {
		t.Errorf("the token is believed to live for %v", life)
	}
	page := v.open("/" + grant.name)
	if page.Status != http.StatusOK && !(c.either && page.Status == http.StatusServiceUnavailable) {
		t.Errorf("%v", page)
	}
	for _, token := range a.tokensOf("/" + grant.name) {
		if !strings.Contains(grant.begin.body, `"access_token":"`+token+`"`) && !strings.Contains(token, "opaque-token-of-"+grant.name) {
			t.Errorf("the app got the token %q", token)
		}
	}
	for _, got := range a.app.all() {
		if got.URI == "/"+grant.name && got.Header.Get("X-Admin") != "" {
			t.Error("the app got a field of the provider's")
		}
	}
	for _, kept := range v.client.Jar.Cookies(&url.URL{Scheme: "http", Host: "localhost"}) {
		if strings.Contains(kept.Value, marker) {
			t.Errorf("the browser has the provider's cookie %v", kept)
		}
	}
	grant.usedOnce(t)
}

package integration

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// attack2Callback is a callback as an attacker, or a bad day, may have it. In
// query, STATE and CODE are those of the visitor's own flow, where there is
// one, and OTHERSTATE and OTHERCODE those of an attacker's.
type attack2Callback struct {
	id, what  string
	signedIn  bool
	began     bool // a sign-in of the visitor's is under way
	method    string
	query     string
	want      []int
	fresh     bool // or a new sign-in begins
	exchanges int  // calls of the token endpoint
	session   bool // it ends with a session
	ends      bool // the flow under way is over then
}

func attack2Callbacks() []attack2Callback {
	bad := []int{http.StatusBadRequest}
	tooMuch := []int{http.StatusBadRequest, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge}
	var many strings.Builder
	for i := range 6000 {
		fmt.Fprintf(&many, "p%d=&", i)
	}
	return []attack2Callback{
		{id: "CB-001", what: "no state", query: "code=abcdefgh", want: bad},
		{id: "CB-001", what: "no state, signed in", signedIn: true, query: "code=abcdefgh", want: bad},
		{id: "CB-001", what: "no state, a sign-in under way", began: true, query: "code=CODE", want: bad},
		{id: "CB-002", what: "an empty state", query: "code=abcdefgh&state=", want: bad},
		{id: "CB-002", what: "an empty state, a sign-in under way", began: true, query: "code=CODE&state=", want: bad},
		{id: "CB-003", what: "no code", began: true, query: "state=STATE", want: bad},
		{id: "CB-004", what: "nothing", began: true, query: "", want: bad},
		{id: "CB-005", what: "two codes", began: true, query: "code=CODE&code=abcdefgh&state=STATE", want: bad},
		{id: "CB-006", what: "two states", began: true, query: "code=CODE&state=OTHERSTATE&state=STATE", want: bad},
		{id: "CB-007", what: "an attacker's sign-in", began: true, query: "code=OTHERCODE&state=OTHERSTATE", want: bad, fresh: true},
		{id: "CB-007", what: "an attacker's sign-in, signed in", signedIn: true, query: "code=OTHERCODE&state=OTHERSTATE", want: []int{http.StatusFound}},
		{
			id: "CB-010", what: "an error with markup", began: true, ends: true, want: []int{http.StatusForbidden},
			query: "error=access_denied&error_description=<script>alert(1)</script>%22%27%3E<img%20src=x>&error_uri=javascript:alert(1)&state=STATE",
		},
		{id: "CB-011", what: "an error and a code", began: true, ends: true, query: "error=access_denied&code=CODE&state=STATE", want: []int{http.StatusForbidden}},
		{id: "CB-012", what: "an error of no sign-in", query: "error=access_denied&state=" + someState, want: bad},
		{id: "CB-012", what: "an error with a state that is none", query: "error=access_denied&state=unknown", want: bad},
		{id: "CB-013", what: "a code of 9 kB", began: true, query: "code=" + strings.Repeat("a", 9<<10) + "&state=STATE", want: bad},
		{id: "CB-013", what: "a code of 200 kB", began: true, query: "code=" + strings.Repeat("a", 200<<10) + "&state=STATE", want: tooMuch},
		{id: "CB-014", what: "6000 parameters", began: true, query: many.String() + "code=CODE&state=STATE", want: tooMuch},
		{id: "CB-015", what: "another issuer", began: true, query: "code=CODE&state=STATE&iss=https://elsewhere.example", want: bad},
		{
			id: "CB-017", what: "another browser's code", began: true, ends: true, exchanges: 1,
			query: "code=OTHERCODE&state=STATE", want: bad,
		},
		{id: "CB-018", what: "a form", began: true, method: http.MethodPost, query: "code=CODE&state=STATE", want: []int{http.StatusMethodNotAllowed}},
		{id: "CB-019", what: "HEAD", began: true, method: http.MethodHead, query: "code=CODE&state=STATE", want: []int{http.StatusMethodNotAllowed}},
		{id: "CB-020", what: "no sign-in under way, signed in", signedIn: true, query: "code=abcdefgh&state=abcdefgh", want: bad},
		{
			id: "CB-020", what: "no sign-in under way, a state of our shape, signed in", signedIn: true,
			query: "code=abcdefgh&state=" + someState, want: []int{http.StatusFound},
		},
		{
			id: "CB-023", what: "a line break in the code", began: true, ends: true, exchanges: 1,
			query: "code=abcdefgh%0d%0aX:1&state=STATE", want: bad,
		},
		{
			id: "CB-024", what: "a token in the query", began: true, ends: true, exchanges: 1, session: true,
			query: "access_token=" + marker + "&token_type=bearer&code=CODE&state=STATE", want: []int{http.StatusFound},
		},
		{id: "CB-027", what: "a semicolon between", began: true, query: "code=CODE;state=STATE", want: bad},
		{id: "CB-029", what: "an empty error", began: true, ends: true, query: "code=CODE&state=STATE&error=", want: bad},
		{id: "CB-033", what: "everything empty and an error", query: "state=&code=&error=x&error_description=%3Cscript%3E", want: bad},
	}
}

func TestAttack2Callbacks(t *testing.T) {
	t.Parallel()
	a := newAttack2(t, setup{})
	a.canaries.note(planted, marker)
	for _, c := range attack2Callbacks() {
		t.Run(c.id+" "+c.what, func(t *testing.T) { a.tryCallback(t, c) })
	}
	if counted := a.osc.Counters(); counted.CodeReuse != 0 {
		t.Errorf("a code was sent %d times more than once", counted.CodeReuse)
	}
}

func (a *attack2) tryCallback(t *testing.T, c attack2Callback) {
	attacker, v := a.browser(t), a.browser(t)
	others := attack2Query(t, attacker.toCallback(attacker.open("/")))
	if c.signedIn {
		v.signIn("/")
	}
	var callback string
	own := url.Values{}
	if c.began {
		callback = v.toCallback(v.open("/going?to=there"))
		own = attack2Query(t, callback)
	}
	session, before := v.session(), a.calls()
	query := strings.NewReplacer("OTHERSTATE", others.Get("state"), "OTHERCODE", others.Get("code"),
		"STATE", own.Get("state"), "CODE", own.Get("code")).Replace(c.query)

	got, err := a.sendCallback(v, c.method, query)
	if err != nil && len(query) < 16<<10 { // a server may hang up on more
		t.Fatal(err)
	}
	if err == nil {
		a.checkCallback(t, c, got, query)
	}
	if n := a.calls() - before; n != c.exchanges {
		t.Errorf("%d calls of the token endpoint", n)
	}
	if now := v.session(); now != session && !c.session || c.session && now == "" {
		t.Errorf("the session cookie was %q, and is %q", session, now)
	}
	if c.signedIn || c.session {
		a.works(t, v, "alice")
	} else {
		a.signedOut(t, v)
	}
	if c.began && !c.ends { // what was under way goes on
		if done := v.open(callback); done.Status != http.StatusFound || done.Header.Get("Location") != "/going?to=there" {
			t.Errorf("the visitor's own callback, afterwards: %v", done)
		}
		a.works(t, v, "alice")
	}
}

func (a *attack2) sendCallback(v *visitor, method, query string) (answer, error) {
	if method != http.MethodPost {
		return v.try(method, "/auth/callback?"+query, navigation, "")
	}
	headers := navigation.Clone()
	headers.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.try(method, "/auth/callback", headers, query)
}

// checkCallback checks the answer: of the right kind, the gateway's own, and
// without a word of who sent the browser there.
func (a *attack2) checkCallback(t *testing.T, c attack2Callback, got answer, query string) {
	t.Helper()
	begins := got.Status == http.StatusFound && strings.HasPrefix(got.Header.Get("Location"), a.osc.URL)
	if begins && !c.fresh || !begins && !slices.Contains(c.want, got.Status) {
		t.Errorf("%v", got)
	}
	if got.Status == http.StatusRequestHeaderFieldsTooLarge { // net/http's
		return
	}
	a.own(t, got)
	if got.Status/100 == 4 && !strings.Contains(got.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("Content-Security-Policy is %q", got.Header["Content-Security-Policy"])
	}
	const tooShort = 8
	for _, part := range strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' }) {
		_, value, _ := strings.Cut(part, "=")
		value, _ = url.QueryUnescape(value)
		if len(value) >= tooShort && (strings.Contains(got.Body, value) || strings.Contains(got.Body, html.EscapeString(value))) {
			t.Errorf("the page says %q", value)
		}
	}
}

// attack2Query is the query of an address.
func attack2Query(t testing.TB, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

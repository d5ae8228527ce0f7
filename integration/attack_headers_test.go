package integration

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

// attackHeaderPolicies have a route of each kind, and some that say in their
// own spelling where the token goes.
const attackHeaderPolicies = `		public   /assets/*
		optional /maybe
		required /authorized {
			token_header authorization
		}
		required /lower {
			token_header x-pat-jwt
		}
		required /upper {
			token_header X-PAT-JWT
		}
		required /canonical {
			token_header X-Pat-Jwt
		}
`

// attackGains is what the app gets of a request.
type attackGains int

const (
	attackNothing attackGains = iota // not even the request
	attackNoToken
	attackToken // alice's, in the route's own field
)

// attackHeader is a request by which a client tries to speak for the gateway,
// or to silence it. "forged" is what must not arrive.
type attackHeader struct {
	name   string
	path   string // default: a protected one
	lines  string // nobody is signed in but by attackCookie
	body   string // with what ends the header; default: none
	gains  attackGains
	status int  // when the app gets nothing
	joined bool // the forgery arrives, as part of a value that is the client's own
}

var attackHeaders = []attackHeader{
	{name: "HS-001 the token's field", lines: attackCookie + "X-Pat-Jwt: Bearer forged\r\n", gains: attackToken},
	{name: "HS-002 on a public route", path: "/assets/a.js", lines: "X-Pat-Jwt: Bearer forged\r\n", gains: attackNoToken},
	{name: "HS-003 on an optional route, in odd case", path: "/maybe", lines: "x-pat-JWT: Bearer forged\r\n", gains: attackNoToken},
	{name: "HS-004 twice", lines: attackCookie + "X-Pat-Jwt: Bearer forged\r\nx-pat-jwt: Bearer forged2\r\n", gains: attackToken},
	{name: "HS-005 with underscores", path: "/assets/a.js", gains: attackNoToken,
		lines: "X_Pat_Jwt: Bearer forged\r\nX-Pat_Jwt: Bearer forged\r\nX_Pat-Jwt: Bearer forged\r\n"},
	{name: "HS-006 with dots", lines: attackCookie + "X.Pat.Jwt: Bearer forged\r\nX.Pat-Jwt: Bearer forged\r\n", gains: attackToken},
	{name: "HS-007 its name in Connection", lines: attackCookie + "Connection: close, X-Pat-Jwt\r\n", gains: attackToken},
	{name: "HS-008 its name in a second Connection", gains: attackToken,
		lines: attackCookie + "CONNECTION: close\r\nConnection: \tx-pat-jwt , keep-alive\r\n"},
	{name: "HS-009 its name beside an upgrade", gains: attackToken,
		lines: attackCookie + attackOrigin + attackSocket + "Connection: Upgrade, X-Pat-Jwt, Cookie\r\n"},
	{name: "HS-010 Authorization, and its name in Connection", path: "/authorized", gains: attackToken,
		lines: attackCookie + "Authorization: Bearer forged\r\nConnection: close, Authorization\r\n"},
	{name: "HS-011 its name in the fields of the connection", gains: attackToken,
		lines: attackCookie + "Proxy-Connection: X-Pat-Jwt\r\nKeep-Alive: X-Pat-Jwt\r\nTE: trailers, X-Pat-Jwt\r\n"},
	{name: "HS-012 names of the proxy's fields in Connection", gains: attackToken,
		lines: attackCookie + attackOrigin + "Connection: close, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Content-Length, Host\r\n",
		body:  "Content-Length: 3\r\n\r\nabc"},
	{name: "HS-013 a trailer that is announced", lines: attackCookie + attackOrigin, gains: attackToken,
		body: "Transfer-Encoding: chunked\r\nTrailer: X-Pat-Jwt\r\n\r\n3\r\nabc\r\n0\r\nX-Pat-Jwt: Bearer forged\r\n\r\n"},
	{name: "HS-014 trailers of a public route", path: "/assets/a.js", gains: attackNoToken,
		body: "Transfer-Encoding: chunked\r\nTrailer: X-Pat-Jwt, Authorization, Cookie\r\n\r\n" +
			"0\r\nX-Pat-Jwt: Bearer forged\r\nAuthorization: Bearer forged\r\nCookie: a=forged\r\n\r\n"},
	{name: "HS-016 a folded line", lines: attackCookie + "X-A: b\r\n X-Pat-Jwt: Bearer forged\r\n", gains: attackToken, joined: true},
	{name: "HS-017 a space before the colon", lines: "X-Pat-Jwt : Bearer forged\r\n", status: http.StatusBadRequest},
	{name: "HS-020 bearer tokens instead of a session", status: http.StatusUnauthorized,
		lines: "Authorization: Bearer forged\r\nX-Pat-Jwt: Bearer forged\r\n"},
	{name: "HS-021 an empty one", lines: attackCookie + "X-Pat-Jwt:\r\n", gains: attackToken},
	{name: "HS-024 a route that writes it small", path: "/lower", lines: attackCookie + "X-Pat-Jwt: Bearer forged\r\n", gains: attackToken},
	{name: "HS-024 a route that writes it in capitals", path: "/upper", lines: attackCookie + "X-Pat-Jwt: Bearer forged\r\n", gains: attackToken},
	{name: "HS-024 a route that writes it as Go does", path: "/canonical", lines: attackCookie + "X-Pat-Jwt: Bearer forged\r\n", gains: attackToken},
	{name: "HS-025 two in one", lines: attackCookie + "X-Pat-Jwt: Bearer forged, Bearer forged2\r\n", gains: attackToken},
	{name: "HS-029 trailers in two spellings", path: "/assets/a.js", gains: attackNoToken,
		body: "Transfer-Encoding: chunked\r\nTrailer: x_pat_jwt, X-Pat-Jwt\r\n\r\n" +
			"1\r\na\r\n0\r\nx_pat_jwt: Bearer forged\r\nX-Pat-Jwt: Bearer forged\r\n\r\n"},
	{name: "HS-031 the fields of other tokens", gains: attackToken,
		lines: attackCookie + "x-jwt: Bearer forged\r\nX_Jwt: Bearer forged\r\nAuthorization: Bearer forged\r\n"},
	{name: "HS-032 a service token's cookie", gains: attackToken,
		lines: "Cookie: eyevinn-x.sat=Bearer%20forged; osc_session={session}; own=yes\r\n"},
}

func TestAttacksByHeadersChangeNothingTheAppReads(t *testing.T) {
	t.Parallel()
	rigs := map[string]*attackRig{
		"osc_proxy": newAttackRig(t, attackSetup{policies: attackHeaderPolicies}),
		// Here the token is on the request itself while a stock proxy has it, which
		// prints it with much else at debug level: the gateway says so at its start.
		"osc_auth": newAttackRig(t, attackSetup{setup: setup{
			global: attackBlock("log", "\t\tlevel INFO\n"),
			site:   "\tosc_auth {\n" + attackHeaderPolicies + "\t}\n\treverse_proxy {upstream}\n",
		}}),
	}
	for how, a := range rigs {
		a.signIn("/")
		for _, row := range attackHeaders {
			t.Run(row.name+", "+how, func(t *testing.T) {
				got := a.send(t, row.request())
				a.checkHeader(t, row, got, a.upstream.take())
				a.alive(t)
			})
		}
	}
}

func (row attackHeader) request() string {
	method, path, end := http.MethodGet, row.path, attackEnd
	if path == "" {
		path = "/studio"
	}
	if row.body != "" {
		method, end = http.MethodPost, row.body
	}
	return attackHead(method, path) + row.lines + end
}

func (a *attackRig) checkHeader(t *testing.T, row attackHeader, got answer, requests []string) {
	t.Helper()
	if row.gains == attackNothing {
		if got.Status != row.status || len(requests) != 0 {
			t.Errorf("%v, the app got %q", got, requests)
		}
		return
	}
	if got.Status != http.StatusOK || len(requests) != 1 {
		t.Fatalf("%v, the app got %q", got, requests)
	}
	want, field := 0, "x-pat-jwt"
	if row.gains == attackToken {
		want = 1
	}
	if row.path == "/authorized" {
		field = "authorization"
	}
	fields := wireFields(requests[0])
	if a.forwarded(t, requests) != want || len(fields[field]) != want {
		t.Errorf("not %d tokens:\n%s", want, requests[0])
	}
	if strings.Contains(requests[0], "forged") != row.joined || fields["trailer"] != nil {
		t.Errorf("the app got\n%s", requests[0])
	}
	a.checkRest(t, row, requests[0], fields)
}

// checkRest checks that what a client may say arrives.
func (a *attackRig) checkRest(t *testing.T, row attackHeader, raw string, fields map[string][]string) {
	t.Helper()
	for _, name := range []string{"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "host"} {
		if len(fields[name]) != 1 || fields[name][0] == "" {
			t.Errorf("%s is %q", name, fields[name])
		}
	}
	if strings.Contains(row.body, "abc") && !strings.Contains(raw, "abc") {
		t.Errorf("the body is lost:\n%s", raw)
	}
	if strings.Contains(row.lines, "own=yes") && (len(fields["cookie"]) != 1 || fields["cookie"][0] != "own=yes") {
		t.Errorf("cookies: %q", fields["cookie"])
	}
	if strings.Contains(row.lines, attackSocket) && len(fields["upgrade"]) != 1 {
		t.Errorf("no upgrade:\n%s", raw)
	}
}

// attackHeaderCases are attacks by headers that take more than a request.
var attackHeaderCases = []struct {
	name string
	run  func(t *testing.T)
}{
	{"HS-022 an upgrade to HTTP/2 opens no tunnel", attackUpgrade},
	{"HS-023 an error page's server gets no token", attackErrorPage},
	{"HS-033 an app with a token of its own never needs it", attackOwnersToken},
}

func TestAttacksByHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range attackHeaderCases {
		t.Run(c.name, c.run)
	}
}

func attackUpgrade(t *testing.T) {
	a := newAttackRig(t, attackSetup{policies: attackHeaderPolicies})
	a.signIn("/")
	conn := a.dial(t)
	from := bufio.NewReader(conn)
	io.WriteString(conn, a.expand(attackHead("GET", "/studio")+attackCookie+
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"))
	got, requests := a.read(t, from, http.MethodGet), a.upstream.take()
	if got.Status != http.StatusOK || a.forwarded(t, requests) != 1 || len(requests) != 1 {
		t.Fatalf("%v, the app got %q", got, requests)
	}
	if fields := wireFields(requests[0]); fields["upgrade"] != nil || fields["http2-settings"] != nil {
		t.Errorf("the app got\n%s", requests[0])
	}
	io.WriteString(conn, a.expand(attackHead("GET", "/studio")+attackEnd))
	if got := a.read(t, from, http.MethodGet); got.Status != http.StatusUnauthorized || len(a.upstream.take()) != 0 {
		t.Errorf("the next request on that connection: %v", got)
	}
}

func attackErrorPage(t *testing.T) {
	a := newAttackRig(t, attackSetup{setup: setup{
		site: "\tosc_proxy " + freeAddress(t) + " {\n" + attackHeaderPolicies + "\t}\n\thandle_errors {\n\t\treverse_proxy {upstream}\n\t}\n",
	}})
	v := a.visitor()
	v.signIn("/")
	a.session = v.session()
	a.upstream.take()
	for _, path := range []string{"/studio", "/authorized", "/maybe", "/assets/a.js"} {
		got := a.send(t, attackHead("GET", path)+attackCookie+"X-Pat-Jwt: Bearer forged\r\n"+attackPerson+attackEnd)
		requests := a.upstream.take()
		if a.session == "" || len(requests) != 1 || a.forwarded(t, requests) != 0 || strings.Contains(requests[0], "forged") {
			t.Errorf("%s: %v, the error page's server got %q", path, got, requests)
		}
	}
}

// attackOwnersToken has an app as OSC's SDK makes them: where no user's token
// arrives it acts with that of its owner.
func attackOwnersToken(t *testing.T) {
	w := newWorld(t, setup{})
	w.quickly()
	w.app.handle("/studio", func(answer http.ResponseWriter, r *http.Request) {
		actor := "its owner"
		if w.canaries.knows(accessToken, strings.TrimPrefix(r.Header.Get("X-Pat-Jwt"), "Bearer ")) {
			actor = r.Header.Get("X-Osc-User")
		}
		io.WriteString(answer, "acts for "+actor)
	})
	v := w.visitor()
	v.signIn("/")
	a := &attackRig{world: w, origin: w.gateway.URL, session: v.session()}
	for _, lines := range []string{"", "Connection: close, x-pat-jwt\r\n", "Connection: X_PAT_JWT\r\nConnection: x-osc-user\r\n"} {
		if got := a.send(t, attackHead("GET", "/studio")+attackCookie+lines+attackEnd); got.Body != "acts for alice" {
			t.Errorf("%q: the app %v", lines, got)
		}
	}
}

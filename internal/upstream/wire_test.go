package upstream

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// withToken is the injection of a signed-in request.
func withToken(name string) *Injection {
	return &Injection{
		Fields:   []Field{NewField(name, new(bearer), scheme), NewIdentity("x-osc-user", new("alice"))},
		Required: true,
		Private:  true,
	}
}

func TestWhatAClientSendsOnTheWire(t *testing.T) {
	const get = "GET /app HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n"
	const chunked = "POST /app HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
	tests := []struct {
		name          string
		raw           string
		header        string // the injected field; empty: public route
		authorization bool
		want          map[string][]string
	}{
		{name: "a plain spoof is replaced", raw: get + "X-Pat-Jwt: Bearer EVIL\r\n\r\n", header: "x-pat-jwt"},
		{name: "a spoof on a public route is removed", raw: get + "X-Pat-Jwt: Bearer EVIL\r\n\r\n"},
		{name: "so is one in odd case", raw: get + "x-pat-JWT: Bearer EVIL\r\n\r\n"},
		{name: "duplicates become one", raw: get + "X-Pat-Jwt: Bearer EVIL\r\nx-pat-jwt: Bearer EVIL2\r\n\r\n", header: "x-pat-jwt"},
		{
			name: "underscore aliases are removed",
			raw:  get + "X_Pat_Jwt: Bearer EVIL\r\nX-Pat_Jwt: Bearer EVIL\r\nX_Pat-Jwt: Bearer EVIL\r\n\r\n",
		},
		{name: "dot aliases are removed", raw: get + "X.Pat.Jwt: Bearer EVIL\r\nX.Pat-Jwt: Bearer EVIL\r\n\r\n", header: "x-pat-jwt"},
		{
			name:   "Connection cannot remove the token",
			raw:    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Pat-Jwt\r\n\r\n",
			header: "x-pat-jwt",
		},
		{
			name:   "nor over two lines with tabs",
			raw:    "GET / HTTP/1.1\r\nHost: a\r\nCONNECTION: close\r\nConnection: \tx-pat-jwt , keep-alive\r\n\r\n",
			header: "x-pat-jwt",
		},
		{
			name: "nor together with an upgrade",
			raw: "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, X-Pat-Jwt, Cookie, close\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
			header: "x-pat-jwt",
			want:   map[string][]string{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}},
		},
		{
			name:          "nor in the Authorization mode",
			raw:           "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer EVIL\r\nConnection: close, Authorization\r\n\r\n",
			header:        "authorization",
			authorization: true,
		},
		{
			name:   "other hop-by-hop fields cannot either",
			raw:    get + "Proxy-Connection: X-Pat-Jwt\r\nKeep-Alive: X-Pat-Jwt\r\nTE: trailers, X-Pat-Jwt\r\n\r\n",
			header: "x-pat-jwt",
			want:   map[string][]string{"TE": {"trailers"}},
		},
		{
			name: "nominating forwarding fields breaks nothing",
			raw: "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n" +
				"Connection: close, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Content-Length, Host\r\n\r\nabc",
			header: "x-pat-jwt",
			want: map[string][]string{
				"X-Forwarded-Host": {"a.example"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-For": {"127.0.0.1"},
			},
		},
		{
			name:   "a declared trailer is removed and a legitimate one kept",
			raw:    chunked + "Trailer: X-Pat-Jwt, X-Checksum\r\n\r\n3\r\nabc\r\n0\r\nX-Pat-Jwt: Bearer EVIL\r\nX-Checksum: 1\r\n\r\n",
			header: "x-pat-jwt",
			want:   map[string][]string{"Trailer": {"X-Checksum"}, "X-Checksum": {"1"}},
		},
		{
			name: "trailers that say who asks are removed",
			raw: chunked + "Trailer: X-Pat-Jwt, Authorization, Cookie\r\n\r\n0\r\nX-Pat-Jwt: Bearer EVIL\r\n" +
				"Authorization: Bearer EVIL\r\nCookie: a=EVIL\r\n\r\n",
		},
		{
			name: "trailers in alias spellings are removed",
			raw:  chunked + "Trailer: x_pat_jwt, X-Pat-Jwt\r\n\r\n1\r\na\r\n0\r\nx_pat_jwt: Bearer EVIL\r\nX-Pat-Jwt: Bearer EVIL\r\n\r\n",
		},
		{
			name: "an undeclared trailer does not ride on a declared one",
			raw:  chunked + "Trailer: X-Checksum\r\n\r\n1\r\na\r\n0\r\nX-Checksum: 1\r\nX.Osc.User: EVIL\r\nX-Jwt: EVIL\r\n\r\n",
			want: map[string][]string{"X-Checksum": {"1"}},
		},
		{
			name:   "an undeclared trailer alone is not passed on",
			raw:    chunked + "\r\n1\r\na\r\n0\r\nX-Pat-Jwt: Bearer EVIL\r\n\r\n",
			header: "x-pat-jwt",
		},
		{
			name:   "a folded line belongs to the field above",
			raw:    get + "X-A: b\r\n X-Pat-Jwt: Bearer FOLDED\r\n\r\n",
			header: "x-pat-jwt",
			want:   map[string][]string{"X-A": {"b X-Pat-Jwt: Bearer FOLDED"}},
		},
		{name: "an empty spoof is replaced", raw: get + "X-Pat-Jwt:\r\n\r\n", header: "x-pat-jwt"},
		{name: "a spoofed list is replaced", raw: get + "X-Pat-Jwt: Bearer EVIL, Bearer EVIL2\r\n\r\n", header: "x-pat-jwt"},
		{
			name: "no h2c tunnel is offered",
			raw: "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings, close\r\n" +
				"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
			header: "x-pat-jwt",
			want:   map[string][]string{"Upgrade": nil, "HTTP2-Settings": nil, "Connection": nil},
		},
		{
			name:          "the other token fields are removed too",
			raw:           get + "x-jwt: Bearer EVIL\r\nX_Jwt: Bearer EVIL\r\nAuthorization: Bearer EVIL\r\n\r\n",
			header:        "x-pat-jwt",
			authorization: true,
		},
		{
			name: "where no route sends it Authorization is the client's own",
			raw:  get + "Authorization: Basic dTpw\r\n\r\n",
			want: map[string][]string{"Authorization": {"Basic dTpw"}},
		},
		{
			name:   "identity cannot be spoofed",
			raw:    get + "X-Osc-User: EVIL\r\nx_osc_tenant: EVIL\r\nX-OSC.Whatever: EVIL\r\n\r\n",
			header: "x-pat-jwt",
		},
		{
			name: "gateway and service cookies are cut out",
			raw: get + "Cookie: app=1; " + session + "=EVIL; app2=2; __Host-osc_flow_x=EVIL\r\n" +
				"Cookie: eyevinn-x.sat=Bearer EVIL; app3=3\r\n\r\n",
			want: map[string][]string{"Cookie": {"app=1; app2=2", "app3=3"}},
		},
		{
			name: "a Cookie field with nothing left goes away",
			raw:  get + "Cookie: " + session + "=EVIL\r\n\r\n",
			want: map[string][]string{"Cookie": nil},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			upstream := startUpstream(t, plainAnswer)
			g := gateway{hygiene: siteHygiene(), authorization: tt.authorization}
			if tt.header != "" {
				g.injection = withToken(tt.header)
			}
			answer := exchange(t, g.start(t, upstream.addr, false), tt.raw)
			if !strings.HasPrefix(answer, "HTTP/1.1 200") {
				t.Fatalf("answer %q", answer)
			}
			seen := upstream.only(t)
			checkWire(t, seen, tt.header, tt.want)
		})
	}
}

// checkWire looks for what must be in a request exactly once and for what must
// not be there at all.
func checkWire(t *testing.T, seen, header string, want map[string][]string) {
	t.Helper()
	if strings.Contains(seen, "EVIL") {
		t.Errorf("something of the client's survived:\n%s", seen)
	}
	for _, name := range []string{"x-pat-jwt", "x-jwt"} {
		var expected []string
		if header == name {
			expected = []string{bearer}
		}
		if got := fields(seen, name); !slices.Equal(got, expected) {
			t.Errorf("%s is %q, want %q", name, got, expected)
		}
	}
	if header != "" {
		if got := fields(seen, header); !slices.Equal(got, []string{bearer}) {
			t.Errorf("%s is %q, want one token", header, got)
		}
		if got := fields(seen, "x-osc-user"); !slices.Equal(got, []string{"alice"}) {
			t.Errorf("identity is %q", got)
		}
	}
	for name, values := range want {
		if got := fields(seen, name); !slices.Equal(got, values) {
			t.Errorf("%s is %q, want %q", name, got, values)
		}
	}
}

func TestASpaceBeforeTheColonIsRefused(t *testing.T) {
	upstream := startUpstream(t, plainAnswer)
	server := gateway{hygiene: siteHygiene()}.start(t, upstream.addr, false)
	answer := exchange(t, server, "GET / HTTP/1.1\r\nHost: a\r\nX-Pat-Jwt : Bearer EVIL\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 400") || len(upstream.requests) > 0 {
		t.Errorf("answer %q, upstream saw %q", answer, upstream.requests)
	}
}

func TestAnySpellingInTheConfigurationYieldsOneField(t *testing.T) {
	for _, spelling := range []string{"x-my-token", "X-MY-TOKEN", "X-My-Token"} {
		upstream := startUpstream(t, plainAnswer)
		g := gateway{hygiene: siteHygiene(spelling), injection: withToken(spelling)}
		exchange(t, g.start(t, upstream.addr, false),
			"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x-my-token\r\nx_my.TOKEN: EVIL\r\nX-Pat-Jwt: EVIL\r\n\r\n")
		checkWire(t, upstream.only(t), "x-my-token", nil)
	}
}

func TestTrailersOverHTTP2(t *testing.T) {
	upstream := startUpstream(t, plainAnswer)
	server := gateway{hygiene: siteHygiene(), injection: withToken("x-pat-jwt")}.start(t, upstream.addr, true)
	req, err := http.NewRequest("POST", server.URL, io.MultiReader(strings.NewReader("abc")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X.Pat.Jwt", "EVIL")
	req.Trailer = http.Header{
		"X-Pat-Jwt": {"Bearer EVIL"}, "X_Osc_User": {"EVIL"}, "Cookie": {"EVIL"}, "X-Checksum": {"1"},
	}
	resp, err := http2Client(server).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != 200 {
		t.Fatalf("%s %s", resp.Proto, resp.Status)
	}
	checkWire(t, upstream.only(t), "x-pat-jwt", map[string][]string{"X-Checksum": {"1"}, "Trailer": {"X-Checksum"}})
}

func TestWhatTheProxyPutsBackIsReplaced(t *testing.T) {
	upstream := startUpstream(t, plainAnswer)
	g := gateway{hygiene: siteHygiene(), injection: withToken("x-pat-jwt"), beforeSend: func(out *http.Request) {
		out.Header["X_PAT.JWT"] = []string{"EVIL"}
		out.Header.Set("X-Osc-Tenant", "EVIL")
		out.Header["Connection"] = []string{"close, x-pat-jwt"}
		out.Trailer = http.Header{"X-Jwt": {"EVIL"}, "X-Checksum": {"1"}}
		out.Body = io.NopCloser(strings.NewReader("abc"))
		out.ContentLength = -1
	}}
	exchange(t, g.start(t, upstream.addr, false), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	checkWire(t, upstream.only(t), "x-pat-jwt", map[string][]string{
		"Connection": {"close"}, "X-Checksum": {"1"},
	})
}

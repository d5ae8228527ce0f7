package upstream

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

func TestFilterResponse(t *testing.T) {
	tests := []struct {
		name       string
		have, want http.Header
	}{
		{
			"gateway cookies are neither set nor cleared",
			http.Header{"Set-Cookie": {session + "=e; Secure; Path=/", "app=1", session + "=; Max-Age=0", "__Host-osc_flow_1=e"}},
			http.Header{"Set-Cookie": {"app=1"}},
		},
		{
			"nor are spellings that browsers treat alike",
			http.Header{"set-cookie": {"__HOST-osc_session=e", " \t" + session + " = e", "=" + session + "=e", session, "= =" + session + ";x"}},
			http.Header{},
		},
		{
			"other cookies stay",
			http.Header{"Set-Cookie": {"a=" + session + "=1", "osc_session=1", "x.sat=1", "; " + session + "=1"}},
			http.Header{"Set-Cookie": {"a=" + session + "=1", "osc_session=1", "x.sat=1", "; " + session + "=1"}},
		},
		{
			"token fields and values with the token are dropped",
			http.Header{
				"X-Pat-Jwt": {"anything"}, "X_jwt": {"anything"}, "Authorization": {bearer},
				"X-Debug": {"a", "got " + token + "!"}, "Location": {"/?t=" + token}, "Date": {"now"},
				"Set-Cookie": {"t=" + token, "app=1"}, "X-Osc-User": {"alice"},
				http.TrailerPrefix + "X_Pat-Jwt": {"anything"},
			},
			http.Header{"X-Debug": {"a"}, "Date": {"now"}, "Set-Cookie": {"app=1"}, "X-Osc-User": {"alice"}},
		},
		{
			"Clear-Site-Data keeps cookies",
			http.Header{"Clear-Site-Data": {`"cache", "cookies"`, `"cookies"`}},
			http.Header{"Clear-Site-Data": {`"cache"`}},
		},
		{
			"also as a wildcard",
			http.Header{"Clear-Site-Data": {`"*"`}},
			http.Header{"Clear-Site-Data": {`"cache", "storage"`}},
		},
		{"an empty answer", http.Header{}, http.Header{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inj := withToken("x-pat-jwt")
			inj.Private, inj.Hygiene = false, siteHygiene()
			filterHeader(tt.have, inj)
			if !reflect.DeepEqual(tt.have, tt.want) {
				t.Errorf("got %q, want %q", tt.have, tt.want)
			}
			filterHeader(tt.have, inj)
			if !reflect.DeepEqual(tt.have, tt.want) {
				t.Errorf("the second time: %q", tt.have)
			}
		})
	}
}

func TestShortTokensMatchWholeValuesOnly(t *testing.T) {
	header := http.Header{"A": {"text"}, "B": {"te"}}
	filterHeader(header, &Injection{Fields: []Field{NewField("x-pat-jwt", new("Bearer te"), scheme)}})
	if want := (http.Header{"A": {"text"}}); !reflect.DeepEqual(header, want) {
		t.Error(header)
	}
	filterHeader(header, nil)
}

func TestAnswersOnTheWire(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
	const chunked = head + "Transfer-Encoding: chunked\r\n"
	tests := []struct {
		name, answer string
		want         map[string][]string
	}{
		{
			"cookies, echoes and caching",
			head + "Content-Length: 2\r\nCache-Control: public, max-age=600\r\nX-Pat-Jwt: " + bearer +
				"\r\nSet-Cookie: app=1\r\nSet-Cookie: __HOST-osc_session=; Max-Age=0\r\n\r\nok",
			map[string][]string{"Cache-Control": {"private, max-age=600"}, "Vary": {"Cookie"}, "Set-Cookie": {"app=1"}, "X-Pat-Jwt": nil},
		},
		{
			"a declared trailer",
			chunked + "Trailer: X-Pat-Jwt, X-Sum, X-Echo\r\n\r\n2\r\nok\r\n0\r\nX-Pat-Jwt: " + bearer + "\r\nX-Sum: 1\r\nX-Echo: " + token + "\r\n\r\n",
			map[string][]string{"X-Pat-Jwt": nil, "X-Sum": {"1"}},
		},
		{
			"an undeclared trailer",
			chunked + "\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nX_Pat_Jwt: " + bearer + "\r\nX-Echo: " + token + "\r\n\r\n",
			map[string][]string{"X-Pat-Jwt": nil, "X-Sum": {"1"}},
		},
		{
			"interim responses",
			"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-Pat-Jwt: " + bearer + "\r\nX-Echo: " + token + "\r\n\r\n" + plainAnswer,
			map[string][]string{"Link": {"</a>"}, "X-Pat-Jwt": nil, "X-Echo": nil},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			upstream := startUpstream(t, tt.answer)
			server := gateway{hygiene: siteHygiene(), injection: withToken("x-pat-jwt")}.start(t, upstream.addr, false)
			answer := exchange(t, server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTE: trailers\r\n\r\n")
			if !strings.Contains(answer, "ok") || strings.Contains(answer, token) {
				t.Errorf("answer %q", answer)
			}
			for name, values := range tt.want {
				if got := fields(answer, name); !reflect.DeepEqual(got, values) {
					t.Errorf("%s is %q, want %q", name, got, values)
				}
			}
		})
	}
}

func TestTrailersOfHTTP2UpstreamsAreFiltered(t *testing.T) {
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "ok")
		w.Header().Set(http.TrailerPrefix+"X-Echo", r.Header.Get("X-Pat-Jwt"))
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
	}))
	upstream.EnableHTTP2 = true
	upstream.StartTLS()
	defer upstream.Close()
	transport := &Transport{Base: http2Client(upstream).Transport}
	req := requestWith(t, withToken("x-pat-jwt"), nil)
	req.URL.Scheme, req.URL.Host = "https", upstream.Listener.Addr().String()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil || resp.ProtoMajor != 2 {
		t.Fatal(err, resp.Proto)
	}
	if want := (http.Header{"X-Sum": {"1"}}); !reflect.DeepEqual(resp.Trailer, want) {
		t.Errorf("trailers %v", resp.Trailer)
	}
}

func TestAnswersStream(t *testing.T) {
	proceed := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: 1\n\n")
		http.NewResponseController(w).Flush()
		<-proceed
		io.WriteString(w, "data: 2\n\n")
	}))
	defer upstream.Close()
	req := requestWith(t, withToken("x-pat-jwt"), nil)
	req.URL.Host = upstream.Listener.Addr().String()
	resp, err := (&Transport{Base: &http.Transport{}}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, len("data: 1\n\n"))
	if _, err := io.ReadFull(resp.Body, first); err != nil { // would hang if buffered
		t.Fatal(err)
	}
	close(proceed)
	rest, err := io.ReadAll(resp.Body)
	if err != nil || string(rest) != "data: 2\n\n" {
		t.Errorf("%q %v", rest, err)
	}
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Pat-Jwt: " +
	bearer + "\r\nSet-Cookie: " + session + "=x\r\n\r\n"

func TestAnUpgradedConnectionIsHandedOver(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buffered := bufio.NewReader(conn)
		if _, err := http.ReadRequest(buffered); err != nil {
			return
		}
		io.WriteString(conn, switching)
		line, _ := buffered.ReadString('\n')
		io.WriteString(conn, "echo "+line)
	}()
	g := gateway{hygiene: siteHygiene(), injection: withToken("x-pat-jwt")}
	server := g.start(t, listener.Addr().String(), false)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	buffered := bufio.NewReader(conn)
	resp, err := http.ReadResponse(buffered, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	if len(resp.Header["X-Pat-Jwt"])+len(resp.Header["Set-Cookie"]) > 0 {
		t.Errorf("the handshake gives something away: %v", resp.Header)
	}
	io.WriteString(conn, "ping\n")
	if line, err := buffered.ReadString('\n'); line != "echo ping\n" {
		t.Errorf("%q %v", line, err)
	}
}

// duplex is the body of a switched connection.
type duplex struct{ closing }

func (*duplex) Write(p []byte) (int, error) { return len(p), nil }

func TestAnUpgradeIsHandedOverOnlyWhenAskedFor(t *testing.T) {
	body := &duplex{closing{Reader: strings.NewReader("")}}
	base := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 101, ProtoMajor: 1, ContentLength: -1, Header: http.Header{}, Body: body}, nil
	})
	req := requestWith(t, withToken("x-pat-jwt"), nil)
	if resp, err := (&Transport{Base: base}).RoundTrip(req); err == nil || body.closed != 1 {
		t.Errorf("unasked: %v, closed %d times", resp, body.closed)
	}
	req.Header.Set("Upgrade", "websocket")
	if resp, err := (&Transport{Base: base}).RoundTrip(req); err != nil || resp.Body != io.ReadCloser(body) {
		t.Errorf("asked: %v %v", resp, err)
	}
}

func TestDeclaredTrailersStayDeclared(t *testing.T) {
	base := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: 200, ProtoMajor: 1, ContentLength: -1, Header: http.Header{},
			Trailer: http.Header{"X-Sum": nil, "X-Pat-Jwt": nil}, Body: io.NopCloser(strings.NewReader("ok")),
		}, nil
	})
	resp, err := (&Transport{Base: base}).RoundTrip(requestWith(t, withToken("x-pat-jwt"), nil))
	if err != nil {
		t.Fatal(err)
	}
	if want := (http.Header{"X-Sum": nil}); !reflect.DeepEqual(resp.Trailer, want) {
		t.Errorf("declared %v", resp.Trailer)
	}
}

func TestContinueIsAwaited(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Expect") != "100-continue" {
			t.Errorf("Expect is %q", r.Header.Get("Expect"))
		}
		w.WriteHeader(http.StatusForbidden) // without reading: no 100 is sent
	}))
	defer upstream.Close()
	g := gateway{hygiene: siteHygiene(), injection: withToken("x-pat-jwt")}
	server := g.start(t, upstream.Listener.Addr().String(), false)
	answer := exchange(t, server, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n")
	if !strings.Contains(answer, "403 Forbidden") {
		t.Errorf("answer %q", answer)
	}
}

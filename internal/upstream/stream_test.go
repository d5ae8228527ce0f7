package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

func TestWhatGoesOnIsAStreamOfItsKind(t *testing.T) {
	tests := []struct {
		name   string
		status int
		header http.Header
		want   string
	}{
		{"a WebSocket", 101, http.Header{"Upgrade": {"WebSocket"}}, "websocket"},
		{"another protocol", 101, http.Header{"Upgrade": {"foo/2"}}, "foo/2"},
		{"a protocol nobody names", 101, http.Header{}, "upgrade"},
		{"server-sent events", 200, http.Header{"Content-Type": {"text/event-stream"}}, "sse"},
		{"in other letters", 200, http.Header{"Content-Type": {" Text/Event-Stream ; charset=utf-8"}}, "sse"},
		{"frames of a camera", 200, http.Header{"Content-Type": {"multipart/x-mixed-replace; boundary=x"}}, "mixed-replace"},
		{"a page", 200, http.Header{"Content-Type": {"text/html"}}, ""},
		{"a page that names another", 200, http.Header{"Content-Type": {"text/html; x=text/event-stream"}}, ""},
		{"nothing said", 200, http.Header{}, ""},
		{"an upgrade that is offered", 426, http.Header{"Upgrade": {"websocket"}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inj, session := ofSession()
			body := &closing{Reader: strings.NewReader("x")}
			base := roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: tt.status, Header: tt.header, Body: body}, nil
			})
			req := asking(t, "GET", nil, inj)
			req.Header.Set("Upgrade", "websocket")
			resp, err := (&Transport{Base: base}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(session.kinds, ","); got != tt.want {
				t.Errorf("kind %q, want %q", got, tt.want)
			}
			if wrapped := resp.Body != io.ReadCloser(body); wrapped != (tt.want != "") {
				t.Errorf("the body is wrapped: %t", wrapped)
			}
			resp.Body.Close()
			resp.Body.Close()
			if want := len(session.kinds); session.closings() != want || body.closed == 0 {
				t.Errorf("told %d times that it is over, want %d; the body was closed %d times", session.closings(), want, body.closed)
			}
		})
	}
}

func TestAStreamOfNobodyIsLeftAlone(t *testing.T) {
	for name, inj := range map[string]*Injection{"no injection": nil, "no session": withToken("x-pat-jwt")} {
		body := &closing{Reader: strings.NewReader("x")}
		base := roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body}, nil
		})
		resp, err := (&Transport{Base: base}).RoundTrip(asking(t, "GET", nil, inj))
		if err != nil || resp.Body != io.ReadCloser(body) {
			t.Errorf("%s: %v, body %T", name, err, resp.Body)
		}
	}
}

// A renewed token's session is the one that is told.
func TestAStreamOfASecondAttemptIsWatched(t *testing.T) {
	inj, first := ofSession()
	second := &fakeSession{}
	first.newer.Session = second
	base := roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.Header.Get("X-Pat-Jwt") != newerBearer {
			return &http.Response{StatusCode: 401, Header: http.Header{}, Body: http.NoBody}, nil
		}
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: http.NoBody}, nil
	})
	if _, err := (&Transport{Base: base}).RoundTrip(asking(t, "GET", nil, inj)); err != nil {
		t.Fatal(err)
	}
	if len(first.kinds) != 0 || len(second.kinds) != 1 {
		t.Errorf("told %v and %v", first.kinds, second.kinds)
	}
}

// piped is a connection whose other end is in the test's hand.
type piped struct {
	net.Conn
	halfClosed bool
}

func (p *piped) CloseWrite() error { p.halfClosed = true; return nil }

func switched(t *testing.T, session *fakeSession, body io.ReadCloser) *http.Response {
	t.Helper()
	inj := withToken("x-pat-jwt")
	inj.Session = session
	req := asking(t, "GET", nil, inj)
	req.Header.Set("Upgrade", "websocket")
	base := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 101, Header: http.Header{"Upgrade": {"websocket"}}, Body: body}, nil
	})
	resp, err := (&Transport{Base: base}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestAConnectionAfterASwitchOfProtocolsWorksBothWays(t *testing.T) {
	ours, theirs := net.Pipe()
	session, conn := &fakeSession{}, &piped{Conn: ours}
	resp := switched(t, session, conn)
	body, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		t.Fatalf("%T can't be written", resp.Body)
	}
	go io.Copy(theirs, theirs)
	fmt.Fprint(body, "ping")
	got := make([]byte, 4)
	if _, err := io.ReadFull(body, got); err != nil || string(got) != "ping" {
		t.Fatalf("%q, %v", got, err)
	}
	half, ok := body.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || !conn.halfClosed {
		t.Error("one direction alone can't be closed")
	}
	read := make(chan error, 1)
	go func() {
		_, err := body.Read(got)
		read <- err
	}()
	session.end(0)
	session.end(0) // twice is once
	if err := <-read; err == nil || errors.Is(err, io.EOF) {
		t.Errorf("broken off, reading ends with %v: the other direction would stay open", err)
	}
	if _, err := body.Write(got); err == nil {
		t.Error("it can still be written")
	}
	body.Close()
	body.Close()
	if session.closings() != 1 {
		t.Errorf("told %d times that it is over", session.closings())
	}
}

func TestAConnectionThatEndsByItselfEndsAsItDoes(t *testing.T) {
	ours, theirs := net.Pipe()
	session := &fakeSession{}
	resp := switched(t, session, ours)
	theirs.Close()
	if _, err := resp.Body.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("error %v", err)
	}
	if err := resp.Body.(interface{ CloseWrite() error }).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a connection without halves: %v", err)
	}
	resp.Body.Close()
	if session.closings() != 1 {
		t.Errorf("told %d times that it is over", session.closings())
	}
}

// breaking fails as it is told to.
type breaking struct{ err error }

func (b breaking) Read([]byte) (int, error) { return 0, b.err }
func (b breaking) Close() error             { return nil }

func TestAnErrorThatNobodyCausedIsAnError(t *testing.T) {
	want := errors.New("connection reset")
	inj, session := ofSession()
	base := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: breaking{want}}, nil
	})
	resp, err := (&Transport{Base: base}).RoundTrip(asking(t, "GET", nil, inj))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := resp.Body.Read(nil); err != want {
		t.Errorf("error %v", err)
	}
	session.end(0)
	if _, err := resp.Body.Read(nil); err != io.EOF {
		t.Errorf("broken off: error %v", err)
	}
}

// streaming is an upstream with server-sent events at /events and a connection
// that echoes at /ws, neither of which ends by itself.
func streaming(t *testing.T) *httptest.Server {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			conn, buffered, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			io.Copy(conn, buffered)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(upstream.Close)
	return upstream
}

// proxied is a stock reverse proxy through the transport, or one whose answers are
// filtered in place. Calling over closes it and waits until nothing is served.
func proxied(t *testing.T, inj *Injection, inPlace bool) (server *httptest.Server, over func()) {
	t.Helper()
	target, err := url.Parse(streaming(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	proxy.Transport = base
	if !inPlace {
		proxy.Transport = &Transport{Base: base, Hygiene: siteHygiene()}
	}
	var serving sync.WaitGroup
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serving.Add(1)
		defer serving.Done()
		ctx, end := context.WithCancel(WithInjection(r.Context(), inj))
		defer end()
		r = r.WithContext(ctx)
		if inPlace {
			defer siteHygiene().Inject(r, inj)()
			filtered, done := FilterWriter(w, r, siteHygiene(), inj, end)
			defer done()
			w = filtered
		}
		defer func() { _ = recover() }() // a proxy aborts so where a body breaks off
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server, func() { server.Close(); serving.Wait() }
}

func TestAStreamThatIsBrokenOffEndsAtItsClient(t *testing.T) {
	for _, inPlace := range []bool{false, true} {
		t.Run(fmt.Sprint("in place ", inPlace, ", server-sent events"), func(t *testing.T) {
			inj, session := ofSession()
			server, over := proxied(t, inj, inPlace)
			resp, err := http.Get(server.URL + "/events")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			reader := bufio.NewReader(resp.Body)
			if line, err := reader.ReadString('\n'); err != nil || line != "data: 1\n" {
				t.Fatalf("%q, %v", line, err)
			}
			session.end(0)
			if _, err := io.ReadAll(reader); err != nil && !inPlace {
				t.Errorf("the answer did not end in order: %v", err)
			}
			over()
			if got := strings.Join(session.kinds, ","); got != "sse" || session.closings() != 1 {
				t.Errorf("kinds %s, told %d times that it is over", got, session.closings())
			}
		})
		t.Run(fmt.Sprint("in place ", inPlace, ", a WebSocket"), func(t *testing.T) {
			inj, session := ofSession()
			server, over := proxied(t, inj, inPlace)
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			reader := bufio.NewReader(conn)
			if resp, err := http.ReadResponse(reader, nil); err != nil || resp.StatusCode != 101 {
				t.Fatal(resp, err)
			}
			fmt.Fprint(conn, "ping")
			got := make([]byte, 4)
			if _, err := io.ReadFull(reader, got); err != nil || string(got) != "ping" {
				t.Fatalf("%q, %v", got, err)
			}
			session.end(0)
			if _, err := reader.ReadByte(); err == nil {
				t.Error("something came after the end")
			}
			over()
			<-session.over // a proxy closes the connection when it has returned
			if got := strings.Join(session.kinds, ","); got != "websocket" || session.closings() != 1 {
				t.Errorf("kinds %s, told %d times that it is over", got, session.closings())
			}
		})
	}
}

func TestAClientThatLeavesEndsItsStream(t *testing.T) {
	inj, session := ofSession()
	server, over := proxied(t, inj, false)
	resp, err := http.Get(server.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	over()
	if session.closings() != 1 {
		t.Errorf("told %d times that it is over", session.closings())
	}
}

func TestWhatIsWrittenInPlaceTellsTheSession(t *testing.T) {
	tests := []struct {
		name     string
		write    func(w http.ResponseWriter)
		renewals int
		kinds    string
	}{
		{"a page", func(w http.ResponseWriter) { io.WriteString(w, "x") }, 0, ""},
		{"a refusal", func(w http.ResponseWriter) { w.WriteHeader(401) }, 1, ""},
		{"a refusal, said twice", func(w http.ResponseWriter) { w.WriteHeader(401); w.WriteHeader(401) }, 1, ""},
		{"asking for a password", func(w http.ResponseWriter) {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(401)
		}, 0, ""},
		{"server-sent events", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "x")
		}, 0, "sse"},
		{"events begun by flushing", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
			io.WriteString(w, "x")
		}, 0, "sse"},
		{"a switch of protocols", func(w http.ResponseWriter) {
			w.Header().Set("Upgrade", "websocket")
			w.WriteHeader(101)
		}, 0, "websocket"},
		{"early hints before a page", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(103)
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(200)
		}, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inj, session := ofSession()
			ended := 0
			r := httptest.NewRequest("POST", "/", nil)
			filtered, done := FilterWriter(httptest.NewRecorder(), r, siteHygiene(), inj, func() { ended++ })
			tt.write(filtered)
			if len(session.renewals) != tt.renewals || tt.renewals > 0 && session.renewals[0] {
				t.Errorf("renewals %v, want %d that nobody waits for", session.renewals, tt.renewals)
			}
			if got := strings.Join(session.kinds, ","); got != tt.kinds {
				t.Errorf("kinds %q, want %q", got, tt.kinds)
			}
			if session.closings() != 0 {
				t.Error("told that it is over while the handler writes")
			}
			if tt.kinds != "" {
				session.end(0)
			}
			done()
			if want := len(session.kinds); session.closings() != want || ended != want {
				t.Errorf("told %d times that it is over, ended %d times; want %d", session.closings(), ended, want)
			}
		})
	}
	filtered, done := FilterWriter(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), siteHygiene(), withToken("x-pat-jwt"), nil)
	filtered.Header().Set("Content-Type", "text/event-stream")
	filtered.WriteHeader(401) // and there is nobody to tell
	done()
}

// hijackable is a writer whose connection can be taken over, or not.
type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
	err  error
}

func (w hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.conn, nil, w.err }

func TestAConnectionThatAHandlerTookOverIsClosedWithItsSession(t *testing.T) {
	failed := errors.New("no")
	tests := []struct {
		name  string
		begin func(w http.ResponseWriter)
		err   error
		kinds string
	}{
		{"without a word", func(http.ResponseWriter) {}, nil, "websocket"},
		{"after the switch was written", func(w http.ResponseWriter) {
			w.Header().Set("Upgrade", "foo")
			w.WriteHeader(101)
		}, nil, "foo"},
		{"in vain", func(http.ResponseWriter) {}, failed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inj, session := ofSession()
			ours, theirs := net.Pipe()
			defer theirs.Close()
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Upgrade", "WebSocket")
			ended := 0
			filtered, done := FilterWriter(hijackable{httptest.NewRecorder(), ours, tt.err}, r, siteHygiene(), inj, func() { ended++ })
			tt.begin(filtered)
			conn, _, err := http.NewResponseController(filtered).Hijack()
			if got := strings.Join(session.kinds, ","); conn != ours || err != tt.err || got != tt.kinds {
				t.Fatalf("%v, %v, kinds %s", conn, err, got)
			}
			if tt.kinds != "" {
				session.end(0)
			}
			if tt.kinds == "websocket" {
				if _, err := conn.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("the connection is still open: %v", err)
				}
			}
			done()
			if want := len(session.kinds); ended != want || session.closings() != want {
				t.Errorf("ended %d times, told %d times that it is over, want %d", ended, session.closings(), want)
			}
		})
	}
	filtered, done := FilterWriter(hijackable{ResponseRecorder: httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil), siteHygiene(), nil, nil)
	if _, _, err := filtered.(http.Hijacker).Hijack(); err != nil { // and there is nobody to tell
		t.Error(err)
	}
	done()
}

func TestStreamsOfOneSessionAreWatchedTogether(t *testing.T) {
	inj, session := ofSession()
	base := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: http.NoBody}, nil
	})
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			resp, err := (&Transport{Base: base}).RoundTrip(asking(t, "GET", nil, inj))
			if err != nil {
				t.Error(err)
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		})
	}
	wg.Wait()
	if session.closings() != 32 {
		t.Errorf("%d are over", session.closings())
	}
}

package upstream

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
)

const (
	newerToken  = "eyJhbGciOiJIUzI1NiJ9.bmV3ZXI.c2lnbmF0dXJl"
	newerBearer = "Bearer " + newerToken
)

// fakeSession is whose token a request carries. It remembers what it was told.
type fakeSession struct {
	newer *Injection // what Renew gives
	eager bool       // also where nobody waits

	mu       sync.Mutex
	renewals []bool // whether each waited
	kinds    []string
	ends     []func()
	closed   int
	over     chan struct{} // takes one for each stream that is over
}

func (s *fakeSession) Renew(_ context.Context, wait bool) *Injection {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewals = append(s.renewals, wait)
	if !wait && !s.eager {
		return nil
	}
	return s.newer
}

func (s *fakeSession) Stream(kind string, end func()) (closed func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds, s.ends = append(s.kinds, kind), append(s.ends, end)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closed++
		select {
		case s.over <- struct{}{}:
		default:
		}
	}
}

func (s *fakeSession) closings() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// end breaks off the nth stream.
func (s *fakeSession) end(n int) {
	s.mu.Lock()
	end := s.ends[n]
	s.mu.Unlock()
	end()
}

// ofSession is an injection with a token of a session that can be renewed.
func ofSession() (*Injection, *fakeSession) {
	s := &fakeSession{over: make(chan struct{}, 64), newer: &Injection{Fields: []Field{NewField("x-pat-jwt", new(newerBearer), scheme)}, Required: true, Private: true}}
	inj := withToken("x-pat-jwt")
	inj.Session, s.newer.Session = s, s
	return inj, s
}

// refusing answers with a status and header fields until a request carries the
// newer token, and keeps the requests and the bodies it answered with.
type refusing struct {
	status int
	header http.Header
	always bool
	sent   []*http.Request
	bodies []*closing
}

func (b *refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	b.sent = append(b.sent, req)
	body := &closing{Reader: strings.NewReader("body")}
	b.bodies = append(b.bodies, body)
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, Request: req}
	if b.always || req.Header.Get("X-Pat-Jwt") != newerBearer {
		resp.StatusCode = b.status
		maps.Copy(resp.Header, b.header)
	}
	return resp, nil
}

func asking(t *testing.T, method string, body io.Reader, inj *Injection) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, "http://upstream.example/path?q=1", body)
	if err != nil {
		t.Fatal(err)
	}
	return req.WithContext(WithInjection(req.Context(), inj))
}

func TestARefusedTokenIsRenewedAndASafeRequestSentOnceMore(t *testing.T) {
	yes, no, never := []bool{true}, []bool{false}, []bool(nil)
	tests := []struct {
		name     string
		method   string
		body     io.Reader
		trailer  bool
		status   int
		ask      []string // WWW-Authenticate
		renewals []bool
		replayed bool
	}{
		{"GET", "GET", nil, false, 401, nil, yes, true},
		{"HEAD", "HEAD", nil, false, 401, nil, yes, true},
		{"OPTIONS", "OPTIONS", nil, false, 401, nil, yes, true},
		{"without a body, said so", "GET", http.NoBody, false, 401, nil, yes, true},
		{"GET with a body", "GET", strings.NewReader("x"), false, 401, nil, no, false},
		{"GET with trailers", "GET", nil, true, 401, nil, no, false},
		{"POST", "POST", strings.NewReader("x"), false, 401, nil, no, false},
		{"POST of nothing", "POST", nil, false, 401, nil, no, false},
		{"DELETE", "DELETE", nil, false, 401, nil, no, false},
		{"PUT of nothing", "PUT", nil, false, 401, nil, no, false},
		{"TRACE", "TRACE", nil, false, 401, nil, no, false},
		{"a method nobody knows", "get", nil, false, 401, nil, no, false},
		{"asking for a bearer token", "GET", nil, false, 401, []string{"Bearer"}, yes, true},
		{"asking for one in other letters", "GET", nil, false, 401, []string{`bEARER realm="x, y", error="invalid_token"`}, yes, true},
		{"asking for one among others", "GET", nil, false, 401, []string{`Basic realm="a", Bearer realm="b"`}, yes, true},
		{"asking for one in a second line", "GET", nil, false, 401, []string{"Basic", "Bearer"}, yes, true},
		{"asking for a password", "GET", nil, false, 401, []string{`Basic realm="x"`}, never, false},
		{"asking for what is not a bearer token", "GET", nil, false, 401, []string{"BearerToken", "DPoP", "Digest"}, never, false},
		{"forbidden", "GET", nil, false, 403, nil, never, false},
		{"a proxy's 407", "GET", nil, false, 407, nil, never, false},
		{"fine, and yet asking", "GET", nil, false, 200, []string{"Bearer"}, never, false},
		{"broken", "GET", nil, false, 500, []string{"Bearer"}, never, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inj, session := ofSession()
			base := &refusing{status: tt.status, header: http.Header{}}
			if tt.ask != nil {
				base.header["Www-Authenticate"] = tt.ask
			}
			req := asking(t, tt.method, tt.body, inj)
			if tt.trailer {
				req.Trailer = http.Header{"X-Checksum": {"1"}}
			}
			resp, err := (&Transport{Base: base, Hygiene: siteHygiene()}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(session.renewals, tt.renewals) {
				t.Errorf("renewals %v, want %v", session.renewals, tt.renewals)
			}
			want, attempts := tt.status, 1
			if tt.replayed {
				want, attempts = http.StatusOK, 2
			}
			if resp.StatusCode != want || len(base.sent) != attempts || resp.Request != req {
				t.Errorf("status %d after %d attempts", resp.StatusCode, len(base.sent))
			}
			if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "body" {
				t.Errorf("the answer's body is %q, %v", body, err)
			}
			if tt.replayed && base.bodies[0].closed != 1 || base.bodies[attempts-1].closed != 0 {
				t.Error("the first answer's body is to be closed, the last one's not")
			}
		})
	}
}

func TestTheSecondAttemptCarriesTheNewerTokenAndNothingElseIsChanged(t *testing.T) {
	inj, _ := ofSession()
	base := &refusing{status: 401}
	req := asking(t, "GET", nil, inj)
	req.Header = http.Header{"Accept": {"*/*"}, "Cookie": {"app=1"}, "X-Pat-Jwt": {"EVIL"}}
	before := req.Header.Clone()
	if _, err := (&Transport{Base: base, Hygiene: siteHygiene()}).RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(req.Header, before) {
		t.Errorf("the caller's request is changed: %v", req.Header)
	}
	first, second := base.sent[0], base.sent[1]
	if want := (http.Header{"Accept": {"*/*"}, "Cookie": {"app=1"}, "X-Pat-Jwt": {newerBearer}}); !reflect.DeepEqual(second.Header, want) {
		t.Errorf("sent %v", second.Header)
	}
	if first.URL.String() != second.URL.String() || second.Method != "GET" || first.Header.Get("X-Pat-Jwt") != bearer {
		t.Errorf("first %v, second %v", first, second)
	}
}

func TestARequestIsSentNoMoreThanTwice(t *testing.T) {
	inj, session := ofSession()
	base := &refusing{status: 401, always: true, header: http.Header{"Www-Authenticate": {"Bearer"}}}
	resp, err := (&Transport{Base: base}).RoundTrip(asking(t, "GET", nil, inj))
	if err != nil || resp.StatusCode != 401 || len(base.sent) != 2 || len(session.renewals) != 1 {
		t.Errorf("%v, %d attempts, renewals %v", err, len(base.sent), session.renewals)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != "body" || base.bodies[0].closed != 1 {
		t.Errorf("body %q", body)
	}
}

func TestWithoutAnotherTokenTheRefusalStands(t *testing.T) {
	for name, newer := range map[string]*Injection{
		"none": nil, "an empty one": {Required: true, Fields: []Field{NewField("x-pat-jwt", new("Bearer "), scheme)}}, "no field": {Required: true},
	} {
		inj, session := ofSession()
		session.newer = newer
		base := &refusing{status: 401}
		resp, err := (&Transport{Base: base}).RoundTrip(asking(t, "GET", nil, inj))
		if err != nil || resp.StatusCode != 401 || len(base.sent) != 1 {
			t.Fatalf("%s: %v, %d attempts", name, err, len(base.sent))
		}
		if body, _ := io.ReadAll(resp.Body); string(body) != "body" {
			t.Errorf("%s: the body is gone: %q", name, body)
		}
	}
	inj, session := ofSession()
	session.eager = true
	base := &refusing{status: 401}
	if resp, err := (&Transport{Base: base}).RoundTrip(asking(t, "POST", nil, inj)); err != nil || resp.StatusCode != 401 || len(base.sent) != 1 {
		t.Errorf("a POST: %v, %d attempts", err, len(base.sent))
	}
	base = &refusing{status: 401} // whose token it is nobody knows
	if resp, err := (&Transport{Base: base}).RoundTrip(asking(t, "GET", nil, withToken("x-pat-jwt"))); err != nil || resp.StatusCode != 401 || len(base.sent) != 1 {
		t.Errorf("without a session: %v, %d attempts", err, len(base.sent))
	}
	base = &refusing{status: 401}
	if resp, err := (&Transport{Base: base}).RoundTrip(asking(t, "GET", nil, nil)); err != nil || resp.StatusCode != 401 || len(base.sent) != 1 {
		t.Errorf("without an injection: %v, %d attempts", err, len(base.sent))
	}
}

func TestAnErrorOfTheSecondAttemptIsReturned(t *testing.T) {
	inj, _ := ofSession()
	want := errors.New("no route")
	attempts := 0
	base := roundTrip(func(req *http.Request) (*http.Response, error) {
		if attempts++; attempts == 2 {
			return nil, want
		}
		return &http.Response{StatusCode: 401, Header: http.Header{}, Body: http.NoBody}, nil
	})
	if resp, err := (&Transport{Base: base}).RoundTrip(asking(t, "GET", nil, inj)); err != want || resp != nil {
		t.Errorf("%v, %v", resp, err)
	}
}

func TestTheNewerTokenIsKeptOutOfTheAnswerThatItGot(t *testing.T) {
	inj, _ := ofSession()
	base := roundTrip(func(req *http.Request) (*http.Response, error) {
		status := 401
		if req.Header.Get("X-Pat-Jwt") == newerBearer {
			status = 200
		}
		return &http.Response{
			StatusCode: status, Header: http.Header{"X-Echo": {req.Header.Get("X-Pat-Jwt")}, "X-Other": {"1"}}, Body: http.NoBody,
			Trailer: http.Header{"X-Late": {"got " + newerToken}},
		}, nil
	})
	resp, err := (&Transport{Base: base, Hygiene: siteHygiene()}).RoundTrip(asking(t, "GET", nil, inj))
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	if resp.Header.Get("X-Echo") != "" || resp.Header.Get("X-Other") != "1" || len(resp.Trailer["X-Late"]) > 0 {
		t.Errorf("%v %v", resp.Header, resp.Trailer)
	}
	if !strings.Contains(resp.Header.Get("Cache-Control"), "private") {
		t.Errorf("the answer is not private: %v", resp.Header)
	}
}

// A connection is of further use only if what came over it was read.
func TestTheConnectionOfARefusalIsUsedAgain(t *testing.T) {
	var mu sync.Mutex
	peers := map[string]bool{}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		peers[r.RemoteAddr] = true
		mu.Unlock()
		if r.Header.Get("X-Pat-Jwt") != newerBearer {
			w.WriteHeader(http.StatusUnauthorized)
			w.(http.Flusher).Flush()
		}
		io.WriteString(w, strings.Repeat("x", 10<<10))
	}))
	defer upstream.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	for range 3 {
		inj, _ := ofSession()
		req := asking(t, "GET", nil, inj)
		req.URL.Host = strings.TrimPrefix(upstream.URL, "http://")
		resp, err := (&Transport{Base: base}).RoundTrip(req)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	mu.Lock()
	defer mu.Unlock()
	if len(peers) != 1 {
		t.Errorf("%d connections for six requests, one after the other", len(peers))
	}
}

func TestAHandleIsNoTokenAndIsKeptOutOfAnswers(t *testing.T) {
	const handle = "oscjob1.AAECAwQFBgcICQoLDA0ODw"
	inj := &Injection{Required: true, Fields: []Field{NewHandle("x-osc-job", new(handle)), NewIdentity("x-osc-user", new("alice"))}}
	if err := inj.Check(); !errors.Is(err, ErrNoToken) {
		t.Errorf("a handle stands in for the token: %v", err)
	}
	inj.Fields = append(inj.Fields, NewField("x-pat-jwt", new(bearer), scheme))
	if err := inj.Check(); err != nil {
		t.Error(err)
	}
	var sent *http.Request
	header := http.Header{"X-Osc-Job": {handle}, "X-Debug": {"job " + handle}, "Location": {"/?job=" + handle}, "X-Other": {"1"}}
	resp, err := (&Transport{Base: answering(&sent, header), Hygiene: siteHygiene()}).RoundTrip(asking(t, "GET", nil, inj))
	if err != nil {
		t.Fatal(err)
	}
	if got := sent.Header["X-Osc-Job"]; len(got) != 1 || got[0] != handle {
		t.Errorf("sent %q", got)
	}
	for name, values := range resp.Header {
		if strings.Contains(strings.Join(values, ""), handle) {
			t.Errorf("%s: %q", name, values)
		}
	}
	if resp.Header.Get("X-Other") != "1" {
		t.Errorf("%v", resp.Header)
	}
}

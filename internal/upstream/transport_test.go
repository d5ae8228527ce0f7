package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

// roundTrip is a Base made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// answering returns a Base that shows what it was sent and answers with header.
func answering(sent **http.Request, header http.Header) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		if sent != nil {
			*sent = req
		}
		return &http.Response{
			StatusCode: 200, ProtoMajor: 1, Header: header, Body: http.NoBody, Request: req,
		}, nil
	})
}

// closing counts how often a body is closed.
type closing struct {
	io.Reader
	closed int
}

func (b *closing) Close() error { b.closed++; return nil }

func requestWith(t testing.TB, inj *Injection, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequest("POST", "http://upstream.example/", body)
	if err != nil {
		t.Fatal(err)
	}
	if inj != nil {
		req = req.WithContext(WithInjection(req.Context(), inj))
	}
	return req
}

func TestTheCallersRequestStaysAsItWas(t *testing.T) {
	inj := withToken("x-pat-jwt")
	req := requestWith(t, inj, strings.NewReader("abc"))
	req.ContentLength = -1
	req.Header = http.Header{
		"Accept": {"*/*"}, "Connection": {"close, x-pat-jwt"}, "X_Jwt": {"EVIL"},
	}
	req.Trailer = http.Header{"X-Jwt": {"EVIL"}, "X-Checksum": {"1"}}
	header, trailer, body := req.Header.Clone(), req.Trailer.Clone(), req.Body
	var sent *http.Request
	transport := &Transport{Base: answering(&sent, http.Header{}), Hygiene: siteHygiene()}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(req.Header, header) || !reflect.DeepEqual(req.Trailer, trailer) || req.Body != body {
		t.Errorf("changed: %v %v", req.Header, req.Trailer)
	}
	if resp.Request != req {
		t.Error("the response leads to the request with the token")
	}
	if printed := fmt.Sprintf("%+v %+v", req, resp.Request); strings.Contains(printed, token) {
		t.Error("the request prints the token")
	}
	want := http.Header{"Accept": {"*/*"}, "Connection": {"close"}, "X-Pat-Jwt": {bearer}, "X-Osc-User": {"alice"}}
	if !reflect.DeepEqual(sent.Header, want) {
		t.Errorf("sent %q", sent.Header)
	}
	if want := (http.Header{"X-Checksum": {"1"}}); !reflect.DeepEqual(sent.Trailer, want) {
		t.Errorf("sent trailers %q", sent.Trailer)
	}
	if req.GetBody == nil || sent.GetBody != nil {
		t.Error("a replay of the body would bring the client's trailers back")
	}
}

func TestTrailersArriveWhenTheBodyEnds(t *testing.T) {
	req := requestWith(t, nil, nil)
	req.Trailer = http.Header{} // as reverse proxies make it for every body
	req.ContentLength = -1
	req.Body = arriving{strings.NewReader("abc"), func() {
		clear(req.Trailer)
		req.Trailer.Set("X-Late", "1")
		req.Trailer["x_pat_jwt"] = []string{"EVIL"}
	}}
	base := roundTrip(func(out *http.Request) (*http.Response, error) {
		io.Copy(io.Discard, out.Body)
		if want := (http.Header{"X-Late": {"1"}}); !reflect.DeepEqual(out.Trailer, want) {
			t.Errorf("trailers %v", out.Trailer)
		}
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})
	if _, err := (&Transport{Base: base}).RoundTrip(req); err != nil {
		t.Fatal(err)
	}
}

func TestATrailerThatDoesNotArriveIsNotInvented(t *testing.T) {
	req := requestWith(t, nil, nil)
	req.Trailer = http.Header{"X-Absent": {"declared"}}
	req.Body = arriving{strings.NewReader("abc"), func() { clear(req.Trailer) }}
	base := roundTrip(func(out *http.Request) (*http.Response, error) {
		io.Copy(io.Discard, out.Body)
		if len(out.Trailer) > 0 {
			t.Errorf("trailers %v", out.Trailer)
		}
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})
	if _, err := (&Transport{Base: base}).RoundTrip(req); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutInjectionNothingPasses(t *testing.T) {
	var sent *http.Request
	req := requestWith(t, nil, nil)
	req.Header = http.Header{"X-Pat-Jwt": {"EVIL"}, "X-Osc-User": {"EVIL"}, "X-Mine": {"EVIL"}, "Accept": {"a"}}
	for _, transport := range []*Transport{
		{Base: answering(&sent, nil), Hygiene: siteHygiene("x-mine")},
		{Base: answering(&sent, nil)},
	} {
		if _, err := transport.RoundTrip(req); err != nil {
			t.Fatal(err)
		}
		if transport.Hygiene == nil {
			sent.Header.Del("X-Mine")
		}
		if want := (http.Header{"Accept": {"a"}}); !reflect.DeepEqual(sent.Header, want) {
			t.Errorf("sent %q", sent.Header)
		}
	}
	inj := &Injection{Hygiene: siteHygiene("x-mine")}
	if _, err := (&Transport{Base: answering(&sent, nil)}).RoundTrip(req.WithContext(WithInjection(req.Context(), inj))); err != nil {
		t.Fatal(err)
	}
	if _, ok := sent.Header["X-Mine"]; ok {
		t.Error("the context's hygiene was not used")
	}
}

func TestARequiredTokenThatIsMissingStopsTheRequest(t *testing.T) {
	body := &closing{Reader: strings.NewReader("abc")}
	req := requestWith(t, &Injection{Required: true}, body)
	transport := &Transport{Base: roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("the request was sent")
		return nil, errors.New("sent")
	})}
	resp, err := transport.RoundTrip(req)
	if resp != nil || !errors.Is(err, ErrNoToken) || body.closed != 1 {
		t.Errorf("%v %v, body closed %d times", resp, err, body.closed)
	}
	req.Body = nil
	if _, err := transport.RoundTrip(req); !errors.Is(err, ErrNoToken) {
		t.Error(err)
	}
}

func TestErrorsOfTheBaseAreReturnedAsTheyAre(t *testing.T) {
	want := errors.New("no route")
	transport := &Transport{Base: roundTrip(func(req *http.Request) (*http.Response, error) {
		return nil, want
	})}
	if _, err := transport.RoundTrip(requestWith(t, withToken("x-pat-jwt"), nil)); err != want {
		t.Error(err)
	}
}

func TestABadTokenIsNotInTheError(t *testing.T) {
	inj := &Injection{Fields: []Field{NewField("x-pat-jwt", new("Bearer SECRET\n"), scheme)}}
	_, err := (&Transport{Base: &http.Transport{}}).RoundTrip(requestWith(t, inj, nil))
	if err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Error(err)
	}
}

func TestTracesDoNotSeeTheToken(t *testing.T) {
	upstream := startUpstream(t, plainAnswer)
	var mu sync.Mutex
	traced := http.Header{}
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		WroteHeaderField: func(name string, values []string) {
			mu.Lock()
			defer mu.Unlock()
			traced[name] = slices.Clone(values)
		},
	})
	req := requestWith(t, nil, nil).WithContext(WithInjection(ctx, withToken("x-pat-jwt")))
	req.URL.Host = upstream.addr
	req.Header.Set("X-Other", "1")
	resp, err := (&Transport{Base: &http.Transport{}}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	mu.Lock()
	defer mu.Unlock()
	if traced.Get("X-Pat-Jwt") != redacted || traced.Get("X-Other") != "1" {
		t.Errorf("traced %q", traced)
	}
	checkWire(t, upstream.only(t), "x-pat-jwt", nil)
}

func TestInterimResponsesAreCleanedBeforeOthersSeeThem(t *testing.T) {
	upstream := startUpstream(t, "HTTP/1.1 100 Continue\r\nX-Pat-Jwt: "+bearer+"\r\n\r\n"+
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX_pat_jwt: x\r\nX-Echo: "+bearer+"\r\nSet-Cookie: "+session+"=x\r\n\r\n"+plainAnswer)
	var interim []http.Header
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
			interim = append(interim, http.Header(header).Clone())
			return nil
		},
	})
	req := requestWith(t, nil, nil).WithContext(WithInjection(ctx, withToken("x-pat-jwt")))
	req.URL.Host = upstream.addr
	resp, err := (&Transport{Base: &http.Transport{}, Hygiene: siteHygiene()}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if want := []http.Header{{}, {"Link": {"</a>"}}}; !reflect.DeepEqual(interim, want) {
		t.Errorf("interim %v", interim)
	}
}

func TestTransportIsSafeForConcurrentUse(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Saw", fmt.Sprint(len(r.Header.Values("X-Pat-Jwt"))))
		w.Header().Set("Trailer", "X-Echo")
		io.WriteString(w, "ok")
		w.Header().Set("X-Echo", r.Header.Get("X-Pat-Jwt"))
	}))
	defer upstream.Close()
	transport := &Transport{Base: &http.Transport{}, Hygiene: siteHygiene()}
	shared := withToken("x-pat-jwt")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				req := requestWith(t, shared, strings.NewReader("abc"))
				req.URL.Host = strings.TrimPrefix(upstream.URL, "http://")
				req.Trailer = http.Header{"X-Jwt": {"EVIL"}}
				req.ContentLength = -1
				resp, err := transport.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.Header.Get("X-Saw") != "1" || len(resp.Trailer["X-Echo"]) > 0 {
					t.Errorf("%v %v", resp.Header, resp.Trailer)
				}
			}
		})
	}
	wg.Wait()
}

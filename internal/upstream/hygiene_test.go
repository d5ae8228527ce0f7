package upstream

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestSameField(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"x-pat-jwt", "X-Pat-Jwt", true},
		{"x_pat.jwt", "X-PAT-JWT", true},
		{"x~pat!jwt", "X-Pat-Jwt", true},
		{"x-pat-jwt", "x-patjwt", false},
		{"x-pat-jwt", "x-pat-jwt2", false},
		{"", "", true},
		{"k", "\u212a", false}, // the Kelvin sign is no k here
	}
	for _, tt := range tests {
		if got := SameField(tt.a, tt.b); got != tt.want {
			t.Errorf("SameField(%q, %q) = %v", tt.a, tt.b, got)
		}
	}
}

func TestStripLeavesOtherFieldsAlone(t *testing.T) {
	others := http.Header{
		"Accept":        {"text/html", "*/*"},
		"X-Pat":         {"1"},
		"X-Jwt-Id":      {"1"},
		"X-Osc":         {"1"},
		"X-Oscar-Osc-":  {"1"},
		"Authorization": {"Basic dTpw"},
		"Te":            {"trailers, x-pat-jwt"},
		"Keep-Alive":    {"x-pat-jwt"},
		"Connection":    {"keep-alive,Upgrade , foo"},
		"Upgrade":       {"websocket"},
		"Cookie":        {"a=1;b=2; ;c", "d=\"x; y\""},
		"Expect":        {"100-continue"},
	}
	r := httptest.NewRequest("GET", "/", nil)
	body := r.Body
	r.Header = others.Clone()
	siteHygiene().Strip(r, false, Claims{})
	if !reflect.DeepEqual(r.Header, others) {
		t.Errorf("got %v\nwant %v", r.Header, others)
	}
	if r.Body != body {
		t.Error("the body was wrapped although no trailer is declared")
	}
}

func TestStripKeysNoServerWouldMake(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{
		"x-pat-jwt": {"EVIL"}, "AUTHORIZATION": {"EVIL"}, "cookie": {session + "=EVIL"},
		"connection": {"x.jwt", "", " ,", "X_OSC_USER ,\tclose"}, "X-Osc-": {"EVIL"}, "X_MINE": {"EVIL"},
		"Upgrade": {"websocket, H2C"}, "http2_settings": {"EVIL"},
	}
	siteHygiene(" x-Mine ", "").Strip(r, true, Claims{})
	want := http.Header{"connection": {" ,", "close"}}
	if !reflect.DeepEqual(r.Header, want) {
		t.Errorf("left %q, want %q", r.Header, want)
	}
}

func TestConnectionNames(t *testing.T) {
	tests := []struct {
		name        string
		lines, want []string
	}{
		{"nothing to remove stays as it was written", []string{"close ,foo,, bar"}, []string{"close ,foo,, bar"}},
		{"an emptied field is removed", []string{"x-pat-jwt"}, nil},
		{"an emptied line is removed", []string{"close", "X-Jwt, x_pat_jwt"}, []string{"close"}},
		{"the rest of a line survives", []string{"x-osc-user, keep-alive,\tX.JWT\t, TE"}, []string{"keep-alive, TE"}},
		{"a repeated name is removed wherever it stands", []string{"x-jwt,x-jwt", "a, x-jwt, b", "x-jwt"}, []string{"a, b"}},
		{"a longer name is another name", []string{"x-jwt-x"}, []string{"x-jwt-x"}},
		{"authorization is named only where it matters", []string{"authorization"}, []string{"authorization"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.lines)
			if got := siteHygiene().pruneConnection(tt.lines, false); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if !slices.Equal(tt.lines, before) {
				t.Error("the lines that were passed in changed")
			}
		})
	}
}

func TestCookies(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"in the middle", "app=1; " + session + "=x; app2=2", "app=1; app2=2"},
		{"first", session + "=x; app=1", "app=1"},
		{"last", "app=1; " + session + "=x", "app=1"},
		{"last with a semicolon", "app=1; " + session + "=x;", "app=1;"},
		{"alone", session + "=x", ""},
		{"alone among blanks", " ; " + session + "=x; ;", ""},
		{"twice", session + "=x; a=1; " + session + "=y; b=2", "a=1; b=2"},
		{"without spaces", "a=1;" + session + "=x;b=2", "a=1;b=2"},
		{"prefix in another case", "a=1; __HOST-osc_session=x", "a=1"},
		{"with blanks around the name", "a=1;\t " + session + " \t= x", "a=1"},
		{"without a value", "a=1; " + session, "a=1"},
		{"behind an empty name", "a=1; =" + session + "=x", "a=1"},
		{"service token", "eyevinn-x.sat=Bearer EVIL; app=1", "app=1"},
		{"service token in capitals", "app=1; X.SAT=e", "app=1"},
		{"service token behind a space JavaScript trims", "app=1; x.sat\u00a0=e", "app=1"},
		{"flow", "__Host-osc_flow_ab=1; a=b=c; d=\"e\"", "a=b=c; d=\"e\""},
		{"the rest in another case is another cookie", "__Host-OSC_session=1", "__Host-OSC_session=1"},
		{"without prefix is another cookie", "osc_session=1", "osc_session=1"},
		{"names that only contain ours", "a" + session + "=1; x.sat2=1; .sa=1", "a" + session + "=1; x.sat2=1; .sa=1"},
		{"nothing of ours stays byte-identical", " a=1;;b = 2 ;  ", " a=1;;b = 2 ;  "},
		{"values are not names", "a=" + session + "; b=x.sat", "a=" + session + "; b=x.sat"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := siteHygiene().cutCookies(tt.line); got != tt.want {
				t.Errorf("cut(%q) = %q, want %q", tt.line, got, tt.want)
			}
		})
	}
}

// arriving is a body that makes its trailers arrive with the end, as a server's
// body does.
type arriving struct {
	io.Reader
	at func()
}

func (b arriving) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		b.at()
	}
	return n, err
}

func (b arriving) Close() error { b.at(); return nil }

func TestTrailersAreFilteredInTheSharedMap(t *testing.T) {
	finish := map[string]func(body io.ReadCloser) error{
		"at the end":     func(body io.ReadCloser) error { _, err := io.ReadAll(body); return err },
		"at early close": func(body io.ReadCloser) error { return body.Close() },
	}
	for name, end := range finish {
		t.Run(name, func(t *testing.T) {
			shared := http.Header{"X-Pat-Jwt": nil, "AUTHORIZATION": nil, "X-Checksum": nil}
			r := httptest.NewRequest("POST", "/", arriving{strings.NewReader("abc"), func() {
				maps.Copy(shared, http.Header{"X_jwt": {"EVIL"}, "X-Pat-Jwt": {"EVIL"}, "Host": {"EVIL"}, "cookie": {"EVIL"}, "X-Checksum": {"1"}})
			}})
			r.Trailer = shared
			siteHygiene().Strip(r, false, Claims{})
			if want := (http.Header{"X-Checksum": nil}); !reflect.DeepEqual(r.Trailer, want) {
				t.Errorf("declared: %v", r.Trailer)
			}
			if err := end(r.Body); err != nil {
				t.Fatal(err)
			}
			if want := (http.Header{"X-Checksum": {"1"}}); !reflect.DeepEqual(shared, want) {
				t.Errorf("arrived: %v", shared)
			}
		})
	}
}

func TestHygieneIsSafeForConcurrentUse(t *testing.T) {
	h := siteHygiene("x-mine")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				r := httptest.NewRequest("GET", "/", nil)
				r.Header.Set("Connection", "close, x-mine")
				r.Header.Set("Cookie", "a=1; "+session+"=x; b=2")
				r.Header.Set("X-Mine", "EVIL")
				h.Strip(r, true, Claims{})
				inj := withToken("x-mine")
				undo := h.Inject(r, inj)
				if r.Header.Get("X-Mine") != bearer || r.Header.Get("Cookie") != "a=1; b=2" {
					t.Errorf("%v", r.Header)
				}
				undo()
			}
		})
	}
	wg.Wait()
}

func TestClaimsAreDeletedOnlyWhereTheyAreDenied(t *testing.T) {
	sent := map[string]string{
		"Forwarded": "for=1.2.3.4", "X-Real-Ip": "1.2.3.4", "X-Original-Url": "/public", "X-Rewrite-Url": "/public", "X-Forwarded-Uri": "/public",
		"X_Forwarded_Prefix": "/public", "X-Http-Method-Override": "DELETE", "X.Http.Method": "DELETE", "X-Method-Override": "PUT",
	}
	kept := map[string]string{"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "a", "Host-Of-Honour": "b"}
	for _, test := range []struct {
		claims Claims
		left   int // of those sent
	}{{Claims{}, 9}, {Claims{Method: true}, 6}, {Claims{Address: true}, 3}, {Claims{Method: true, Address: true}, 0}} {
		r := &http.Request{Header: http.Header{}}
		for _, fields := range []map[string]string{sent, kept} {
			for name, value := range fields {
				r.Header[name] = []string{value}
			}
		}
		NewHygiene(Rules{}).Strip(r, false, test.claims)
		if got := len(r.Header) - len(kept); got != test.left {
			t.Errorf("%+v leaves %d, want %d: %v", test.claims, got, test.left, r.Header)
		}
		for name := range kept {
			if r.Header[name] == nil {
				t.Errorf("%+v deletes %s", test.claims, name)
			}
		}
	}
}

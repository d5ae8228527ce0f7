package cookies_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
)

func TestAFlowComesBackAsItWas(t *testing.T) {
	jar := newJar(t, config, newKey(t))
	again := newFlow("/")
	again.Again = true
	elsewhere := newFlow("/")
	elsewhere.OtherHost, elsewhere.OtherScheme, elsewhere.Resume = true, true, true
	early := newFlow("/")
	early.Started = time.UnixMilli(-1)
	for name, flow := range map[string]cookies.Flow{
		"ordinary": newFlow("/app/x?a=b&c=%2F#"), "a second attempt": again, "one begun elsewhere": elsewhere, "before 1970": early, "without a path": newFlow(""),
		"with every byte": newFlow("/\x00\n;\"\xff,é"),
	} {
		for _, on := range []cookies.Site{site, plain} {
			cookie := flowCookie(t, jar, on, state, flow)
			got, ok := jar.Flow(requestWith("a=b; "+cookie.Name+"="+cookie.Value), on, state)
			if !ok || !reflect.DeepEqual(got, flow) {
				t.Errorf("%s: %+v, want %+v", name, got, flow)
			}
		}
	}
}

func TestAFlowIsOfItsStateSiteAndGateway(t *testing.T) {
	jar := newJar(t, config, newKey(t))
	cookie := flowCookie(t, jar, site, state, newFlow("/app"))
	other := flowCookie(t, jar, site, "another-state", newFlow("/app"))
	elsewhere := cookies.Site{Origin: "https://other.example.com", Secure: true}
	own := cookie.Name + "=" + cookie.Value
	for name, tt := range map[string]struct {
		jar   *cookies.Jar
		on    cookies.Site
		state string
		line  string
	}{
		"no cookie":                     {jar, site, state, ""},
		"another state":                 {jar, site, "another-state", own},
		"another flow under its name":   {jar, site, state, cookie.Name + "=" + other.Value},
		"under another's name":          {jar, site, "another-state", other.Name + "=" + cookie.Value},
		"another site":                  {jar, elsewhere, state, own},
		"http":                          {jar, cookies.Site{Origin: site.Origin}, state, strings.TrimPrefix(own, "__Host-")},
		"another gateway":               {newJar(t, config, newKey(t)), site, state, own},
		"twice":                         {jar, site, state, own + "; " + own},
		"beside garbage":                {jar, site, state, own + "; " + cookie.Name + "=x"},
		"lower-case prefix":             {jar, site, state, strings.ToLower(cookie.Name) + "=" + cookie.Value},
		"without prefix":                {jar, site, state, strings.TrimPrefix(own, "__Host-")},
		"an empty state":                {jar, site, "", own},
		"a value that is a session's":   {jar, site, state, cookie.Name + "=" + sessionValue(t, jar, site, newTicket(t))},
		"the session's cookie and name": {jar, site, state, sessionName + "=" + sessionValue(t, jar, site, newTicket(t))},
	} {
		if got, ok := tt.jar.Flow(requestWith(tt.line), tt.on, tt.state); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, ok := jar.Flow(requestWith(own, cookie.Name+"=x"), site, state); ok {
		t.Error("two lines: a flow")
	}
	if _, ok := jar.Flow(requestWith(own), site, state); !ok {
		t.Error("alone: no flow")
	}
}

func TestAFlowsValueIsNoSession(t *testing.T) {
	jar := newJar(t, config, newKey(t))
	cookie := flowCookie(t, jar, site, state, newFlow("/app"))
	if got, _ := jar.Session(requestWith(sessionName+"="+cookie.Value), site); !got.IsZero() {
		t.Error("it is one")
	}
}

func TestNoChangeOfAFlowCookieIsAccepted(t *testing.T) {
	jar := newJar(t, config, newKey(t))
	cookie := flowCookie(t, jar, site, state, newFlow("/"))
	spoilings(cookie.Value, func(spoilt string) {
		if _, ok := jar.Flow(requestWith(cookie.Name+"="+spoilt), site, state); ok {
			t.Errorf("accepted: %q for %q", spoilt, cookie.Value)
		}
	})
}

func TestAFlowCookieShowsNothingOfTheFlow(t *testing.T) {
	cookie := flowCookie(t, newJar(t, config, newKey(t)), site, state, newFlow("/secret-place"))
	for _, hidden := range []string{state, "secret-place", "the-client", "callback"} {
		if strings.Contains(cookie.String(), hidden) {
			t.Errorf("%q shows in %s", hidden, cookie)
		}
	}
}

func TestAFlowEndsAfterItsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jar := newJar(t, config, newKey(t))
		cookie := flowCookie(t, jar, site, state, newFlow("/app"))
		request := requestWith(cookie.Name + "=" + cookie.Value)
		<-time.After(flowAge - time.Minute)
		if _, ok := jar.Flow(request, site, state); !ok {
			t.Error("it ended early")
		}
		<-time.After(2 * time.Minute)
		if _, ok := jar.Flow(request, site, state); ok {
			t.Error("it did not end")
		}
	})
}

func TestTwoHundredSignInsInOneBrowserStayBoundedAndTheNewestWork(t *testing.T) {
	for _, length := range []int{10, 1500, 1900} {
		jar, b := newJar(t, config, newKey(t)), browser{"app": "1"}
		var last string
		for i := range 200 {
			flow := newFlow("/" + strings.Repeat("x", length))
			flow.Started = flow.Started.Add(time.Duration(i) * time.Second)
			h := http.Header{}
			last = fmt.Sprint("state-", i)
			if err := jar.SetFlow(h, b.request(), site, last, flow); err != nil {
				t.Fatal(err)
			}
			b.keep(t, h)
			if n := len(b) - 1; n > 5 || len(b.line()) > 8192 {
				t.Fatalf("%d flows, %d bytes", n, len(b.line()))
			}
			if got, ok := jar.Flow(b.request(), site, last); !ok || got.ReturnTo != flow.ReturnTo {
				t.Fatalf("the newest of %d does not work", i+1)
			}
		}
		if length < 100 {
			if _, ok := jar.Flow(b.request(), site, "state-195"); !ok || len(b) != 6 {
				t.Errorf("the fifth newest is gone: %d flows", len(b)-1)
			}
		}
		h := http.Header{}
		jar.ClearFlow(h, site, last)
		b.keep(t, h)
		if _, ok := jar.Flow(b.request(), site, last); ok || b["app"] != "1" {
			t.Error("a flow that was cleared is there, or a cookie of the application is not")
		}
	}
}

func TestCookiesThatOnlyLookLikeFlowsAreTheFirstToGo(t *testing.T) {
	jar, b := newJar(t, config, newKey(t)), browser{}
	for i := range 30 {
		b[fmt.Sprint(flowNames, i)] = "garbage"
	}
	h := http.Header{}
	flow := flowCookie(t, jar, site, "real", newFlow("/real"))
	b[flow.Name] = flow.Value
	if err := jar.SetFlow(h, b.request(), site, state, newFlow("/app")); err != nil {
		t.Fatal(err)
	}
	b.keep(t, h)
	if len(b) > 5 {
		t.Errorf("%d flows", len(b))
	}
	for _, s := range []string{state, "real"} {
		if _, ok := jar.Flow(b.request(), site, s); !ok {
			t.Errorf("the flow of %s is gone", s)
		}
	}
}

func TestAReturnPathTooLongForACookieIsGivenUpForTheStartPage(t *testing.T) {
	jar := newJar(t, config, newKey(t))
	for length, kept := range map[int]bool{100: true, 1500: true, 4000: false, 100_000: false} {
		cookie := flowCookie(t, jar, site, state, newFlow("/"+strings.Repeat("x", length)))
		got, ok := jar.Flow(requestWith(cookie.Name+"="+cookie.Value), site, state)
		if !ok || (len(got.ReturnTo) == length+1) != kept || !kept && got.ReturnTo != "/" {
			t.Errorf("%d bytes: %t, %d bytes are kept", length, ok, len(got.ReturnTo))
		}
		if len(cookie.Raw) > 4096 {
			t.Errorf("%d bytes: a Set-Cookie of %d", length, len(cookie.Raw))
		}
	}
}

func TestAFlowThatFitsNowhereIsAnError(t *testing.T) {
	flow := newFlow("/")
	flow.ClientID = strings.Repeat("x", 10_000)
	h := http.Header{}
	if err := newJar(t, config, newKey(t)).SetFlow(h, requestWith(), site, state, flow); err == nil || len(h) != 0 {
		t.Errorf("%v, %v", err, h)
	}
}

func FuzzFlowCookie(f *testing.F) {
	jar := newJar(f, config, newKey(f))
	cookie := flowCookie(f, jar, site, state, newFlow("/app"))
	foreign := flowCookie(f, newJar(f, config, newKey(f)), site, state, newFlow("/app")).Value
	for _, seed := range []string{"", "garbage", "=", foreign, foreign[1:], strings.Repeat("A", 4000), "a; b=c", cookie.Name + "=x", flowNames + "=" + flowNames} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if got, ok := jar.Flow(requestWith(cookie.Name+"="+value), site, state); ok {
			t.Errorf("%q is a flow: %+v", value, got)
		}
		if _, ok := jar.Flow(requestWith(value), site, state); ok {
			t.Errorf("%q holds a flow", value)
		}
		h := http.Header{}
		if err := jar.SetFlow(h, requestWith(value), site, state, newFlow(value)); err != nil {
			t.Errorf("%q in the browser, or to return to: %v", value, err)
		}
	})
}

package cookies_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
)

func TestASessionCookieComesBackAsTheTicketItHolds(t *testing.T) {
	jar, ticket := newJar(t, config, newKey(t)), newTicket(t)
	for _, on := range []cookies.Site{site, plain} {
		name := "osc_session"
		if on.Secure {
			name = sessionName
		}
		value := sessionValue(t, jar, on, ticket)
		for _, line := range []string{name + "=" + value, "a=b; " + name + "=" + value + "; c=d", "a=b;" + name + "=" + value + ";"} {
			if got, presented := jar.Session(requestWith(line), on); !presented || !sameTicket(got, ticket) {
				t.Errorf("%s: no ticket came back", line)
			}
		}
	}
}

func TestARequestWithoutASessionCookiePresentsNone(t *testing.T) {
	jar := newJar(t, config, newKey(t))
	for _, r := range []*http.Request{{}, requestWith(), requestWith(""), requestWith("a=b"), requestWith(sessionName), requestWith(";;=;")} {
		if ticket, presented := jar.Session(r, site); presented || !ticket.IsZero() {
			t.Errorf("%v: presented %t", r.Header, presented)
		}
	}
}

func TestASessionCookieIsWorthNothingElsewhere(t *testing.T) {
	key, ticket := newKey(t), newTicket(t)
	jar := newJar(t, config, key)
	value := sessionValue(t, jar, site, ticket)
	if got, _ := jar.Session(requestWith(sessionName+"="+value), site); !sameTicket(got, ticket) {
		t.Fatal("it is worth nothing where it belongs") // and the jar may remember it from here on
	}
	renamed := config
	renamed.Name = "other"
	for name, tt := range map[string]struct {
		jar  *cookies.Jar
		on   cookies.Site
		line string
	}{
		"at another site":           {jar, cookies.Site{Origin: "https://other.example.com", Secure: true}, sessionName + "=" + value},
		"at another port":           {jar, cookies.Site{Origin: site.Origin + ":8443", Secure: true}, sessionName + "=" + value},
		"over http":                 {jar, cookies.Site{Origin: "http://app.example.com"}, "osc_session=" + value},
		"under another name":        {newJar(t, renamed, key), site, "__Host-other=" + value},
		"with another gateway":      {newJar(t, config, newKey(t)), site, sessionName + "=" + value},
		"as a flow, read as a name": {jar, site, flowNames + "0=" + value},
	} {
		if got, _ := tt.jar.Session(requestWith(tt.line), tt.on); !got.IsZero() {
			t.Errorf("%s a ticket came back", name)
		}
	}
}

func TestAllKeysOfTheRingReadAndTheNewestWrites(t *testing.T) {
	older, newer := newKey(t), newKey(t)
	before, both, after := newJar(t, config, older), newJar(t, config, newer, older), newJar(t, config, newer)
	ticket := newTicket(t)
	reads := func(jar *cookies.Jar, value string) bool {
		got, _ := jar.Session(requestWith(sessionName+"="+value), site)
		return sameTicket(got, ticket)
	}
	old, fresh := sessionValue(t, before, site, ticket), sessionValue(t, both, site, ticket)
	if !reads(both, old) || !reads(both, fresh) || !reads(after, fresh) {
		t.Error("a key that is listed does not read")
	}
	if reads(after, old) || reads(before, fresh) {
		t.Error("a key that is not listed reads")
	}
	flow := flowCookie(t, before, site, state, newFlow("/app"))
	request := requestWith(flow.Name + "=" + flow.Value)
	if _, ok := both.Flow(request, site, state); !ok {
		t.Error("a flow of the older key is gone")
	}
	if _, ok := after.Flow(request, site, state); ok {
		t.Error("a flow of a key that was removed is read")
	}
}

// spoilings calls use with every change of a value by one bit, every
// truncation and a few additions. Changes that decode to the very same bytes
// are none: base64 leaves bits of its last character unused.
func spoilings(value string, use func(string)) {
	same := func(other string) bool {
		a, errA := base64.URLEncoding.DecodeString(value)
		b, errB := base64.URLEncoding.DecodeString(other)
		return errA == nil && errB == nil && string(a) == string(b)
	}
	for i := range value {
		for bit := range 8 {
			if flipped := value[:i] + string([]byte{value[i] ^ 1<<bit}) + value[i+1:]; !same(flipped) {
				use(flipped)
			}
		}
		use(value[:i])
	}
	for _, more := range []string{"A", "=", " x", "%00", value} {
		use(value + more)
	}
}

func TestNoChangeOfASessionCookieIsAccepted(t *testing.T) {
	jar, ticket := newJar(t, config, newKey(t)), newTicket(t)
	value := sessionValue(t, jar, site, ticket)
	jar.Session(requestWith(sessionName+"="+value), site) // remembered or not, it must be this one to the letter
	spoilings(value, func(spoilt string) {
		if got, _ := jar.Session(requestWith(sessionName+"="+spoilt), site); !got.IsZero() {
			t.Errorf("accepted: %q for %q", spoilt, value)
		}
	})
}

func TestAnythingElseUnderTheSessionsNameIsPresentedAndNoTicket(t *testing.T) {
	jar := newJar(t, config, newKey(t))
	for _, value := range []string{"", "garbage", "!!!not-base64!!!", strings.Repeat("A", 12000), `"quoted"`, "a=b=c", "\x00"} {
		if got, presented := jar.Session(requestWith(sessionName+"="+value), site); !presented || !got.IsZero() {
			t.Errorf("%.20q: presented %t", value, presented)
		}
	}
}

func TestTwoSessionCookiesAreNone(t *testing.T) {
	jar, ticket := newJar(t, config, newKey(t)), newTicket(t)
	one, two := sessionName+"="+sessionValue(t, jar, site, ticket), sessionName+"="+sessionValue(t, jar, site, newTicket(t))
	garbage := sessionName + "=garbage"
	for _, lines := range [][]string{
		{one + "; " + two}, {two + "; " + one}, {one, two}, {two, one}, {one + "; " + one}, {one, one},
		{one + "; " + garbage}, {garbage + "; " + one}, {one, "a=b", garbage}, {one + ";" + sessionName + "="},
	} {
		if got, presented := jar.Session(requestWith(lines...), site); !presented || !got.IsZero() {
			t.Errorf("%q: presented %t", lines, presented)
		}
	}
}

func TestNamesThatOnlyLookLikeTheSessionsAreIgnoredOnHTTPS(t *testing.T) {
	jar, ticket := newJar(t, config, newKey(t)), newTicket(t)
	value := sessionValue(t, jar, site, ticket)
	for _, name := range []string{
		"osc_session", "__host-osc_session", "__HOST-osc_session", "__Secure-osc_session", "%5F%5FHost-osc_session", "__Host-OSC_SESSION",
		"__Host-osc_session_0", "__Host-osc_sessio", "__Host-__Host-osc_session", "=__Host-osc_session", "\u00a0__Host-osc_session", "\u2000__Host-osc_session", "\x85__Host-osc_session", "\v__Host-osc_session",
		"__Host-osc_session\u00a0",
	} {
		if got, presented := jar.Session(requestWith(name+"="+value), site); presented || !got.IsZero() {
			t.Errorf("%q was read", name)
		}
		got, _ := jar.Session(requestWith(name+"=attacker; "+sessionName+"="+value), site)
		if !sameTicket(got, ticket) {
			t.Errorf("%q beside the session's cookie hides it", name)
		}
	}
}

func TestASessionCookieEndsWithTheSessionsLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jar, ticket := newJar(t, config, newKey(t)), newTicket(t)
		request := requestWith(sessionName + "=" + sessionValue(t, jar, site, ticket))
		<-time.After(lifetime - time.Minute)
		if got, _ := jar.Session(request, site); !sameTicket(got, ticket) {
			t.Error("it ended early")
		}
		<-time.After(2 * time.Minute)
		if got, _ := jar.Session(request, site); !got.IsZero() {
			t.Error("it did not end")
		}
	})
}

func TestOnlyAStrictSessionNeedsAPageToGoOn(t *testing.T) {
	strict := config
	strict.SameSite = http.SameSiteStrictMode
	if newJar(t, config, newKey(t)).NeedsContinuePage() || !newJar(t, strict, newKey(t)).NeedsContinuePage() {
		t.Error("lax needs one, or strict does not")
	}
}

func FuzzSessionCookie(f *testing.F) {
	jar, ticket := newJar(f, config, newKey(f)), newTicket(f)
	foreign := sessionValue(f, newJar(f, config, newKey(f)), site, newTicket(f))
	for _, seed := range []string{"", "garbage", "=", foreign, foreign[:len(foreign)-3], strings.Repeat("A", 600), "MTIzfDQ1Nnw3ODk=", "a; " + sessionName + "=b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if got, _ := jar.Session(requestWith(sessionName+"="+value), site); !got.IsZero() {
			t.Errorf("%q is a ticket", value)
		}
		if got, _ := jar.Session(requestWith(value), site); !got.IsZero() {
			t.Errorf("%q holds a ticket", value)
		}
		good := sessionName + "=" + sessionValue(t, jar, site, ticket)
		if got, _ := jar.Session(requestWith(value, good), site); !got.IsZero() && !sameTicket(got, ticket) {
			t.Errorf("%q makes another ticket of a good one", value)
		}
	})
}

package integration

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// toOpen is the address the demo prints.
var toOpen = regexp.MustCompile(`Open +(http://\S+)`)

// demo starts the demo with tokens that live for seconds, and gives its address.
func demo(t testing.TB) string {
	t.Helper()
	g := newGateway(t, &canaries{})
	g.launch("demo", "--from", g.address, "--osc", freeAddress(t), "--token-lifetime", "4s")
	eventually(t, "the demo says what to open", func() bool { return toOpen.Match(g.output()) })
	address := string(toOpen.FindSubmatch(g.output())[1])
	eventually(t, "the demo answers", func() bool {
		_, err := newVisitor(t, address).try(http.MethodGet, "/", navigation, "")
		return err == nil
	})
	return address
}

// demoMe is what the demo's page asks for.
type demoMe struct {
	Status       int
	Reason       string
	User, Tenant string
	Token        struct {
		Number      int
		Service     string
		Fingerprint string
	}
}

func (v *visitor) demoMe() (me demoMe) {
	v.t.Helper()
	got := v.fetch(http.MethodGet, "/api/me")
	if err := json.Unmarshal([]byte(got.Body), &me); err != nil {
		v.t.Fatalf("%v: %v", got, err)
	}
	me.Status = got.Status
	return me
}

// breaks presses a button of the demo, and gives what is broken then.
func (v *visitor) breaks(name string) (broken []string) {
	v.t.Helper()
	got := v.fetch(http.MethodPost, "/demo/trouble/"+name)
	if err := json.Unmarshal([]byte(got.Body), &broken); err != nil {
		v.t.Fatalf("%s: %v: %v", name, got, err)
	}
	return broken
}

func TestTheDemoShowsEveryPolicy(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, demo(t))
	for path, status := range map[string]int{"/": 200, "/about": 200, "/demo/script.js": 200, "/api/me": 401, "/studio": 302, "/acme": 302, "/intercom": 302} {
		if got := v.open(path); got.Status != status || strings.Contains(got.Body, "Bearer ey") {
			t.Errorf("signed out, %s: %v", path, got)
		}
	}
	if page := v.signIn("/studio"); page.Status != http.StatusOK || !strings.Contains(page.Body, "x-pat-jwt: Bearer ey") ||
		!strings.Contains(page.Body, "X-Osc-User: alice") || !strings.Contains(page.Body, "200 {&#34;planType&#34;:&#34;PERSONAL&#34;}") {
		t.Errorf("signed in: %v\n%s", page, page.Body)
	}
	if page := v.open("/intercom"); !strings.Contains(page.Body, "Authorization: Bearer ey") || strings.Contains(page.Body, "x-pat-jwt: Bearer") {
		t.Errorf("the service's token: %v\n%s", page, page.Body)
	}
	if page := v.open("/acme"); page.Status != http.StatusOK {
		t.Errorf("alice at acme's page: %v", page)
	}
	if page := v.open("/about"); strings.Contains(page.Body, "Bearer ey") || strings.Contains(page.Body, "alice</strong>") {
		t.Errorf("a public page: %v\n%s", page, page.Body)
	}
	bob := newVisitor(t, v.base)
	bob.user = "bob"
	if page := bob.signIn("/acme"); page.Status != http.StatusForbidden {
		t.Errorf("bob at acme's page: %v", page)
	}
	if done := v.signOut(); done.Status != http.StatusSeeOther {
		t.Errorf("signing out: %v", done)
	}
}

func TestTheDemosTokenIsRenewedUnnoticed(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, demo(t))
	v.signIn("/studio")
	first := v.demoMe()
	eventually(t, "the token is the third", func() bool {
		me := v.demoMe()
		if me.Status != http.StatusOK {
			t.Fatalf("noticed: %+v", me)
		}
		return me.Token.Number >= first.Token.Number+2 && me.Token.Fingerprint != first.Token.Fingerprint
	})
}

func TestTheDemosButtonsDoWhatTheySay(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, demo(t))
	v.signIn("/studio")
	if broken := v.breaks("token-down"); !slices.Equal(broken, []string{"token-down"}) {
		t.Errorf("broken: %q", broken)
	}
	eventually(t, "the token has run out, and the session has not", func() bool {
		me := v.demoMe()
		return me.Status == http.StatusServiceUnavailable && me.Reason == "provider_unavailable"
	})
	if broken := v.breaks("repair"); len(broken) != 0 {
		t.Errorf("mended, broken: %q", broken)
	}
	eventually(t, "it is as if nothing had been", func() bool { return v.demoMe().Status == http.StatusOK })

	v.breaks("platform-down")
	eventually(t, "there is no service's token", func() bool {
		got := v.open("/intercom")
		if strings.Contains(got.Body, "x-pat-jwt: Bearer") {
			t.Fatalf("the user's token instead: %v", got)
		}
		return got.Status == http.StatusServiceUnavailable
	})
	v.breaks("repair")

	v.breaks("expire")
	eventually(t, "OSC takes the token again", func() bool {
		return strings.Contains(v.open("/studio").Body, "200 {")
	})

	v.breaks("refuse-refresh")
	eventually(t, "the session has ended", func() bool { return v.demoMe().Status == http.StatusUnauthorized })
	if page := v.signIn("/studio"); page.Status != http.StatusOK {
		t.Errorf("again: %v", page)
	}

	v.breaks("deny")
	v.signOut()
	if page := v.signIn("/studio"); !strings.Contains(page.String(), "consent_denied") {
		t.Errorf("declined: %v", page)
	}
	v.breaks("repair")
	v.signIn("/studio")
	v.breaks("revoke")
	eventually(t, "the revoked session has ended", func() bool { return v.demoMe().Status == http.StatusUnauthorized })
}

func TestTheDemosButtonsAreForItsOwnPagesAlone(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, demo(t))
	for _, site := range []string{"cross-site", "same-site", "none"} {
		headers := form.Clone()
		headers.Set("Sec-Fetch-Site", site)
		if got := v.send(http.MethodPost, "/demo/trouble/token-down", headers, ""); got.Status != http.StatusForbidden {
			t.Errorf("%s: %v", site, got)
		}
	}
	if broken := v.breaks("repair"); len(broken) != 0 {
		t.Errorf("broken: %q", broken)
	}
	if got := v.send(http.MethodPost, "/demo/trouble/no-such", scripted, ""); got.Status != http.StatusNotFound {
		t.Errorf("an unknown button: %v", got)
	}
}

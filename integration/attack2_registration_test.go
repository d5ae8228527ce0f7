package integration

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// attack2Registration is an answer to a registration, and whether it may make a
// client.
type attack2Registration struct {
	id, what string
	reply    func(http.ResponseWriter, *http.Request)
	taken    bool
}

func attack2Registered(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestAttack2Registrations(t *testing.T) {
	t.Parallel()
	a := newAttack2(t, setup{})
	a.canaries.note(planted, marker)
	resident := a.browser(t)
	resident.signIn("/")
	canary := a.osc.URL + "/_simulator/canary"
	created := func(more string) func(http.ResponseWriter, *http.Request) {
		return attack2Registered(http.StatusCreated, `{"client_id":"made-up","client_secret":"`+marker+`-s"`+more+`}`)
	}
	for i, c := range []attack2Registration{
		{"DC-003", "a line break in the id", attack2Registered(201, `{"client_id":"`+marker+`\r\nb","client_secret":"x"}`), false},
		{"DC-003", "a space in the id", attack2Registered(201, `{"client_id":"`+marker+` b","client_secret":"x"}`), false},
		{"DC-003", "a parameter in the id", attack2Registered(201, `{"client_id":"a&redirect_uri=https://elsewhere.example","client_secret":"x"}`), true},
		{"DC-003", "a line break in the secret", attack2Registered(201, `{"client_id":"a","client_secret":"`+marker+`\n"}`), false},
		{"DC-003", "an id of 5 kB", attack2Registered(201, `{"client_id":"`+strings.Repeat(marker, 200)+`"}`), false},
		{"DC-003", "no id", attack2Registered(201, `{"client_secret":"`+marker+`"}`), false},
		{"DC-003", "a number as id", attack2Registered(201, `{"client_id":12,"client_secret":"`+marker+`"}`), false},
		{"DC-005", "500", attack2Registered(500, marker), false},
		{"DC-005", "a page", attack2Registered(200, "<html>"+marker+"</html>"), false},
		{"DC-005", "ten megabytes", attack2Registered(201, `{"client_id":"`+strings.Repeat("a", 10<<20)+`"}`), false},
		{"DC-006", "other redirect URIs", created(`,"redirect_uris":["https://elsewhere.example/cb"]`), false},
		{"DC-006", "more redirect URIs", created(`,"redirect_uris":["REDIRECT","https://elsewhere.example/cb"]`), false},
		{"DC-006", "an address to ask", created(`,"redirect_uris":["REDIRECT"],"registration_client_uri":"` + canary + `","jwks_uri":"` + canary + `"`), true},
	} {
		t.Run(c.id+" "+c.what, func(t *testing.T) {
			c.what = "row" + strconv.Itoa(i)
			a.tryRegistration(t, c)
			a.works(t, resident, "alice")
		})
	}
	if n := a.osc.Counters().CanaryHits; n != 0 {
		t.Errorf("%d addresses were asked", n)
	}
}

// tryRegistration begins sign-ins under a name of the row's own, which is
// registered for anew, and answers its registration.
func (a *attack2) tryRegistration(t *testing.T, c attack2Registration) {
	redirectURI := a.elsewhere(t, c.what).base + "/auth/callback"
	asked := func() (n int) {
		for _, call := range a.asked.at(attack2Register) {
			if strings.Contains(call.body, redirectURI) {
				n++
			}
		}
		return n
	}
	a.asked.also(func(w http.ResponseWriter, r *http.Request, call attack2Call) bool {
		if call.path != attack2Register || !strings.Contains(call.body, redirectURI) {
			return false
		}
		c.reply(attack2Replacing{w, redirectURI}, r)
		return true
	})
	for range 5 { // at most one is asked for in a while
		got := a.elsewhere(t, c.what).open("/studio")
		if c.taken {
			if query := got.location(t).Query(); got.Status != http.StatusFound || len(query["redirect_uri"]) != 1 || query.Get("redirect_uri") != redirectURI {
				t.Errorf("%v", got)
			}
			continue
		}
		if got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || got.Header["Set-Cookie"] != nil {
			t.Errorf("%v %v", got, got.Header)
		}
		a.own(t, got)
	}
	if n := asked(); n != 1 {
		t.Errorf("%d registrations", n)
	}
}

// attack2Replacing puts the redirect URI of the moment into what is sent.
type attack2Replacing struct {
	http.ResponseWriter
	uri string
}

func (w attack2Replacing) Write(b []byte) (int, error) {
	_, err := io.WriteString(w.ResponseWriter, strings.ReplaceAll(string(b), "REDIRECT", w.uri))
	return len(b), err
}

func attack2ClientsThatEnd(t *testing.T) {
	t.Run("DC-004 a client of a few seconds", func(t *testing.T) {
		a := newAttack2(t, setup{})
		a.osc.SetKnobs(func(k *simulator.Knobs) {
			k.Registration.ClientLifetimeSeconds, k.Registration.ExpiredClientsRefresh, k.Token.AccessLifetimeSeconds = 4, true, 3
		})
		v := a.browser(t)
		v.signIn("/")
		first := a.asked.at(attack2Token)[0].form().Get("client_id")
		refreshedBy := func(id string) (n int) {
			for _, call := range a.asked.at(attack2Token) {
				form := call.form()
				if form.Get("grant_type") != "refresh_token" {
					continue
				}
				if n++; form.Get("client_id") != id {
					t.Errorf("refreshed by the client %s, not %s", form.Get("client_id"), id)
				}
			}
			return n
		}
		eventually(t, "another client takes its place", func() bool {
			return a.browser(t).open("/").location(t).Query().Get("client_id") != first
		})
		if n := a.osc.Counters().Registrations; n != 2 {
			t.Errorf("%d registrations", n)
		}
		eventually(t, "the session was refreshed beyond the client's end", func() bool {
			a.works(t, v, "alice")
			return refreshedBy(first) >= 3
		})
	})
}

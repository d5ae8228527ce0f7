package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// jobDesk is where an app trades the handles of its jobs.
type jobDesk struct {
	t       testing.TB
	address string
}

// jobToken is what it gets, or why not.
type jobToken struct {
	Status      int    `json:"-"`
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Service     string `json:"service"`
	Tenant      string `json:"tenant"`
	Reason      string `json:"reason"`
}

func (d *jobDesk) trade(handle string) (got jobToken) {
	d.t.Helper()
	request, err := http.NewRequest(http.MethodPost, "http://"+d.address+"/token", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set("X-Osc-Job", handle)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := json.Unmarshal(text, &got); err != nil {
		d.t.Fatalf("%d: %v: %s", response.StatusCode, err, text)
	}
	if response.Header.Get("Cache-Control") != "no-store" {
		d.t.Errorf("Cache-Control: %q", response.Header.Get("Cache-Control"))
	}
	got.Status = response.StatusCode
	return got
}

// newJobs is a world whose app gets handles, and the desk they are traded at.
func newJobs(t testing.TB, options, global string) (*world, *jobDesk) {
	t.Helper()
	desk := &jobDesk{t: t, address: freeAddress(t)}
	w := newWorld(t, setup{global: global, site: "\tosc_proxy {upstream} {\n" + options + "\n\t}\n}\nhttp://" + desk.address + " {\n\tosc_jobs\n"})
	w.quickly()
	return w, desk
}

// handle is the one the app was given last.
func (w *world) handle() string {
	w.t.Helper()
	handles := w.app.last(w.t).Header["X-Osc-Job"]
	if len(handles) != 1 {
		w.t.Fatalf("X-Osc-Job: %q", handles)
	}
	w.canaries.note(jobHandle, handles[0])
	return handles[0]
}

func TestAJobGetsTokensWithTheBrowserClosedAndTheGatewayRestarted(t *testing.T) {
	t.Parallel()
	w, desk := newJobs(t, "\t\tjobs 1h", "\t\tidle_timeout 2s\n")
	// A refresh token dies after five quiet seconds, and an idle session after two.
	w.osc.SetKnobs(func(k *simulator.Knobs) {
		k.Token.AccessLifetimeSeconds, k.Token.RefreshLifetimeSeconds = 3, 5
	})
	v := w.visitor()
	v.signIn("/")
	handle := w.handle()
	first := desk.trade(handle)
	if first.Status != http.StatusOK || first.TokenType != "Bearer" || first.Tenant == "" || first.ExpiresIn > 3 || !w.canaries.knows(accessToken, first.AccessToken) {
		t.Fatalf("%+v", first)
	}
	for _, how := range []string{"in order", "without a word"} {
		if how == "in order" {
			w.gateway.stop()
		} else {
			w.gateway.kill()
		}
		w.gateway.start()
		refreshes := w.osc.Counters().RefreshesOK
		eventually(t, "it was refreshed several times, though nobody asks", func() bool {
			return w.osc.Counters().RefreshesOK >= refreshes+4
		})
		late := desk.trade(handle)
		if late.Status != http.StatusOK || late.AccessToken == first.AccessToken || !w.canaries.knows(accessToken, late.AccessToken) {
			t.Fatalf("ended %s: %+v", how, late)
		}
	}
	if got := v.signOut(); got.Status != http.StatusSeeOther {
		t.Fatalf("signing out: %v", got)
	}
	if got := desk.trade(handle); got.Status != http.StatusUnauthorized || got.Reason != "no_session" {
		t.Errorf("after signing out: %+v", got)
	}
	if counted := w.osc.Counters(); counted.ReuseDetected != 0 || counted.RefreshRejected != 0 {
		t.Errorf("%+v", counted)
	}
}

func TestASessionWithoutAJobIsNotKeptForOne(t *testing.T) {
	t.Parallel()
	w, desk := newJobs(t, "\t\trequired /jobs/* {\n\t\t\tjobs 3s\n\t\t}", "\t\tidle_timeout 2s\n")
	v := w.visitor()
	v.signIn("/")
	if handles := w.app.last(t).Header["X-Osc-Job"]; handles != nil {
		t.Fatalf("a route without jobs sends %q", handles)
	}
	v.open("/jobs/1")
	handle := w.handle()
	if got := desk.trade(handle); got.Status != http.StatusOK {
		t.Fatalf("%+v", got)
	}
	eventually(t, "the handle is no longer good", func() bool {
		got := desk.trade(handle)
		return got.Status == http.StatusUnauthorized && got.Reason == "session_expired"
	})
}

func TestAHandleOpensNothingWhereABrowserComes(t *testing.T) {
	t.Parallel()
	w, desk := newJobs(t, "\t\tjobs 1h", "")
	v := w.visitor()
	v.signIn("/")
	handle := w.handle()
	stranger := w.visitor()
	calls := w.app.calls()
	for _, headers := range []http.Header{
		{"X-Osc-Job": {handle}}, {"X-Pat-Jwt": {"Bearer " + handle}}, {"Authorization": {"Bearer " + handle}}, {"Cookie": {"osc_session=" + handle}},
	} {
		if got := stranger.send(http.MethodGet, "/api", headers, ""); got.Status != http.StatusUnauthorized {
			t.Errorf("%v", got)
		}
	}
	if got := stranger.send(http.MethodPost, "/token", http.Header{"X-Osc-Job": {handle}}, ""); got.Status != http.StatusUnauthorized {
		t.Errorf("/token of the app's site: %v", got)
	}
	if w.app.calls() != calls {
		t.Error("the app was called")
	}
	for _, other := range []string{"", "x", handle + "A", handle[:len(handle)-2], "oscjob1." + v.session(), v.session()} {
		if got := desk.trade(other); got.AccessToken != "" || got.Status/100 != 4 {
			t.Errorf("%d characters: %+v", len(other), got)
		}
	}
	w.gateway.mustAdmin(http.MethodDelete, "/osc_auth/sessions?all=true")
	if got := desk.trade(handle); got.Status != http.StatusUnauthorized || got.Reason != "session_revoked" {
		t.Errorf("revoked: %+v", got)
	}
}

func TestAJobOfAServiceGetsTheServicesToken(t *testing.T) {
	t.Parallel()
	const service = "eyevinn-intercom-manager"
	w, desk := newJobs(t, "\t\tservice "+service+"\n\t\tjobs 1h", "\t\ttoken_service {osc}/token\n")
	v := w.visitor()
	v.signIn("/")
	got := desk.trade(w.handle())
	sent := strings.TrimPrefix(w.app.last(t).Header.Get("Authorization"), "Bearer ")
	if got.Status != http.StatusOK || got.Service != service || got.AccessToken != sent || got.ExpiresIn <= 0 {
		t.Errorf("%+v", got)
	}
}

func TestCallersMayBringTheirOwnTokenWhereTheRouteSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{site: "\tosc_proxy {upstream} {\n\t\tapi /machines/* {\n\t\t\tpassthrough\n\t\t\ttenants acme\n\t\t}\n\t\tapi /api/*\n\t}\n",
		global: "\t\ttoken_service {osc}/token\n"})
	w.quickly()
	v, machine := w.visitor(), w.visitor()
	v.signIn("/")
	own := w.osc.IssuePAT("robot", "acme")
	w.canaries.note(accessToken, own)
	before := w.osc.Counters().Endpoints["my_subscriptions"]
	for _, caller := range []*visitor{machine, v} { // with a browser's cookie as well
		for range 3 {
			got := caller.send(http.MethodPost, "/machines/1", http.Header{"X-Pat-Jwt": {"Bearer " + own}}, "")
			if got.Status != http.StatusOK {
				t.Fatalf("%v", got)
			}
			request := w.app.last(t)
			if token, _ := request.token(); token != own || request.Header.Get("X-Osc-User") != "robot" || request.Header.Get("Cookie") != "" {
				t.Errorf("the app got %v", request.Header)
			}
		}
	}
	calls := w.app.calls()
	other := w.osc.IssuePAT("robot", "beta")
	w.canaries.note(accessToken, other)
	for name, refused := range map[string]struct {
		target, value string
		status        int
		reason        string
	}{
		"a route that does not say so":  {"/api/1", "Bearer " + own, 401, "no_session"},
		"a token OSC does not know":     {"/machines/1", "Bearer forged.forged.forged", 401, "token_rejected"},
		"no token":                      {"/machines/1", "Bearer", 401, "token_rejected"},
		"a token of another workspace":  {"/machines/1", "Bearer " + other, 403, "tenant_forbidden"},
		"a bare token, where it wants ": {"/machines/1", own, 401, "token_rejected"},
	} {
		got := machine.send(http.MethodGet, refused.target, http.Header{"X-Pat-Jwt": {refused.value}}, "")
		if got.Status != refused.status || !strings.Contains(got.Body, `"`+refused.reason+`"`) {
			t.Errorf("%s: %v", name, got)
		}
	}
	// Never the browser's session in place of a token that is no good.
	if got := v.send(http.MethodGet, "/machines/1", http.Header{"X-Pat-Jwt": {"Bearer forged.forged.forged"}}, ""); got.Status != http.StatusUnauthorized {
		t.Errorf("with a session beside it: %v", got)
	}
	if w.app.calls() != calls {
		t.Error("the app was called")
	}
	if asked := w.osc.Counters().Endpoints["my_subscriptions"] - before; asked > 3 {
		t.Errorf("OSC was asked %d times about three tokens", asked)
	}
}

package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// sentEvents is a client's end of GET /auth/events.
type sentEvents struct {
	t      testing.TB
	answer *http.Response
	lines  *bufio.Scanner
}

// listen asks for the events of a session as an EventSource does.
func listen(t testing.TB, client *http.Client, base, session string) *sentEvents {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/auth/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = scripted.Clone()
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Accept-Encoding", "gzip")
	request.Header.Set("Cookie", "osc_session="+session)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return &sentEvents{t: t, answer: response, lines: bufio.NewScanner(response.Body)}
}

// next is the next event, "" at the end.
func (s *sentEvents) next() (name string, data map[string]any) {
	s.t.Helper()
	for s.lines.Scan() {
		switch field, value, _ := strings.Cut(s.lines.Text(), ": "); field {
		case "event":
			name = value
		case "data":
			if err := json.Unmarshal([]byte(value), &data); err != nil {
				s.t.Fatalf("%v: %s", err, value)
			}
			return name, data
		}
	}
	return "", nil
}

func (s *sentEvents) want(name string) map[string]any {
	s.t.Helper()
	got, data := s.next()
	if got != name {
		s.t.Fatalf("%q came, want %q: %v", got, name, data)
	}
	return data
}

// Behind compression, and over both versions of HTTP.
func TestEventsComeThroughWhateverStandsAround(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{
		global:  "\t\tsession_lifetime 4s\n",
		options: "\tservers {\n\t\tprotocols h1 h2c\n\t}\n",
		site:    "\tencode gzip {\n\t\tminimum_length 1\n\t}\n" + usualSite,
	})
	w.quickly()
	for _, major := range []int{1, 2} {
		v := w.visitor()
		v.signIn("/")
		transport := &http.Transport{DialContext: dialHere, Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(major == 1)
		transport.Protocols.SetUnencryptedHTTP2(major == 2)
		t.Cleanup(transport.CloseIdleConnections)
		s := listen(t, &http.Client{Transport: transport}, v.base, v.session())
		if h := s.answer.Header; s.answer.StatusCode != http.StatusOK || s.answer.ProtoMajor != major || h.Get("Content-Encoding") != "" ||
			h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store, no-transform" {
			t.Fatalf("HTTP/%d: %d %v", s.answer.ProtoMajor, s.answer.StatusCode, h)
		}
		if data := s.want("session"); data["signed_in"] != true || data["user"] != "alice" {
			t.Errorf("%v", data)
		}
		s.want("expiring") // it lives for seconds only
		if data := s.want("ended"); data["reason"] != "session_expired" || data["signed_in"] != false {
			t.Errorf("%v", data)
		}
		if name, data := s.next(); name != "" {
			t.Errorf("%s after the end: %v", name, data)
		}
	}
}

func TestEventsOutliveReloadsAndTellOfRefreshesAndTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	v := w.visitor()
	v.signIn("/")
	s := listen(t, &http.Client{Transport: &http.Transport{DialContext: dialHere}}, v.base, v.session())
	first := s.want("session")
	w.configure("", "\theader X-Greeting hello\n"+usualSite)
	w.gateway.reload()
	refreshed := make(chan struct{})
	w.app.handle("/api/refused", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	go func() {
		defer close(refreshed)
		_, _ = v.try(http.MethodGet, "/api/refused", scripted, "") // has the token renewed
	}()
	if again := s.want("refreshed"); again["token_expires_at"] == "" || again["session_expires_at"] != first["session_expires_at"] {
		t.Errorf("%v, and before %v", again, first)
	}
	<-refreshed
	v.signOut()
	if data := s.want("ended"); data["reason"] != "session_revoked" {
		t.Errorf("%v", data)
	}
}

// Caddy waits for requests under way, and these would never end.
func TestTheGatewayEndsThoughSomebodyListens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.app.streams()
	w.quickly()
	v := w.visitor()
	v.signIn("/")
	s := listen(t, &http.Client{Transport: &http.Transport{DialContext: dialHere}}, v.base, v.session())
	s.want("session")
	app := w.stream(v, "/events")
	w.gateway.stop()
	if name, data := s.next(); name != "" {
		t.Errorf("told of %s: %v", name, data)
	}
	app.ends("the process ended")
}

// strictPolicy allows scripts of the site alone.
const strictPolicy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'"

// singlePageApp gives the app a page at /spa and a public one at /assets/spa,
// which note what they are told, over page loads, and what their policy forbade.
func (w *world) singlePageApp() {
	page := func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		rw.Header().Set("Content-Security-Policy", strictPolicy)
		fmt.Fprint(rw, `<!doctype html><title>A single-page app</title><script src="/assets/note.js"></script>
<script src="/auth/session.js" defer></script><p id="app">An app</p><form><input id="field"></form>`)
	}
	w.app.handle("/spa", page)
	w.app.handle("/assets/spa", page)
	w.app.handle("/assets/note.js", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(rw, `const note = text => sessionStorage.setItem('told', (sessionStorage.getItem('told') || '') + text + '\n');
addEventListener('osc-session', e => {
  note([e.detail.type, e.detail.signed_in, e.detail.user, e.detail.reason, e.detail.unsaved].join(' '));
  if (window.stay && e.detail.type === 'ended') e.preventDefault();
});
addEventListener('securitypolicyviolation', e => note('violation ' + e.violatedDirective));
window.sources = [];
const Native = window.EventSource;
window.EventSource = class extends Native { constructor(url) { super(url); sources.push(this); } };`)
	})
}

// told is what a tab was told, in all pages of the site that it showed.
func (b *browser) told() string { return b.ask("sessionStorage.getItem('told') || ''") }

func (b *browser) wantTold(line string) {
	b.t.Helper()
	eventually(b.t, fmt.Sprintf("a tab is told %q", line), func() bool { return strings.Contains(b.told(), line) })
}

// listeners is how many streams of events tabs have open.
func listeners(tabs ...*browser) (n int) {
	for _, tab := range tabs {
		switch tab.ask("sources.filter(s => s.readyState === 1).length") {
		case "1":
			n++
		case "0":
		default:
			n += 100
		}
	}
	return n
}

func TestTheTabsOfAnAppAreKeptInStep(t *testing.T) {
	w := newWorld(t, setup{})
	w.singlePageApp()
	one := newBrowser(t)
	public := one.tab()
	public.open(w.gateway.URL + "/assets/spa")
	public.wantTold("session false")
	one.open(w.gateway.URL + "/spa?tab=1")
	one.press("#account-alice", "#allow")
	one.press("#allow", "#app")
	one.wantTold("session true alice")
	public.wantTold("session true alice") // who is signed out hears of it
	two := one.tab()
	two.open(w.gateway.URL + "/spa?tab=2#/two?x=1")
	two.wantTold("session true alice")
	eventually(t, "one tab listens for all", func() bool { return listeners(one, two, public) == 1 })

	one.evaluate("oscSession.signOut()")
	// Nobody is signed in again whom another tab signed out: OSC may remember them.
	for name, tab := range map[string]*browser{"that signed out": one, "beside it": two} {
		eventually(t, "the tab "+name+" says so", func() bool { return strings.HasPrefix(tab.address(), w.gateway.URL+"/auth/signed-out") })
	}
	two.wantTold("ended false  session_revoked false")
	for _, tab := range []*browser{two, public} {
		if told := tab.told(); strings.Contains(told, "violation") {
			t.Errorf("the page's policy was violated:\n%s", told)
		}
	}
}

func TestNobodyIsSentAwayFromWhatTheyTypedOrWhereTheAppForbidsIt(t *testing.T) {
	w := newWorld(t, setup{})
	w.singlePageApp()
	w.quickly()
	typing := newBrowser(t)
	held := typing.tab()
	for _, tab := range []*browser{typing, held} {
		tab.open(w.gateway.URL + "/spa")
		tab.wantTold("session true alice")
	}
	held.evaluate("window.stay = true")
	typing.act("typing", chromedp.Focus("#field"), chromedp.KeyEvent("precious"))
	w.gateway.mustAdmin(http.MethodDelete, "/osc_auth/sessions?all=true")
	typing.wantTold("ended false  session_revoked true")
	held.wantTold("ended false  session_revoked false")
	for _, tab := range []*browser{typing, held} {
		if at := tab.address(); at != w.gateway.URL+"/spa" {
			t.Errorf("the tab went to %s", at)
		}
	}
	if typed := typing.evaluate("document.querySelector('#field').value"); typed != "precious" {
		t.Errorf("%q is left of what was typed", typed)
	}
	// Emptied and asked again by a refused call, the tab goes.
	typing.evaluate("document.querySelector('#field').value = ''")
	if status := typing.evaluate("oscSession.fetch('/api/rooms').then(answer => answer.status)"); status != "401" {
		t.Errorf("the call: %s", status)
	}
	typing.wantTold("session true alice")
	eventually(t, "the tab is signed in again", func() bool { return strings.Count(typing.told(), "session true alice") == 2 })
	// A second end within the minute sends nobody round, and neither does a third.
	flows := w.osc.Counters().Authorizations
	w.gateway.mustAdmin(http.MethodDelete, "/osc_auth/sessions?all=true")
	eventually(t, "the tab is told once more", func() bool { return strings.Count(typing.told(), "ended false") == 3 })
	typing.evaluate("oscSession.fetch('/api/rooms').then(answer => answer.status)")
	eventually(t, "the tab is told again", func() bool { return strings.Count(typing.told(), "ended false") == 4 })
	if at := typing.address(); at != w.gateway.URL+"/spa" || w.osc.Counters().Authorizations != flows {
		t.Errorf("the tab went to %s", at)
	}
}

// A page that comes out of the back-forward cache knows what it knew when it was
// left. Whether Chromium keeps one is its own affair, so the page is told that it
// was.
func TestAPageThatComesBackIsToldWhatItMissed(t *testing.T) {
	w := newWorld(t, setup{})
	w.singlePageApp()
	w.quickly()
	b := newBrowser(t)
	b.open(w.gateway.URL + "/spa")
	b.wantTold("session true alice")
	eventually(t, "the tab listens", func() bool { return listeners(b) == 1 })
	b.evaluate("window.stay = true")
	b.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
	if n := listeners(b); n != 0 {
		t.Errorf("%d streams of a page that was left are open", n)
	}
	eventually(t, "it holds and wants no lock", func() bool {
		return b.evaluate("navigator.locks.query().then(all => all.held.length + all.pending.length)") == "0"
	})
	w.gateway.mustAdmin(http.MethodDelete, "/osc_auth/sessions?all=true")
	b.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
	b.wantTold("ended false  session_revoked false")
}

func TestTabsAreToldOfAnEndOnAnotherReplica(t *testing.T) {
	redis := newRedis(t)
	env := []string{"OSC_GATEWAY_KEY=" + gatewayKey}
	w := newWorld(t, setup{global: redis.store(), env: env})
	w.singlePageApp()
	other := newGateway(t, w.canaries, env...)
	other.configure("\t\tissuer "+w.osc.URL+"\n"+redis.store(), w.withUpstream(usualSite))
	other.start()
	b := newBrowser(t)
	b.open(w.gateway.URL + "/spa?tab=2#/two?x=1")
	b.press("#account-alice", "#allow")
	b.press("#allow", "#app")
	b.wantTold("session true alice")
	eventually(t, "the tab listens", func() bool { return listeners(b) == 1 })
	other.mustAdmin(http.MethodDelete, "/osc_auth/sessions?user=alice")
	b.press("#allow", "#app") // OSC's page
	if at := b.address(); at != w.gateway.URL+"/spa?tab=2#/two?x=1" {
		t.Errorf("it came back to %s", at)
	}
}

func TestExampleOfASinglePageApp(t *testing.T) {
	w := exampleWorld(t)
	w.gateway.env = append(w.gateway.env, "OSC_ISSUER="+w.osc.URL, "SITE="+w.gateway.anyHost(), "ROOT="+example(t, "spa/site"))
	for _, api := range []string{"catalog", "deploy"} { // hosts of their own at OSC
		target, err := url.Parse(w.osc.URL + "/" + api)
		if err != nil {
			t.Fatal(err)
		}
		host := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
		t.Cleanup(host.Close)
		w.gateway.env = append(w.gateway.env, "OSC_"+strings.ToUpper(api)+"="+host.URL)
	}
	w.gateway.launch("run", "--config", example(t, "spa/Caddyfile"))
	eventually(t, "the gateway answers", w.gateway.answers)
	b := newBrowser(t)
	b.open(w.gateway.URL + "/")
	eventually(t, "the app says that nobody is signed in", func() bool { return b.read("#who") == "Signed out" })
	b.press("#signin", "#signout:not([hidden])")
	if who := b.read("#who"); who != "alice, acme" {
		t.Errorf("signed in as %q", who)
	}
	subscribe := `fetch('/osc/catalog/mysubscriptions', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({services: ['eyevinn-intercom-manager']})}).then(r => r.status)`
	if status := b.evaluate(subscribe); status != "200" && status != "201" && status != "204" {
		t.Errorf("subscribing: %s", status)
	}
	if apps := b.evaluate("fetch('/osc/deploy/myapps').then(r => r.status)"); apps != "200" {
		t.Errorf("the apps: %s", apps)
	}
	b.act("loading again", chromedp.Reload())
	b.see("#services li")
	if listed := b.read("#services"); listed != "eyevinn-intercom-manager" {
		t.Errorf("listed: %s", listed)
	}
	b.press("#signout", "a.button")
	if got := w.visitor().fetch(http.MethodGet, "/osc/catalog/mysubscriptions"); got.Status != http.StatusUnauthorized || !strings.Contains(got.Body, "no_session") {
		t.Errorf("signed out: %v", got)
	}
}

// The page for developers shows the example that is tested.
func TestTheDocumentedSinglePageAppIsTheExample(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "single-page-apps.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"spa/Caddyfile", "spa/site/app.js"} {
		text, err := os.ReadFile(example(t, file))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(doc), "\n"+string(text)+"```\n") {
			t.Errorf("docs/single-page-apps.md does not hold examples/%s as it is", file)
		}
	}
}

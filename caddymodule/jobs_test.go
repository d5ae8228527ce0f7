package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/Eyevinn/osc-gateway/internal/gate"
)

// jobSite has a site for browsers and one for jobs, told apart by their hosts.
const jobSite = `{
	osc_auth {
		issuer {$OSC}
		token_service {$OSC}/token
		store memory
	}
}

http://localhost {
	osc_proxy {$APP} {
		required /films/* {
			jobs 12h
		}
		required /manager/* {
			service eyevinn-intercom-manager
			jobs 12h
		}
		api /api/* {
			passthrough
			jobs 12h
		}
	}
}

http://127.0.0.1 {
	osc_jobs
	respond "something else" 418
}
`

// siteWithJobs has no routes that differ from it.
const siteWithJobs = `{
	osc_auth {
		issuer {$OSC}
		store memory
	}
}

http://localhost {
	osc_proxy {$APP} {
		jobs 1h
	}
}
`

// trade is a job's request for a token.
func (g *gateway) trade(handle string) answer {
	g.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:"+g.port()+gate.JobPath, nil)
	if err != nil {
		g.Fatal(err)
	}
	r.Header.Set(gate.JobHeader, handle)
	return g.browser().do(http.DefaultClient, r)
}

func TestAJobGetsFreshTokensAfterItsRequestUntilItsUserSignsOut(t *testing.T) {
	w := newWorld(t)
	g := w.serve(jobSite)
	b := g.browser()
	b.signsIn(g.local() + "/")
	wantStatus(t, b.asks(http.MethodGet, g.local()+"/else"), http.StatusOK)
	if got := lastHeader(w.app); got.Get(gate.JobHeader) != "" {
		t.Errorf("a route without jobs got %v", got)
	}
	wantStatus(t, b.asks(http.MethodGet, g.local()+"/films/x", gate.JobHeader+": forged"), http.StatusOK)
	work := lastHeader(w.app)
	wantStatus(t, b.asks(http.MethodGet, g.local()+"/manager/x"), http.StatusOK)
	manager := lastHeader(w.app)
	if len(work[gate.JobHeader]) != 1 || work.Get(gate.JobHeader) == manager.Get(gate.JobHeader) || strings.Contains(work.Get(gate.JobHeader), "forged") {
		t.Fatalf("the app got %q and %q", work[gate.JobHeader], manager[gate.JobHeader])
	}
	for handle, want := range map[string]string{
		work.Get(gate.JobHeader): work.Get("X-Pat-Jwt"), manager.Get(gate.JobHeader): manager.Get("Authorization"),
	} {
		got := g.trade(handle)
		wantStatus(t, got, http.StatusOK)
		var told struct {
			Token   string `json:"access_token"`
			Expires int    `json:"expires_in"`
			User    string
		}
		if err := json.Unmarshal([]byte(got.body), &told); err != nil || "Bearer "+told.Token != want || told.Expires < 60 || told.User != "alice" {
			t.Errorf("%v: %s", err, got.body)
		}
		if got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v", got.header)
		}
	}
	b.asks(http.MethodPost, g.local()+"/auth/signout", "Origin: "+g.local())
	if got := g.trade(work.Get(gate.JobHeader)); got.status != http.StatusUnauthorized || !strings.Contains(got.body, `"no_session"`) {
		t.Errorf("signed out: %d %s", got.status, got.body)
	}
	if got := g.trade("garbage"); got.status != http.StatusUnauthorized {
		t.Errorf("garbage: %d %s", got.status, got.body)
	}
}

func TestASiteOfJobsMayServeSomethingElse(t *testing.T) {
	g := newWorld(t).serve(jobSite)
	for path, want := range map[string]int{"/": 418, "/token/": 418, "/tokens": 418, gate.JobPath: http.StatusMethodNotAllowed} {
		wantStatus(t, g.browser().asks(http.MethodGet, "http://127.0.0.1:"+g.port()+path), want)
	}
	wantStatus(t, g.browser().asks(http.MethodPost, g.local()+gate.JobPath), http.StatusUnauthorized) // is the app's there
}

func TestJobsAnswerThoseOnlyWhoComeByAPrivateAddress(t *testing.T) {
	tcp := func(address string) net.Addr {
		resolved, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return resolved
	}
	for name, test := range map[string]struct {
		local net.Addr
		host  string
		want  bool
	}{
		"by loopback":                           {tcp("127.0.0.1:9900"), "127.0.0.1:9900", true},
		"by another address of loopback":        {tcp("127.8.8.8:9900"), "localhost", true},
		"by loopback of IPv6":                   {tcp("[::1]:9900"), "[::1]:9900", true},
		"by loopback for another name":          {tcp("127.0.0.1:9900"), "jobs.internal", true},
		"by a private address":                  {tcp("10.0.0.5:9900"), "10.0.0.5:9900", true},
		"by a private address of IPv6":          {tcp("[fd00::5]:9900"), "[fd00::5]:9900", true},
		"by a link's address":                   {tcp("[fe80::5%eth0]:9900"), "[fe80::5]:9900", false},
		"by a private address for a name":       {tcp("192.168.1.5:9900"), "jobs.internal", true},
		"by a private address for this machine": {tcp("172.17.0.2:9900"), "localhost:9900", false},
		"the same with loopback's number":       {tcp("172.17.0.2:9900"), "127.0.0.1:9900", false},
		"by a public address":                   {tcp("203.0.113.5:9900"), "203.0.113.5", false},
		"by a public address for this machine":  {tcp("203.0.113.5:9900"), "127.0.0.1", false},
		"by a public address of IPv6":           {tcp("[2001:db8::5]:9900"), "localhost", false},
		"by a socket":                           {&net.UnixAddr{Name: "/run/jobs.sock", Net: "unix"}, "jobs", true},
		"by nobody knows what":                  {nil, "127.0.0.1", false},
	} {
		r := httptest.NewRequest(http.MethodPost, gate.JobPath, nil)
		r.Host, r.RemoteAddr = test.host, "127.0.0.1:1" // whom it is from decides nothing
		if test.local != nil {
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, test.local))
		}
		if got := cameByPrivateAddress(r); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
		if test.want {
			continue
		}
		err := new(Jobs).ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			t.Errorf("%s: it was passed on", name)
			return nil
		}))
		var failed caddyhttp.HandlerError
		if !errors.As(err, &failed) || failed.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// storedKeys are the names of the keys in a storage.
func storedKeys(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "osc_auth", "*.key"))
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range found {
		found[i] = filepath.Base(path)
	}
	return strings.Join(found, " ")
}

func TestAKeyOfJobsIsMadeWhereThereAreJobsAndNoneIsGiven(t *testing.T) {
	const key = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	noSite := strings.Replace(jobSite, "\tosc_jobs\n", "", 1)
	noJobs := strings.ReplaceAll(noSite, "jobs 12h", "streams 12h")
	for name, test := range map[string]struct{ text, want string }{
		"routes with jobs": {noSite, "job.key master.key"},
		"a site with jobs": {siteWithJobs, "job.key master.key"},
		"a site for jobs":  {strings.ReplaceAll(jobSite, "jobs 12h", "streams 12h"), "job.key master.key"},
		"no jobs":          {noJobs, "master.key"},
		"a key is given":   {strings.Replace(jobSite, "store memory", "store memory\n\t\tjob_key "+key, 1), "master.key"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			dir := t.TempDir()
			text := strings.Replace(test.text, "{\n", "{\n\tstorage file_system "+dir+"\n", 1)
			g := w.serve(text)
			if got := storedKeys(t, dir); got != "" {
				t.Errorf("provisioning made %s", got)
			}
			b := g.browser()
			b.signsIn(g.local() + "/")
			b.asks(http.MethodGet, g.local()+"/films/x")
			if got := storedKeys(t, dir); got != test.want {
				t.Errorf("there is %q, want %q", got, test.want)
			}
			checkKeysDiffer(t, dir)
		})
	}
}

func checkKeysDiffer(t *testing.T, dir string) {
	t.Helper()
	master, err := os.ReadFile(filepath.Join(dir, "osc_auth", "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	if job, err := os.ReadFile(filepath.Join(dir, "osc_auth", "job.key")); err == nil && string(job) == string(master) {
		t.Error("both keys are one")
	}
}

func TestAProgramPassesWithATokenOfItsOwn(t *testing.T) {
	w := newWorld(t)
	g := w.serve(jobSite)
	b := g.browser()
	b.goes(g.local() + "/")
	pat := lastHeader(w.app).Get("X-Pat-Jwt")
	program := func(target string, fields ...string) answer {
		return g.browser().asks(http.MethodGet, g.local()+target, append(fields, "Accept: application/json", "Sec-Fetch-Mode:", "Sec-Fetch-Dest:", "Sec-Fetch-Site:")...)
	}
	wantStatus(t, program("/api/x", "X-Pat-Jwt: "+pat), http.StatusOK)
	r := w.app.one(t)
	wantToken(t, r, "X-Pat-Jwt", "Bearer ")
	if r.Header.Get("X-Osc-User") != "alice" || r.Header.Get("X-Osc-Tenant") != "acme" || r.Header.Get(gate.JobHeader) != "" {
		t.Errorf("the app got %v", r.Header)
	}
	for what, got := range map[string]answer{
		"a forged token":              program("/api/x", "X-Pat-Jwt: "+pat[:len(pat)-4]+"AAAA"),
		"garbage":                     program("/api/x", "X-Pat-Jwt: Bearer garbage"),
		"two tokens":                  program("/api/x", "X-Pat-Jwt: "+pat, "X-Pat-Jwt: "+pat),
		"a forged one beside cookies": b.asks(http.MethodGet, g.local()+"/api/x", "X-Pat-Jwt: Bearer garbage"),
	} {
		if got.status != http.StatusUnauthorized || !strings.Contains(got.body, `"token_rejected"`) {
			t.Errorf("%s: %d %s", what, got.status, got.body)
		}
	}
	if got := program("/films/x", "X-Pat-Jwt: "+pat); got.status != http.StatusUnauthorized && got.status != http.StatusFound {
		t.Errorf("a route that takes none: %d", got.status)
	}
	if asked := w.app.requests(); len(asked) != 0 {
		t.Errorf("the app was asked %d times", len(asked))
	}
}

// events answers with server-sent events until its client leaves.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, "data: 1\n\n")
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

func TestTheAdminAPIListsStreamsAndTheyEndWithTheirSession(t *testing.T) {
	l := newReloadable(t)
	b := l.browser()
	b.signsIn(l.local() + "/")
	l.app.answers(events)
	res, err := b.client.Do(b.request(http.MethodGet, l.local()+"/events?secret=1", "Accept: text/event-stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for query, want := range map[string]int{
		"": 1, "?user=alice": 1, "?tenant=acme": 1, "?user=alice&tenant=acme": 1, "?user=bob": 0, "?tenant=other": 0, "?user=alice&tenant=other": 0,
	} {
		list := []adminStreamView(nil)
		if status := admin(t, "GET", "/osc_auth/streams"+query, &list); status != http.StatusOK || list == nil || len(list) != want {
			t.Errorf("%s: status %d, %+v", query, status, list)
		}
	}
	var list []adminStreamView
	admin(t, "GET", "/osc_auth/streams", &list)
	var sessions []adminSessionView
	admin(t, "GET", "/osc_auth/sessions", &sessions)
	if got := list[0]; got.Session != sessions[0].ID || got.Site != l.local() || got.User != "alice" || got.Tenant != "acme" ||
		got.Kind != "sse" || got.Path != "/events" || got.Begun.IsZero() {
		t.Errorf("told as %+v", got)
	}
	for _, method := range []string{"POST", "DELETE", "PUT"} {
		if status := admin(t, method, "/osc_auth/streams", nil); status != http.StatusMethodNotAllowed {
			t.Errorf("%s gave %d", method, status)
		}
	}
	if err := l.load(reloadable); err != nil {
		t.Fatal(err)
	}
	if admin(t, "GET", "/osc_auth/streams", &list); len(list) != 1 {
		t.Errorf("after a reload: %+v", list)
	}
	admin(t, "DELETE", "/osc_auth/sessions/"+sessions[0].ID, nil)
	if _, err := io.ReadAll(res.Body); err != nil {
		t.Errorf("the stream ended with %v", err)
	}
}

func TestARouteTakesWhatItDoesNotSayFromItsSite(t *testing.T) {
	on, off := true, false
	site := RouteOptions{Streams: caddy.Duration(3 * time.Hour), Jobs: caddy.Duration(12 * time.Hour), Passthrough: &on}
	for name, test := range map[string]struct {
		site, own RouteOptions
		want      gate.Route
	}{
		"nothing is said":       {RouteOptions{}, RouteOptions{}, gate.Route{}},
		"the site says it":      {site, RouteOptions{}, gate.Route{Streams: 3 * time.Hour, Jobs: 12 * time.Hour, Passthrough: true}},
		"the route says it":     {RouteOptions{}, site, gate.Route{Streams: 3 * time.Hour, Jobs: 12 * time.Hour, Passthrough: true}},
		"the route says others": {site, RouteOptions{Streams: caddy.Duration(time.Hour), Jobs: caddy.Duration(time.Minute), Passthrough: &off}, gate.Route{Streams: time.Hour, Jobs: time.Minute}},
	} {
		got, err := test.own.over(test.site).route(gate.Required, nil)
		if err != nil || got.Streams != test.want.Streams || got.Jobs != test.want.Jobs || got.Passthrough != test.want.Passthrough {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, bad := range map[string]RouteOptions{
		"streams below nothing": {Streams: -1}, "jobs below nothing": {Jobs: -1},
		"passthrough and no field": {Passthrough: &on, TokenHeader: &TokenHeader{Name: tokenHeaderOff}},
	} {
		if _, err := bad.route(gate.Required, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

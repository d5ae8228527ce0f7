package gate_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	ownHandle     = canary + "handle-own"
	serviceHandle = canary + "handle-service"
)

// jobDesk trades handles of one session.
type jobDesk struct {
	*rig
	jobs *gate.Jobs
}

func newJobDesk(t *testing.T) *jobDesk {
	t.Helper()
	d := &jobDesk{rig: newRig(t)}
	ticket, session, err := d.vault.Create(t.Context(), realm, tokens.Client{}, grant("ada", "acme"))
	if err != nil {
		t.Fatal(err)
	}
	session.TokenExpires = d.clock.Now().Add(40*time.Minute + 500*time.Millisecond)
	d.vault.opens[ownHandle] = tokens.JobTicket{Site: realm, Ticket: ticket}
	d.vault.opens[serviceHandle] = tokens.JobTicket{Site: realm, Ticket: ticket, Service: "the-service"}
	d.jobs = &gate.Jobs{
		Open:     func(context.Context) (gate.JobVault, error) { return d.vault, d.safe.err },
		Services: d.services, Pages: pages.New(""), Now: d.clock.Now,
		Log: slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return d
}

// post sends a job's request. Whatever comes of it is not to be kept and not in
// the log.
func (d *jobDesk) post(method, body string, with headers) *httptest.ResponseRecorder {
	d.t.Helper()
	r := httptest.NewRequest(method, "/token", strings.NewReader(body))
	for name, value := range with {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	if err := d.jobs.ServeHTTP(w, r); err != nil {
		d.t.Fatal(err)
	}
	if w.Header().Get("Cache-Control") != "no-store" || !strings.HasSuffix(w.Header().Get("Content-Type"), "json") || len(w.Header()["Set-Cookie"]) != 0 {
		d.t.Errorf("headers %v", w.Header())
	}
	d.checkLog()
	return w
}

func (d *jobDesk) trade(handle string) *httptest.ResponseRecorder {
	d.t.Helper()
	return d.post(http.MethodPost, "", headers{gate.JobHeader: handle})
}

// wantToken fails unless the answer is that of a token endpoint.
func wantToken(t *testing.T, w *httptest.ResponseRecorder, want map[string]any) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want["token_type"] = "Bearer"
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("answered %v, want %v", got, want)
	}
}

func TestAHandleIsTradedForTheUsersToken(t *testing.T) {
	const form, object = "application/x-www-form-urlencoded", "application/json"
	for name, test := range map[string]struct {
		body string
		with headers
	}{
		"in the field it came in":     {"", headers{gate.JobHeader: ownHandle}},
		"with white space around":     {"", headers{gate.JobHeader: " " + ownHandle + "\t"}},
		"in the field, a body too":    {"job=other", headers{gate.JobHeader: ownHandle, "Content-Type": form}},
		"as a form":                   {"job=" + ownHandle, headers{"Content-Type": form}},
		"as a form with more":         {"grant_type=x&job=" + ownHandle, headers{"Content-Type": form + "; charset=utf-8"}},
		"as JSON":                     {`{"job":"` + ownHandle + `","more":1}`, headers{"Content-Type": object}},
		"as JSON, of a character set": {` {"job": "` + ownHandle + `"}`, headers{"Content-Type": "Application/JSON; charset=utf-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newJobDesk(t)
			wantToken(t, d.post(http.MethodPost, test.body, test.with), map[string]any{
				"access_token": canary + "access-ada", "expires_in": 2400.0, "user": "ada", "tenant": "acme",
			})
			if d.vault.count("Lasting") != 1 || d.vault.count("Fresh") != 0 || len(d.services.asked) != 0 {
				t.Errorf("asked %v and %v", d.vault.calls, d.services.asked)
			}
		})
	}
}

func TestAHandleOfAServiceIsTradedForItsToken(t *testing.T) {
	d := newJobDesk(t)
	wantToken(t, d.trade(serviceHandle), map[string]any{
		"access_token": canary + "the-service", "service": "the-service", "user": "ada", "tenant": "acme",
	})
	if asked := d.services.asked; len(asked) != 1 || asked[0] != canary+"access-ada" {
		t.Errorf("traded %q", asked)
	}
	expires := d.clock.Now().Add(10 * time.Minute).Unix()
	d.services.fixed = secret.New("e30." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, expires)) + ".sig")
	wantToken(t, d.trade(serviceHandle), map[string]any{
		"access_token": d.services.fixed.Reveal(), "service": "the-service", "user": "ada", "tenant": "acme", "expires_in": 600.0,
	})
}

func TestWhatIsNoHandleIsTradedForNothing(t *testing.T) {
	const form, object = "application/x-www-form-urlencoded", "application/json"
	tests := []struct {
		name, method, body string
		with               headers
		status             int
		reason             pages.Reason
	}{
		{"nothing", "POST", "", nil, 400, pages.BadRequest},
		{"an empty field", "POST", "", headers{gate.JobHeader: ""}, 401, pages.NoSession},
		{"garbage", "POST", "", headers{gate.JobHeader: "garbage"}, 401, pages.NoSession},
		{"garbage as a form", "POST", "job=garbage", headers{"Content-Type": form}, 401, pages.NoSession},
		{"an empty form", "POST", "job=", headers{"Content-Type": form}, 400, pages.BadRequest},
		{"another form", "POST", "handle=" + ownHandle, headers{"Content-Type": form}, 400, pages.BadRequest},
		{"two in a form", "POST", "job=" + ownHandle + "&job=" + ownHandle, headers{"Content-Type": form}, 400, pages.BadRequest},
		{"a broken form", "POST", "job=%zz", headers{"Content-Type": form}, 400, pages.BadRequest},
		{"broken JSON", "POST", `{"job":"` + ownHandle, headers{"Content-Type": object}, 400, pages.BadRequest},
		{"JSON and more", "POST", `{"job":"` + ownHandle + `"} {}`, headers{"Content-Type": object}, 400, pages.BadRequest},
		{"JSON of no handle", "POST", `{"job":7}`, headers{"Content-Type": object}, 400, pages.BadRequest},
		{"JSON that is a list", "POST", `["` + ownHandle + `"]`, headers{"Content-Type": object}, 400, pages.BadRequest},
		{"a body of no type", "POST", "job=" + ownHandle, nil, 400, pages.BadRequest},
		{"a body of another type", "POST", "job=" + ownHandle, headers{"Content-Type": "text/plain"}, 400, pages.BadRequest},
		{"a body without end", "POST", "job=" + strings.Repeat("a", 5<<10), headers{"Content-Type": form}, 400, pages.BadRequest},
		{"in the query", "POST", "", headers{"Content-Type": form}, 400, pages.BadRequest},
		{"GET", "GET", "", headers{gate.JobHeader: ownHandle}, 405, pages.BadRequest},
		{"HEAD", "HEAD", "", headers{gate.JobHeader: ownHandle}, 405, pages.BadRequest},
		{"PUT", "PUT", "", headers{gate.JobHeader: ownHandle}, 405, pages.BadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newJobDesk(t)
			w := d.post(tt.method, tt.body, tt.with)
			if w.Code != tt.status || (answer{ResponseRecorder: w}).reason() != string(tt.reason) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), canary) || strings.Contains(w.Body.String(), "access_token") || d.vault.count("Lasting") != 0 {
				t.Errorf("%s", w.Body)
			}
			if allow := w.Header().Get("Allow"); (tt.status == 405) != (allow == "POST") {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
}

func TestAHandleInTwoLinesIsNone(t *testing.T) {
	d := newJobDesk(t)
	r := httptest.NewRequest("POST", "/token", nil)
	r.Header[gate.JobHeader] = []string{ownHandle, ownHandle}
	w := httptest.NewRecorder()
	if err := d.jobs.ServeHTTP(w, r); err != nil || w.Code != http.StatusBadRequest || d.vault.touched() != 1 { // the one that made the session
		t.Errorf("%d %s, %v", w.Code, w.Body, err)
	}
}

func TestAJobIsToldWhyItGetsNoToken(t *testing.T) {
	weather := func(part tokens.Part) error {
		return &tokens.Unavailable{Part: part, RetryAfter: 7 * time.Second, Err: errDown}
	}
	for name, test := range map[string]struct {
		handle string
		fault  func(d *jobDesk)
		status int
		reason pages.Reason
		retry  string
	}{
		"its time is up":             {ownHandle, func(d *jobDesk) { d.vault.fails("OpenJob", &tokens.Ended{Reason: tokens.EndExpired}) }, 401, pages.SessionExpired, ""},
		"its session expired":        {ownHandle, func(d *jobDesk) { d.vault.fails("Lasting", &tokens.Ended{Reason: tokens.EndExpired}) }, 401, pages.SessionExpired, ""},
		"its session was revoked":    {ownHandle, func(d *jobDesk) { d.vault.fails("Lasting", &tokens.Ended{Reason: tokens.EndRevoked}) }, 401, pages.SessionRevoked, ""},
		"the provider refused it":    {ownHandle, func(d *jobDesk) { d.vault.fails("Lasting", &tokens.Ended{Reason: tokens.EndRejected}) }, 401, pages.RefreshRejected, ""},
		"its user signed out":        {ownHandle, func(d *jobDesk) { d.vault.fails("Lasting", tokens.ErrAbsent) }, 401, pages.NoSession, ""},
		"the store is away":          {ownHandle, func(d *jobDesk) { d.vault.fails("Lasting", weather(tokens.PartStore)) }, 503, pages.StoreUnavailable, "7"},
		"the provider is away":       {ownHandle, func(d *jobDesk) { d.vault.fails("Lasting", weather(tokens.PartProvider)) }, 503, pages.ProviderUnavailable, "7"},
		"the store does not open":    {ownHandle, func(d *jobDesk) { d.safe.err = errDown }, 503, pages.StoreUnavailable, "5"},
		"the service is not for it":  {serviceHandle, func(d *jobDesk) { d.services.err = &osc.Error{Endpoint: osc.EndpointServiceToken, Status: 403} }, 502, pages.ProviderError, ""},
		"the token service is away":  {serviceHandle, func(d *jobDesk) { d.services.err = errDown }, 503, pages.ProviderUnavailable, "5"},
		"its session ended, service": {serviceHandle, func(d *jobDesk) { d.vault.fails("Lasting", &tokens.Ended{Reason: tokens.EndRevoked}) }, 401, pages.SessionRevoked, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newJobDesk(t)
			test.fault(d)
			w := d.trade(test.handle)
			if w.Code != test.status || (answer{ResponseRecorder: w}).reason() != string(test.reason) || w.Header().Get("Retry-After") != test.retry {
				t.Errorf("%d %s, Retry-After %q", w.Code, w.Body, w.Header().Get("Retry-After"))
			}
			if strings.Contains(w.Body.String(), "access_token") {
				t.Errorf("%s", w.Body)
			}
			if !strings.Contains(d.log.String(), "reason="+string(test.reason)) {
				t.Errorf("log: %s", d.log)
			}
		})
	}
}

// jobRoutes sends a handle on /jobs and none elsewhere.
func jobRoutes(_ *rig, cfg *gate.Config) {
	table := gate.NewTable(&gate.Route{Mode: gate.Required, Token: patHeader}, false)
	table.Add(under("/jobs"), &gate.Route{Mode: gate.Required, Token: patHeader, Jobs: 12 * time.Hour})
	table.Add(under("/maybe"), &gate.Route{Mode: gate.Optional, Token: patHeader, Jobs: time.Hour})
	table.Add(under("/service"), &gate.Route{Mode: gate.API, Token: patHeader, Service: "the-service", Jobs: time.Minute})
	table.Add(under("/assets"), &gate.Route{Mode: gate.Public, Jobs: time.Hour})
	cfg.Routes = table
}

func TestARouteWithJobsSendsAHandleAndNoOtherDoes(t *testing.T) {
	r := newRig(t, jobRoutes)
	b := r.signedIn("ada", "acme")
	for target, want := range map[string]string{
		"/jobs/x": canary + "job--12h0m0s", "/maybe/x": canary + "job--1h0m0s", "/service/x": canary + "job-the-service-1m0s", "/app": "", "/assets/x": "",
	} {
		a := b.do("GET", target, with(scripted, headers{gate.JobHeader: "forged", "X_osc_job": "forged"}))
		got := r.app.last().header
		if !a.passed || got.Get(gate.JobHeader) != want || len(got[gate.JobHeader]) > 1 || strings.Contains(fmt.Sprint(got), "forged") {
			t.Errorf("%s: %d, the upstream got %v", target, a.Code, got)
		}
	}
	if a := r.browser().do("GET", "/maybe/x", scripted); !a.passed || r.app.last().header.Get(gate.JobHeader) != "" {
		t.Errorf("nobody: %d, %v", a.Code, r.app.last().header)
	}
	r.checkLog()
}

func TestAHandleDoesNotComeBackToABrowser(t *testing.T) {
	r := newRig(t, jobRoutes)
	b := r.signedIn("ada", "acme")
	r.app.serve = func(w http.ResponseWriter, req *http.Request) error {
		w.Header().Set("X-Echo", "job "+req.Header.Get(gate.JobHeader))
		w.Header().Set(gate.JobHeader, req.Header.Get(gate.JobHeader))
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if a := b.do("GET", "/jobs/x", scripted); !a.passed || a.Header().Get("X-Echo")+a.Header().Get(gate.JobHeader) != "" {
		t.Errorf("%v", a.Header())
	}
}

// A request whose work could not go on later is not begun.
func TestWithoutAHandleTheRequestGoesNoFurther(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		status int
		reason pages.Reason
	}{
		"the store is away": {&tokens.Unavailable{Part: tokens.PartStore, Err: errDown}, 503, pages.StoreUnavailable},
		"the session ended": {&tokens.Ended{Reason: tokens.EndRevoked}, 401, pages.SessionRevoked},
	} {
		r := newRig(t, jobRoutes)
		b := r.signedIn("ada", "acme")
		r.vault.fails("Job", test.err)
		if a := b.do("GET", "/jobs/x", scripted); a.passed || a.Code != test.status || a.reason() != string(test.reason) {
			t.Errorf("%s: passed %t, %d %s", name, a.passed, a.Code, a.Body)
		}
	}
}

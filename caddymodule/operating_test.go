package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

// counterNow is the sum of a counter over one label's value, as the current
// configuration shows it.
func counterNow(t *testing.T, name, label, value string) float64 {
	t.Helper()
	active := caddy.ActiveContext()
	families, err := active.GetMetricsRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, pair := range metric.GetLabel() {
				if pair.GetName() == label && pair.GetValue() == value {
					total += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return total
}

func TestMetricsGoOnCountingAcrossReloads(t *testing.T) {
	l := newReloadable(t)
	const signIns, requests = "caddy_osc_auth_sign_ins_total", "caddy_osc_auth_requests_total"
	before, passed := counterNow(t, signIns, "result", "ok"), counterNow(t, requests, "outcome", "passed")
	for round := range 3 {
		b := l.browser()
		b.signsIn(l.local() + "/")
		if got := counterNow(t, signIns, "result", "ok"); got != before+float64(round+1) {
			t.Fatalf("round %d: %v sign-ins are counted, %v at the beginning", round, got, before)
		}
		if got := counterNow(t, requests, "outcome", "passed"); got < passed+float64(round+1) {
			t.Fatalf("round %d: %v requests are counted, %v at the beginning", round, got, passed)
		}
		t.Setenv("LOAD", strings.Repeat("x", round+1))
		if err := l.load(reloadable); err != nil {
			t.Fatal(err)
		}
	}
}

// admin calls the admin API's handlers as Caddy does.
func admin(t *testing.T, method, target string, into any) int {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for _, route := range (AdminAPI{}).Routes() {
		if r.URL.Path != route.Pattern && !(strings.HasSuffix(route.Pattern, "/") && strings.HasPrefix(r.URL.Path, route.Pattern)) {
			continue
		}
		w := httptest.NewRecorder()
		err := route.Handler.ServeHTTP(w, r)
		if failed, ok := errors.AsType[caddy.APIError](err); ok {
			return failed.HTTPStatus
		}
		if err != nil {
			t.Fatal(err)
		}
		if into != nil {
			if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
				t.Fatalf("%s: %v", w.Body, err)
			}
		}
		return w.Code
	}
	t.Fatalf("%s has no handler", target)
	return 0
}

func TestTheAdminAPIListsSessionsAndEndsThem(t *testing.T) {
	l := newReloadable(t)
	b := l.browser()
	b.signsIn(l.local() + "/")
	var list []adminSessionView
	if status := admin(t, "GET", "/osc_auth/sessions?tenant=acme", &list); status != http.StatusOK || len(list) != 1 {
		t.Fatalf("status %d, %d sessions", status, len(list))
	}
	one := list[0]
	if one.User != "alice" || one.Tenant != "acme" || one.Site != l.local() || one.Ended != "" || len(one.ID) != 16 ||
		one.Expires.Sub(one.Created).Round(time.Hour) != 7*24*time.Hour {
		t.Errorf("the session is told as %+v", one)
	}
	for target, want := range map[string]int{
		"GET /osc_auth/sessions/" + one.ID: 200, "GET /osc_auth/sessions/0000000000000000": 404, "GET /osc_auth/sessions/x": 400,
		"POST /osc_auth/sessions": 405, "DELETE /osc_auth/sessions": 400, "GET /osc_auth/status": 200, "DELETE /osc_auth/status": 405,
	} {
		method, path, _ := strings.Cut(target, " ")
		if got := admin(t, method, path, nil); got != want {
			t.Errorf("%s gave %d, want %d", target, got, want)
		}
	}
	var ended struct {
		Revoked int `json:"revoked"`
	}
	admin(t, "DELETE", "/osc_auth/sessions?user=bob", &ended)
	if ended.Revoked != 0 {
		t.Errorf("%d of bob's sessions ended", ended.Revoked)
	}
	wantStatus(t, b.asks("GET", l.local()+"/"), http.StatusOK)
	admin(t, "DELETE", "/osc_auth/sessions/"+one.ID, &ended)
	if ended.Revoked != 1 {
		t.Errorf("%d sessions ended", ended.Revoked)
	}
	wantStatus(t, b.asks("GET", l.local()+"/"), http.StatusFound)
	list = nil
	if admin(t, "GET", "/osc_auth/sessions", &list); len(list) != 1 || list[0].Ended != "session_revoked" {
		t.Errorf("afterwards it is told as %+v", list)
	}
}

// heard are the events a test subscribed to.
var heard = make(chan caddy.Event, 16)

type listener struct{}

func (listener) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.osc_test", New: func() caddy.Module { return new(listener) }}
}

func (listener) Handle(_ context.Context, e caddy.Event) error { heard <- e; return nil }

func (*listener) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

var _ caddyevents.Handler = listener{}

func init() { caddy.RegisterModule(listener{}) }

func TestEventsTellOfSessions(t *testing.T) {
	w := newWorld(t)
	for name, value := range map[string]string{"IDLE": "12h", "LIFETIME": "7d", "LOAD": "1"} {
		t.Setenv(name, value)
	}
	var events strings.Builder
	for _, name := range []string{eventSignedIn, eventSignedOut, eventSessionLost} {
		events.WriteString("\n\t\ton " + name + " osc_test")
	}
	l := newLoaded(w, strings.Replace(reloadable, "{\n", "{\n\tevents {"+events.String()+"\n\t}\n", 1))
	want := func(name string, data map[string]string) {
		t.Helper()
		select {
		case e := <-heard:
			if e.Name() != name || e.Data["session"] == "" {
				t.Fatalf("heard %s %v, want %s", e.Name(), e.Data, name)
			}
			for key, value := range data {
				if e.Data[key] != value {
					t.Errorf("%s says %s is %v, want %s", name, key, e.Data[key], value)
				}
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s was not heard", name)
		}
	}
	b := l.browser()
	b.signsIn(l.local() + "/")
	want(eventSignedIn, map[string]string{"user": "alice", "tenant": "acme"})
	b.asks("POST", l.local()+"/auth/signout", "Origin: "+l.local())
	want(eventSignedOut, nil)
	b.signsIn(l.local() + "/")
	want(eventSignedIn, nil)
	admin(t, "DELETE", "/osc_auth/sessions?all=true", nil)
	want(eventSessionLost, map[string]string{"reason": "session_revoked", "user": "alice"})
}

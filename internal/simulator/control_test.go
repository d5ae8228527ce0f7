package simulator

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestKnobsOverHTTP(t *testing.T) {
	w := newWorld(t, Config{})
	patch := func(body string) answer { return w.call("PATCH", "/_simulator/knobs", body, jsonType) }
	w.wantStatus(patch(`{"token":{"access_lifetime_seconds":5},"faults":[{"kind":"429","retry_after_seconds":9,"count":2,"headers":{"a":"b"}}]}`), 200)
	w.wantStatus(patch(`{"authorize":{"deny":true}}`), 200)
	k := w.sim.Knobs()
	if k.Token.AccessLifetimeSeconds != 5 || k.Token.RefreshLifetimeSeconds != 7200 || !k.Authorize.Deny || len(k.Faults) != 1 || k.Faults[0].Endpoint != "token" || k.Faults[0].Scope != "both" {
		t.Errorf("knobs %+v", k)
	}
	w.wantStatus(patch(`{"faults":[{"kind":"500"}]}`), 200)
	if f := w.sim.Knobs().Faults; !reflect.DeepEqual(f, []Fault{{Kind: "500", Endpoint: "token", Scope: "both"}}) {
		t.Errorf("a replaced list kept something: %+v", f)
	}
	var shown Knobs
	if err := json.Unmarshal([]byte(w.call("GET", "/_simulator/knobs", "").body), &shown); err != nil || !reflect.DeepEqual(shown, w.sim.Knobs()) {
		t.Errorf("shown %+v, %v", shown, err)
	}
	for body, want := range map[string]string{
		`{"token":{"acess_lifetime":5}}`:                 "acess_lifetime",
		`{"tokens":{}}`:                                  "tokens",
		`{"token":{"rotation":"sometimes"}}`:             "token.rotation",
		`{"token":{"access_lifetime_seconds":-1}}`:       "token.access_lifetime_seconds",
		`{"token":{"expires_in":"raw"}}`:                 "expires_in_raw",
		`{"pat":{"pad_bytes":99999999}}`:                 "pat.pad_bytes",
		`{"platform":{"unsubscribed_status":7}}`:         "unsubscribed_status",
		`{"faults":[{"kind":"nope"}]}`:                   "nope",
		`{"faults":[{"kind":"500","endpoint":"tokne"}]}`: "tokne",
		`{"faults":[{"kind":"500","scope":"all"}]}`:      "all",
		`{"faults":[{"kind":"500","count":-1}]}`:         "negative",
		`{"faults":[{"kind":"reply","status":100}]}`:     "100",
		`{"authorize":{"deny":false}} {}`:                "follows",
		`{"authorize":{"deny":false}`:                    "EOF",
	} {
		if a := w.wantStatus(patch(body), 400); !strings.Contains(a.body, want) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	if !w.sim.Knobs().Authorize.Deny {
		t.Error("a refused patch changed something")
	}
	w.wantStatus(w.call("POST", "/_simulator/reset-knobs", ""), 200)
	if got := w.sim.Knobs(); !reflect.DeepEqual(got, DefaultKnobs()) {
		t.Errorf("after reset %+v", got)
	}
}

func TestEveryKnobHasASnakeCaseNameAndAZeroThatIsItsDefault(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9_]+$`)
	var walk func(reflect.Type)
	walk = func(rt reflect.Type) {
		for f := range rt.Fields() {
			if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); !name.MatchString(tag) {
				t.Errorf("%s.%s is %q in JSON", rt.Name(), f.Name, tag)
			}
			switch f.Type.Kind() {
			case reflect.Struct:
				walk(f.Type)
			case reflect.Slice:
				walk(f.Type.Elem())
			}
		}
	}
	walk(reflect.TypeFor[Knobs]())
	if got := New(Config{}).Knobs(); !reflect.DeepEqual(got, DefaultKnobs()) {
		t.Errorf("a zero config has %+v", got)
	}
}

func TestASnapshotOfTheKnobsIsACopy(t *testing.T) {
	s := New(Config{Knobs: Knobs{Faults: []Fault{{Kind: FaultReply, Headers: map[string]string{"A": "b"}}}}})
	k := s.Knobs()
	k.Faults[0].Kind, k.Faults[0].Headers["A"] = "x", "x"
	if f := s.Knobs().Faults[0]; f.Kind != FaultReply || f.Headers["A"] != "b" {
		t.Errorf("changed through a copy: %+v", f)
	}
}

func TestAWrongKnobInGoPanics(t *testing.T) {
	s := New(Config{})
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
		if s.Knobs().Discovery.Mode != "ok" {
			t.Error("the wrong value is set")
		}
	}()
	s.SetKnobs(func(k *Knobs) { k.Discovery.Mode = "fine" })
}

func TestTheControlPage(t *testing.T) {
	w := newWorld(t, Config{})
	w.signIn("alice", "acme")
	html := "Accept: text/html"
	for _, p := range Presets() {
		w.sim.SetKnobs(func(k *Knobs) { *k = Knobs{} })
		before := w.sim.Knobs()
		a := w.wantStatus(w.call("POST", "/_simulator/presets/"+p.Name, "", html, formType), 303)
		if a.header.Get("Location") != "/_simulator/" || reflect.DeepEqual(before, w.sim.Knobs()) {
			t.Errorf("%s changed nothing", p.Name)
		}
		if page := w.call("GET", "/_simulator/", ""); !strings.Contains(page.body, `id="preset-`+p.Name+`"`) {
			t.Errorf("no button for %s", p.Name)
		}
	}
	w.wantStatus(w.call("POST", "/_simulator/presets/nope", ""), 400)
	w.wantStatus(w.call("POST", "/_simulator/knobs", "json="+`{"faults":[{"kind":"500"},{"kind":"hang","scope":"code","count":3}]}`, formType, html), 303)
	page := w.wantStatus(w.call("GET", "/_simulator/", ""), 200)
	for _, want := range []string{"<code>500</code> at token, always", "<code>hang</code> at token (code), 3 more", `id="families"`, "<td>alice</td>", "max_concurrent_refreshes"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if landing := w.wantStatus(w.call("GET", "/", ""), 200); !strings.Contains(landing.body, `href="/_simulator/"`) || !strings.Contains(landing.body, w.url) {
		t.Errorf("landing page %s", landing.body)
	}
	for _, external := range []string{"src=", "@import", "url(", "<script"} {
		if strings.Contains(page.body, external) {
			t.Errorf("the page has %q", external)
		}
	}
}

func TestControlActions(t *testing.T) {
	w := newWorld(t, Config{})
	client, tokens := w.signIn("alice", "acme")
	if a := w.call("GET", "/_simulator/families", ""); !strings.Contains(a.body, `"user": "alice"`) || !strings.Contains(a.body, client.Get("client_id")) {
		t.Errorf("families %s", a.body)
	}
	w.wantStatus(w.call("POST", "/_simulator/expire-access-tokens", ""), 200)
	w.wantStatus(w.call("GET", "/money/mytenantplan", "", "x-pat-jwt: Bearer "+tokens["access_token"].(string)), 401)
	tokens = w.wantStatus(w.refresh(client, tokens["refresh_token"].(string)), 200).json(t)
	w.wantStatus(w.call("POST", "/_simulator/revoke", ""), 400)
	if m := w.wantStatus(w.call("POST", "/_simulator/revoke?user=alice", ""), 200).json(t); m["revoked"] != 1.0 {
		t.Errorf("revoked %v", m)
	}
	w.wantError(w.refresh(client, tokens["refresh_token"].(string)), 400, "invalid_grant")
	w.wantStatus(w.call("POST", "/_simulator/forget-clients", ""), 200)
	w.wantError(w.exchange(client, "x"), 401, "invalid_client")
	if m := w.call("GET", "/_simulator/counters", "").json(t); m["refreshes"] != 2.0 || m["endpoints"].(map[string]any)["token"] != 4.0 {
		t.Errorf("counters %v", m)
	}
	w.wantStatus(w.call("POST", "/_simulator/reset-counters", ""), 200)
	if c := w.sim.Counters(); !reflect.DeepEqual(c, newCounters()) {
		t.Errorf("counters %+v", c)
	}
	m := w.wantStatus(w.call("POST", "/_simulator/clients?name=Mine&redirect_uri=https://a.example/cb", ""), 200).json(t)
	if !strings.HasPrefix(m["client_id"].(string), "osc_") || !strings.HasPrefix(m["client_secret"].(string), "osc_secret_") || m["client_name"] != "Mine" {
		t.Errorf("client %v", m)
	}
	w.wantStatus(w.call("POST", "/_simulator/clients?redirect_uri=/cb", ""), 400)
	w.wantStatus(w.call("POST", "/_simulator/clients", ""), 400)
	runner := w.wantStatus(w.call("POST", "/_simulator/runner-token?user=bob", ""), 200).json(t)["token"].(string)
	w.wantStatus(w.call("POST", "/token/runner-token/refresh", `{"token":"`+runner+`"}`, jsonType), 200)
	w.wantStatus(w.call("POST", "/_simulator/runner-token", ""), 400)
	w.wantStatus(w.call("POST", "/_simulator/forget-clients", "", "Sec-Fetch-Site: cross-site"), 403)
	w.wantStatus(w.call("POST", "/_simulator/forget-clients", "", "Sec-Fetch-Site: same-origin"), 200)
}

func TestNoSecretIsLogged(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, Config{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	client, tokens := w.signIn("alice", "acme")
	refresh := tokens["refresh_token"].(string)
	w.knobs(func(k *Knobs) { k.Faults = []Fault{{Kind: Fault500, Count: 1}} })
	for range 3 {
		w.refresh(client, refresh)
	}
	w.exchange(client, "osc_code_unknown")
	w.exchange(with(client, "client_secret", "osc_secret_wrong"), "osc_code_unknown")
	w.serviceToken(w.pat("alice", "acme"))
	if log.Len() == 0 {
		t.Error("nothing is logged")
	}
	for _, secret := range []string{client.Get("client_secret"), refresh, tokens["access_token"].(string), testVerifier, "osc_code_", "osc_secret_", "eyJ"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

func TestStateIsBounded(t *testing.T) {
	m := newTTLMap[int](100)
	start := time.Unix(0, 0)
	for i := range 1000 {
		m.put(string(rune(i)), i, start.Add(time.Duration(i)*time.Second), start)
		if len(m.items) > 100 {
			t.Fatalf("%d entries", len(m.items))
		}
	}
	if _, ok := m.get(string(rune(999)), start); !ok {
		t.Error("the latest entry is gone")
	}
	if _, ok := m.get(string(rune(0)), start); ok {
		t.Error("the first entry is still there")
	}
	late := start.Add(2000 * time.Second)
	if _, ok := m.get(string(rune(998)), late); ok {
		t.Error("an expired entry is found")
	}
	m.each(late, func(string, int) { t.Error("an expired entry is visited") })
	for i := range 100 {
		m.put(string(rune(5000+i)), i, time.Time{}, late)
	}
	if len(m.items) != 100 {
		t.Errorf("%d entries, expired ones were not dropped first", len(m.items))
	}
}

func TestWithoutRandomnessThereIsNoSimulator(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	New(Config{Rand: io.LimitReader(strings.NewReader("short"), 5)})
}

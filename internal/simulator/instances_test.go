package simulator

import (
	"strings"
	"testing"
)

func TestInstancesAreMadeListedAndRemoved(t *testing.T) {
	w := newWorld(t, Config{})
	sat := "x-jwt: Bearer " + w.serviceToken(w.pat("alice", "acme"))
	other := "x-jwt: Bearer " + w.serviceToken(w.pat("bob", "beta"))
	api := "/instance-api/" + service
	w.wantStatus(w.call("POST", api+"/instances", `{"name":"no-hyphen"}`, jsonType, sat), 400)
	m := w.wantStatus(w.call("POST", api+"/instances", `{"name":"one","size":3}`, jsonType, sat), 201).json(t)
	if m["name"] != "one" || m["size"] != 3.0 || m["url"] == "" || m["_links"] == nil {
		t.Errorf("made %v", m)
	}
	w.wantStatus(w.call("POST", api+"/instances", `{"name":"one"}`, jsonType, sat), 409)
	if list := w.wantStatus(w.call("GET", api+"/instances", "", sat), 200).body; !strings.Contains(list, `"name":"one"`) {
		t.Errorf("listed %s", list)
	}
	if list := w.wantStatus(w.call("GET", api+"/instances", "", other), 200).body; list != "[]" {
		t.Errorf("another workspace's list: %s", list)
	}
	for path, status := range map[string]int{"/instances/one": 200, "/health/one": 200, "/logs/one": 200, "/ports/one": 200, "/instances/two": 404, "/health/two": 404} {
		w.wantStatus(w.call("GET", api+path, "", sat), status)
		w.wantStatus(w.call("GET", api+path, "", other), 404)
		w.wantStatus(w.call("GET", api+path, ""), 401)
	}
	w.wantStatus(w.call("POST", api+"/restart/one", "", sat), 204)
	w.wantStatus(w.call("DELETE", api+"/instances/one", "", jsonType, other), 404)
	w.wantStatus(w.call("DELETE", api+"/instances/one", "", jsonType, sat), 204) // as OSC's SDK does it
	w.wantStatus(w.call("GET", api+"/instances/one", "", sat), 404)
}

func TestTheCatalogueNamesTheHostsItsCallerKnows(t *testing.T) {
	w := newWorld(t, Config{Issuer: "http://127.0.0.1:9090"})
	pat := w.pat("alice", "acme")
	sat := "x-jwt: Bearer " + w.serviceToken(pat)
	for host, want := range map[string]string{
		"catalog.svc.stage.osaas.io": "https://api-" + service + ".auto.stage.osaas.io/instances",
		"127.0.0.1:9090":             "http://127.0.0.1:9090/instance-api/" + service + "/instances",
	} {
		path := "/mysubscriptions"
		if strings.HasPrefix(host, "127") {
			path = "/catalog" + path
		}
		if list := w.wantStatus(w.call("GET", path, "", "Host: "+host, pat), 200).body; !strings.Contains(list, `"apiUrl":"`+want+`"`) {
			t.Errorf("at %s: %s", host, list)
		}
	}
	m := w.wantStatus(w.call("POST", "/instances", `{"name":"one"}`, jsonType, sat, "Host: api-"+service+".auto.stage.osaas.io"), 201).json(t)
	if want := "https://acme-one." + service + ".auto.stage.osaas.io"; m["url"] != want {
		t.Errorf("it is at %v, want %s", m["url"], want)
	}
}

func TestASubscriptionCanBeRemovedByName(t *testing.T) {
	w := newWorld(t, Config{})
	pat := w.pat("alice", "acme")
	w.serviceToken(pat)
	w.wantStatus(w.call("DELETE", "/catalog/mysubscriptions/"+service, "", pat), 204)
	if list := w.wantStatus(w.call("GET", "/catalog/mysubscriptions", "", pat), 200).body; list != "[]" {
		t.Errorf("listed %s", list)
	}
	w.wantStatus(w.call("DELETE", "/catalog/mysubscriptions/"+service, ""), 401)
}

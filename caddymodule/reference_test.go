package caddymodule

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// reference is the page that has to name everything there is.
func reference(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("../docs/caddyfile.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// jsonNames are the fields a configuration can set, embedded ones among them.
func jsonNames(of reflect.Type) (names []string) {
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			names = append(names, jsonNames(field.Type)...)
		case name != "" && name != "-":
			names = append(names, name)
		}
	}
	return names
}

func TestTheReferenceNamesEverythingThereIs(t *testing.T) {
	page := reference(t)
	named := func(what, name string) {
		t.Helper()
		for _, before := range []string{"`", "`\"", "{\"", ", \""} { // as code, or in a piece of JSON
			for _, after := range []string{"`", " ", "\""} {
				if strings.Contains(page, before+name+after) {
					return
				}
			}
		}
		t.Errorf("docs/caddyfile.md does not name the %s %s", what, name)
	}
	for word := range strings.FieldsSeq(authWords) {
		named("word", word)
	}
	for _, holder := range []any{App{}, Handler{}, Policy{}, TokenHeader{}, Transport{}, MemoryStore{}, FileStore{}, RedisStore{}} {
		for _, name := range jsonNames(reflect.TypeOf(holder)) {
			named("JSON field", name)
		}
	}
	for _, module := range caddy.Modules() {
		ofTests := strings.HasSuffix(module, ".osc_test")
		ofCommands := strings.HasSuffix(module, ".osc_explain")
		if strings.Contains(module, "osc") && !ofTests && !ofCommands {
			named("module", module)
		}
	}
	for _, placeholder := range []string{placeholderUser, placeholderTenant, placeholderReason} {
		named("placeholder", "{"+placeholder+"}")
	}
	for _, event := range []string{eventSignedIn, eventSignedOut, eventSessionLost} {
		named("event", event)
	}
	for _, route := range (AdminAPI{}).Routes() {
		if !strings.Contains(page, route.Pattern) {
			t.Errorf("docs/caddyfile.md does not name %s of the admin API", route.Pattern)
		}
	}
}

func TestTheReferenceNamesEveryMetric(t *testing.T) {
	page, count := reference(t), 0
	for _, collector := range allCollectors() {
		descriptions := make(chan *prometheus.Desc, 1)
		collector.Describe(descriptions)
		_, rest, _ := strings.Cut((<-descriptions).String(), `fqName: "`)
		name, _, found := strings.Cut(rest, `"`)
		if count++; !found || !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/caddyfile.md does not name the metric %q", name)
		}
	}
	if least := reflect.TypeOf(collectors).NumField() + len(figures); count <= least { // and the version
		t.Errorf("%d metrics were looked for, of more than %d", count, least)
	}
}

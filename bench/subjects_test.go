package main

import (
	"strings"
	"testing"
)

func TestSubjectsCanBeChosenAndPlainIsAlwaysAmongThem(t *testing.T) {
	all := []*subject{{name: plainName}, {name: constantName}, {name: gatewayName}, {name: "gateway file"}}
	for names, want := range map[string]string{
		"":                       "plain constant gateway gateway file",
		"gateway file":           "plain gateway file",
		"gateway,constant":       "plain gateway constant",
		"plain,gateway,gateway":  "plain gateway",
		"gateway,no such,plain":  "",
		"gateway file, constant": "",
	} {
		kept, err := chosen(all, names)
		var got []string
		for _, s := range kept {
			got = append(got, s.name)
		}
		if strings.Join(got, " ") != want || (err != nil) != (want == "") {
			t.Errorf("-subjects %q: %q, %v; want %q", names, got, err, want)
		}
	}
	if pairs := compare([]*subject{all[0], all[2]}); len(pairs) != 1 {
		t.Errorf("%d comparisons of the gateway and plain alone", len(pairs))
	}
}

package main

import (
	"strings"
	"testing"
)

func TestLatencyGoalsAreJudgedByTheMedian(t *testing.T) {
	subjects := []*subject{{name: plainName}, {name: constantName}, {name: gatewayName, goals: []goal{{reference: plainName, most: 1.2}}}}
	own, ratios := map[*subject][]tails{}, map[comparison][]tails{}
	for _, s := range subjects {
		own[s] = []tails{{300, 900}, {320, 1000}, {9999, 9999}}
	}
	for _, pair := range besidePlain(subjects) {
		ratios[pair] = []tails{{1.0, 1.0}, {1.1, 1.51}, {9.9, 9.9}}
	}
	var text strings.Builder
	printLatency(&text, subjects, own, ratios)
	const verdicts = "p50 ≤ 1.10: met, p99 ≤ 1.50: NOT met"
	if got := text.String(); strings.Count(got, verdicts) != 1 || !strings.Contains(got, "1.10 [1.05–5.50]") {
		t.Error(got)
	}
	for line := range strings.Lines(text.String()) {
		if strings.Contains(line, verdicts) != strings.HasPrefix(line, gatewayName) {
			t.Errorf("a goal for the wrong one: %s", line)
		}
	}
}

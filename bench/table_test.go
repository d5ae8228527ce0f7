package main

import (
	"strings"
	"testing"
	"time"
)

func exampleResults() ([]*subject, results) {
	subjects := []*subject{{name: plainName}, {name: constantName}, {name: gatewayName}}
	subjects[2].goals = []goal{{reference: constantName, most: 1.15, next: 1.12}}
	res := results{windows: map[*subject][]window{}, ratios: map[comparison][]float64{}}
	for i, s := range subjects {
		w := window{requests: 1000, cpu: time.Duration(100+10*i) * time.Millisecond, elapsed: 200 * time.Millisecond}
		res.windows[s] = []window{w, w}
	}
	for _, pair := range compare(subjects) {
		res.ratios[pair] = []float64{1.1, 1.12, 1.14}
	}
	return subjects, res
}

func TestTableShowsCostsAndRatios(t *testing.T) {
	subjects, res := exampleResults()
	var text strings.Builder
	printCost(&text, subjects, res)
	for _, want := range []string{"gateway", "120.0 [120.0–120.0]", "1.120 [1.110–1.130]", "5000", "60", "waited for the generator"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, text.String())
		}
	}
}

func TestGoalIsJudgedByTheMedian(t *testing.T) {
	subjects, res := exampleResults()
	headline := comparison{subjects[2], subjects[1]}
	for verdict, ratios := range map[string][]float64{
		"≤ 1.15: met, then ≤ 1.12: met":         {1.0, 1.12, 9.9},
		"≤ 1.15: met, then ≤ 1.12: NOT met":     {1.0, 1.15, 9.9},
		"≤ 1.15: NOT met, then ≤ 1.12: NOT met": {1.0, 1.16, 1.2},
	} {
		res.ratios[headline] = ratios
		var text strings.Builder
		printGoals(&text, subjects, res)
		if !strings.Contains(text.String(), verdict) {
			t.Errorf("%v: %s", ratios, text.String())
		}
	}
}

func TestTheTableSaysHowOftenRedisWasAsked(t *testing.T) {
	subjects, res := exampleResults()
	subjects[2].redis = &redis{}
	for i := range res.windows[subjects[2]] {
		res.windows[subjects[2]][i].asked = 1500
	}
	var text strings.Builder
	printGoals(&text, subjects, res)
	if !strings.Contains(text.String(), "gateway: Redis had 1.50 commands") {
		t.Error(text.String())
	}
}

func TestOutputKeepsItsLastLines(t *testing.T) {
	var o output
	for range 100 {
		if _, err := o.Write([]byte("line\n")); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(o.tail(), "line"); got != 12 {
		t.Errorf("%d lines, want 12", got)
	}
}

func TestOptions(t *testing.T) {
	t.Setenv(fullVariable, "")
	o, err := parseOptions(nil)
	if err != nil || o.rounds != 20 || o.latency != 0 {
		t.Errorf("without anything: %+v, %v", o, err)
	}
	t.Setenv(fullVariable, "full")
	if o, err = parseOptions([]string{"-rounds", "7"}); err != nil || o.rounds != 7 || o.latency == 0 {
		t.Errorf("full with 7 rounds: %+v, %v", o, err)
	}
	for _, args := range [][]string{{"-rounds", "0"}, {"-window", "0s"}, {"stray"}, {"-latency", "-1"}} {
		if _, err := parseOptions(args); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

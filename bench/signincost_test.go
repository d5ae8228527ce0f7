package main

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestASignInIsComparedWithRequestsOfItsTime(t *testing.T) {
	var c signInCosts
	c.add(signInsEach*600*time.Microsecond, 100, 140)
	if !slices.Equal(c.micros, []float64{600}) || !slices.Equal(c.requests, []float64{5}) {
		t.Errorf("costs = %+v", c)
	}
}

func TestTheSignInGoalIsJudgedByTheMedian(t *testing.T) {
	for want, micros := range map[string][]float64{
		"goal ≤ 900: met":     {100, 900, 5000},
		"goal ≤ 900: NOT met": {100, 901, 902},
	} {
		var text strings.Builder
		signInCosts{micros, micros}.print(&text)
		if !strings.Contains(text.String(), want) {
			t.Errorf("%v: %s", micros, text.String())
		}
	}
}

func TestASignInWhoseTokenDidNotArriveIsNoticed(t *testing.T) {
	p, err := newProvider(900)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	up, err := newUpstream()
	if err != nil {
		t.Fatal(err)
	}
	defer up.close()
	r := &rig{provider: p, upstream: up}
	token := "Bearer " + p.osc.IssuePAT(userName(0), userName(0))
	for _, path := range []string{"/a", "/b"} {
		if _, err := get(t.Context(), http.DefaultClient, "http://"+up.address+path, token); err != nil {
			t.Fatal(err)
		}
		token = "Bearer none"
	}
	if err := r.checkSignIns(t.Context(), userName(0), []string{"/a", "/a"}); err != nil {
		t.Errorf("a good one: %v", err)
	}
	if err := r.checkSignIns(t.Context(), userName(0), []string{"/a", "/b"}); !errors.Is(err, errNotTheirs) {
		t.Errorf("a wrong token: %v", err)
	}
	if r.checkSignIns(t.Context(), userName(0), []string{"/a"}) == nil {
		t.Error("a request too many was not noticed")
	}
}

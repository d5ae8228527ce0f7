package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestTabsThatSignInAtOnceAllEndWhereTheyWereGoing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	v := w.visitor()
	var tabs []answer
	for i := range 4 {
		tabs = append(tabs, v.open(fmt.Sprintf("/tab/%d", i)))
	}
	// The last one first: none waits for another.
	for i, tab := range slices.Backward(tabs) {
		if page := v.finish(tab); page.Status != http.StatusOK || page.URL.Path != fmt.Sprintf("/tab/%d", i) {
			t.Errorf("tab %d: %v", i, page)
		}
	}
	for i := range tabs {
		if got := v.open(fmt.Sprintf("/tab/%d", i)); got.Status != http.StatusOK {
			t.Errorf("tab %d, afterwards: %v", i, got)
		}
	}
	checkCookies(t, v)
}

func TestManyForgottenTabsDoNotFillTheCookieJar(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	v := w.visitor()
	var last answer
	for i := range 40 {
		last = v.open(fmt.Sprintf("/tab/%d?%s", i, strings.Repeat("x", 1500)))
		if last.Status != http.StatusFound {
			t.Fatalf("tab %d: %v", i, last)
		}
	}
	if n := len(v.cookies()); n > 5 {
		t.Errorf("%d cookies", n)
	}
	if page := v.finish(last); page.Status != http.StatusOK {
		t.Errorf("the last one: %v", page)
	}
}

func TestTwoHundredFirstVisitorsRegisterOneClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	var all sync.WaitGroup
	answers := make([]answer, 200)
	for i := range answers {
		v := w.visitor()
		all.Go(func() {
			var err error
			if answers[i], err = v.try(http.MethodGet, "/", navigation, ""); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	clients := map[string]int{}
	for _, got := range answers {
		if got.Status != http.StatusFound {
			t.Fatal(got)
		}
		clients[got.location(t).Query().Get("client_id")]++
	}
	if n := w.osc.Counters().Registrations; n != 1 || len(clients) != 1 {
		t.Errorf("%d registrations, clients %v", n, clients)
	}
	v := w.visitor()
	if page := v.signIn("/"); page.Status != http.StatusOK || w.osc.Counters().Registrations != 1 {
		t.Errorf("one more: %v, %d registrations", page, w.osc.Counters().Registrations)
	}
}

package cookies_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
)

func TestRoundsAreCountedAndForgotten(t *testing.T) {
	jar := newJar(t, cookies.Config{Name: "osc_session", FlowAge: 15 * time.Minute, Lifetime: time.Hour}, newKey(t))
	site := cookies.Site{Origin: "https://app.example.com", Secure: true}
	all := cookies.Rounds{Finished: 3, Asked: 2, OtherHost: true, Last: time.UnixMilli(1_700_000_000_123)}
	header := http.Header{}
	if err := jar.SetRounds(header, site, all); err != nil {
		t.Fatal(err)
	}
	line := header.Get("Set-Cookie")
	if !strings.HasPrefix(line, "__Host-osc_session_rounds=") || !strings.Contains(line, "Max-Age=60") {
		t.Fatalf("Set-Cookie = %q", line)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if jar.Rounds(r, site) != (cookies.Rounds{}) {
		t.Error("rounds without a cookie")
	}
	pair, _, _ := strings.Cut(line, ";")
	r.Header.Set("Cookie", pair)
	if got := jar.Rounds(r, site); got != all {
		t.Errorf("Rounds = %+v, want %+v", got, all)
	}
	if got := jar.Rounds(r, cookies.Site{Origin: "https://other.example.com", Secure: true}); got != (cookies.Rounds{}) {
		t.Errorf("another site's rounds count: %+v", got)
	}
	if !(cookies.Config{Name: "osc_session"}).Owns("__Host-osc_session_rounds") {
		t.Error("the cookie is not the gateway's")
	}
	header = http.Header{}
	if err := jar.SetRounds(header, site, cookies.Rounds{OtherScheme: true}); err != nil || !strings.Contains(header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("forgetting gives %q (%v)", header.Get("Set-Cookie"), err)
	}
}

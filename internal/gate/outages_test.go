package gate_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

var reloads = regexp.MustCompile(`<meta http-equiv="refresh" content="(\d+)">`)

// reloadsAfter is when a page loads itself again.
func reloadsAfter(t *testing.T, a answer) time.Duration {
	t.Helper()
	found := reloads.FindStringSubmatch(a.Body.String())
	if found == nil {
		t.Fatalf("the page does not load itself again: %d\n%s", a.Code, a.Body)
	}
	seconds, err := strconv.Atoi(found[1])
	if err != nil || a.Header().Get("Retry-After") != found[1] {
		t.Fatalf("Retry-After %q, the page says %s", a.Header().Get("Retry-After"), found[1])
	}
	return time.Duration(seconds) * time.Second
}

// away makes the store one that does not answer.
func (r *rig) away() { r.vault.fails("Fresh", &tokens.Unavailable{Part: tokens.PartStore}) }

func TestAPageLeftOpenAsksLessAndLessOften(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	r.away()
	var waits []time.Duration
	for begun := r.clock.Now(); r.clock.Now().Sub(begun) < time.Hour; {
		wait := reloadsAfter(t, b.navigate("/app"))
		waits = append(waits, wait)
		r.clock.Advance(wait)
	}
	if waits[0] != 5*time.Second || waits[len(waits)-1] != time.Minute {
		t.Errorf("it asks after %v first and %v at last", waits[0], waits[len(waits)-1])
	}
	for i := range waits[1:] {
		if waits[i+1] < waits[i] {
			t.Errorf("after %v it asks more often: %v", waits[i], waits[i+1])
		}
	}
	if len(waits) > 80 {
		t.Errorf("%d requests in an hour", len(waits))
	}
}

func TestTheNextOutageIsOneOfItsOwn(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("ada", "acme")
	r.away()
	reloadsAfter(t, b.navigate("/app"))
	for range 20 {
		r.clock.Advance(10 * time.Second)
		reloadsAfter(t, b.navigate("/app"))
	}
	if a := b.do("GET", "/app", scripted); a.Header().Get("Retry-After") != "5" {
		t.Errorf("a program is told %s", a.Header().Get("Retry-After"))
	}
	r.clock.Advance(10 * time.Minute)
	if got := reloadsAfter(t, b.navigate("/app")); got != 5*time.Second {
		t.Errorf("after all has been well: %v", got)
	}
}

func TestAnAppThatIsAwayIsWaitedForByPeopleAndToldToPrograms(t *testing.T) {
	r := newRig(t)
	a := answer{ResponseRecorder: httptest.NewRecorder()}
	if err := r.gate.AppAway(a, request(t, "GET", "/app", navigation), http.ErrServerClosed); err != nil {
		t.Fatal(err)
	}
	if got := reloadsAfter(t, a); a.Code != http.StatusServiceUnavailable || got != 2*time.Second {
		t.Errorf("%d, again after %v", a.Code, got)
	}
	if strings.Contains(a.Body.String(), "signin") || r.observer.last() != pages.AppUnavailable || !strings.Contains(r.log.String(), http.ErrServerClosed.Error()) {
		t.Errorf("%s\n%s", a.Body, r.log)
	}
	for _, program := range []*http.Request{request(t, "POST", "/app", scripted), request(t, "GET", "/api/rooms", navigation)} {
		a = answer{ResponseRecorder: httptest.NewRecorder()}
		if err := r.gate.AppAway(a, program, http.ErrServerClosed); err != nil {
			t.Fatal(err)
		}
		if a.reason() != string(pages.AppUnavailable) || a.Header().Get("Retry-After") != "2" || strings.Contains(a.Body.String(), "signin_url") ||
			strings.Contains(a.Body.String(), http.ErrServerClosed.Error()) {
			t.Errorf("%s: %v\n%s", program.URL, a.Header(), a.Body)
		}
	}
}

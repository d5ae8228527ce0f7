package gate_test

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/gate"
)

func TestOneClientsStartsAreLimitedAndNobodyElses(t *testing.T) {
	limit, now := gate.NewStartLimit(30), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	one, other := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8")
	for range 30 {
		if wait := limit.Take(one, now); wait != 0 {
			t.Fatalf("the first thirty: %v", wait)
		}
	}
	if wait := limit.Take(one, now); wait != 2*time.Second {
		t.Errorf("the next has to wait for %v, not for 2s", wait)
	}
	if wait := limit.Take(netip.MustParseAddr("::ffff:203.0.113.7"), now); wait == 0 {
		t.Error("the same address written as IPv6 is another client")
	}
	if limit.Take(other, now) != 0 || limit.Take(netip.Addr{}, now) != 0 {
		t.Error("somebody else has to wait as well")
	}
	// Trying meanwhile makes the wait no longer.
	for range 100 {
		limit.Take(one, now.Add(time.Second))
	}
	if wait := limit.Take(one, now.Add(2*time.Second)); wait != 0 {
		t.Errorf("after the wait: %v", wait)
	}
	if wait := limit.Take(one, now.Add(2*time.Second)); wait == 0 {
		t.Error("after the wait there is more than one")
	}
	if wait := limit.Take(one, now.Add(-time.Hour)); wait != 0 {
		t.Errorf("after the clock was set back: %v", wait)
	}
}

func TestAClientOfIPv6IsANetwork(t *testing.T) {
	limit, now := gate.NewStartLimit(1), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for address, waits := range map[string]bool{"2001:db8:1:2::1": false, "2001:db8:1:3::1": false} {
		if got := limit.Take(netip.MustParseAddr(address), now) > 0; got != waits {
			t.Errorf("%s waits: %v", address, got)
		}
	}
	if limit.Take(netip.MustParseAddr("2001:db8:1:2:ffff::9%eth0"), now) == 0 {
		t.Error("another address of the same /64 is another client")
	}
}

func TestForgettingClientsLimitsNobodyMore(t *testing.T) {
	limit, now := gate.NewStartLimit(1), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	address := netip.MustParseAddr("198.18.0.0")
	for range 100_000 {
		if wait := limit.Take(address, now); wait != 0 {
			t.Fatalf("%v waits for %v", address, wait)
		}
		address = address.Next()
	}
}

func TestWhoStartsTooManySignInsWaitsOnAPageThatGoesOn(t *testing.T) {
	from := netip.MustParseAddr("203.0.113.7")
	r := newRig(t, func(_ *rig, cfg *gate.Config) {
		cfg.Starts, cfg.Client = gate.NewStartLimit(2), func(*http.Request) netip.Addr { return from }
	})
	ada := r.signedIn("ada", "acme")
	nobody := r.browser()
	for range 2 {
		if a := nobody.navigate("/app"); a.Code != http.StatusFound {
			t.Fatalf("%d", a.Code)
		}
	}
	for _, path := range []string{"/app", "/auth/signin"} {
		a := nobody.navigate(path)
		if a.Code != http.StatusTooManyRequests || a.Header().Get("Retry-After") != "30" || a.passed {
			t.Errorf("%s: %d, Retry-After %q", path, a.Code, a.Header().Get("Retry-After"))
		}
		if got := nobody.flows(); got != 2 {
			t.Errorf("%d sign-ins are under way", got)
		}
	}
	if a := ada.navigate("/app"); !a.passed {
		t.Errorf("somebody signed in gets %d", a.Code)
	}
	if a := nobody.do("GET", "/api/x", scripted); a.Code != http.StatusUnauthorized {
		t.Errorf("a program, which starts nothing, gets %d", a.Code)
	}
	if a := nobody.navigate("/assets/x"); !a.passed {
		t.Errorf("a public page: %d", a.Code)
	}
	from = netip.MustParseAddr("203.0.113.8")
	if a := r.browser().navigate("/app"); a.Code != http.StatusFound {
		t.Errorf("another client gets %d", a.Code)
	}
	from = netip.MustParseAddr("203.0.113.7")
	r.clock.Advance(30 * time.Second)
	if a := nobody.navigate("/app"); a.Code != http.StatusFound {
		t.Errorf("after the wait: %d", a.Code)
	}
}

// How long a page waits in an outage is for all to share; this wait is a client's own.
func TestOneClientsWaitIsNotMadeLongerByAnothers(t *testing.T) {
	var from netip.Addr
	r := newRig(t, func(_ *rig, cfg *gate.Config) {
		cfg.Starts, cfg.Client = gate.NewStartLimit(60), func(*http.Request) netip.Addr { return from }
	})
	starts := func(client string) answer {
		t.Helper()
		from = netip.MustParseAddr(client)
		return r.browser().navigate("/app")
	}
	for range 300 { // one who begins two a second, all the time
		r.clock.Advance(time.Second)
		starts("203.0.113.7")
		starts("203.0.113.7")
	}
	for range 60 {
		if a := starts("203.0.113.8"); a.Code != http.StatusFound {
			t.Fatalf("%d", a.Code)
		}
	}
	if wait := reloadsAfter(t, starts("203.0.113.8")); wait != time.Second {
		t.Errorf("the other has to wait for %v", wait)
	}
}

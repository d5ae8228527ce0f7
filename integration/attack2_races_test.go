package integration

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// attack2Holds stop refreshes of some users at a stage each.
type attack2Holds struct {
	mu    sync.Mutex
	stops map[string]*attack2Stop
}

// attack2Stop stops the first refresh that comes to its stage.
type attack2Stop struct {
	at      stage
	taken   atomic.Bool
	reached chan struct{}
	leave   chan struct{}
}

// stop has the next refresh of a user wait at a stage.
func (h *attack2Holds) stop(user string, at stage) *attack2Stop {
	s := &attack2Stop{at: at, reached: make(chan struct{}), leave: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stops == nil {
		h.stops = map[string]*attack2Stop{}
	}
	h.stops[user] = s
	return s
}

func (h *attack2Holds) hold(at stage, user string) {
	h.mu.Lock()
	s := h.stops[user]
	h.mu.Unlock()
	if s == nil || s.at != at || !s.taken.CompareAndSwap(false, true) {
		return
	}
	close(s.reached)
	<-s.leave
}

// of are the refreshes of a user.
func (p *provider) of(user string) (found []refreshCall) {
	for _, call := range p.refreshes() {
		if call.user == user {
			found = append(found, call)
		}
	}
	return found
}

func attack2Races(t *testing.T) {
	attack2AtOnce(t, map[string]func(*testing.T){
		"RF-005 a store that takes nothing":  storeTakesNothing,
		"RF-008 a gateway that died with it": gatewayDiesRefreshing,
		"one gateway":                        racesOfOneGateway,
	})
}

func racesOfOneGateway(t *testing.T) {
	c, holds := newChaos(t, chaosSpec{}), &attack2Holds{}
	t.Run("RF-010 reset after the headers", func(t *testing.T) { resetMidAnswer(t, c, "strict", simulator.RotationStrictFamily, false) })
	t.Run("RF-010 reset after the headers, with a grace", func(t *testing.T) { resetMidAnswer(t, c, "graceful", simulator.RotationGrace, true) })
	c.provider.holdAt(holds.hold)
	c.lifetime(4 * time.Second)
	attack2AtOnce(t, map[string]func(*testing.T){
		"RF-004 signed out meanwhile": func(t *testing.T) { signedOutMeanwhile(t, c, holds) },
		"RF-007 a refresh that hangs": func(t *testing.T) { hangsForOne(t, c, holds) },
	})
}

// mustSignIn signs in for a test of part of a world.
func (g *guest) mustSignIn(t *testing.T) *guest {
	t.Helper()
	if err := g.signIn(0); err != nil {
		t.Fatal(err)
	}
	return g
}

func resetMidAnswer(t *testing.T, c *chaos, user, rotation string, kept bool) {
	c.lifetime(3 * time.Second)
	c.provider.SetKnobs(func(k *simulator.Knobs) { k.Token.Rotation = rotation })
	g := c.guest(user).mustSignIn(t)
	c.lifetime(time.Hour)
	c.provider.faults(simulator.Fault{Kind: simulator.FaultCloseMidBody, Scope: simulator.ScopeRefresh, Count: 1})
	eventually(t, "it was asked for once more, and that had an end", func() bool {
		got, err := g.fetch(0)
		if err != nil || got.Status != http.StatusOK && reasonOf(got) != "refresh_rejected" && reasonOf(got) != "provider_unavailable" {
			t.Fatalf("%v %v", got, err)
		}
		return len(c.provider.of(g.user)) >= 2 && (got.Status == http.StatusOK) == kept
	})
	if n := len(c.provider.of(g.user)); n != 2 {
		t.Errorf("%d refreshes", n)
	}
}

func signedOutMeanwhile(t *testing.T, c *chaos, holds *attack2Holds) {
	g := c.guest("leaving")
	stop := holds.stop(g.user, committed)
	kept := g.mustSignIn(t).twin()
	<-stop.reached
	if got, err := g.signOut(0); err != nil || got.Status != http.StatusSeeOther {
		t.Errorf("%v %v", got, err)
	}
	close(stop.leave)
	eventually(t, "the refresh has ended", func() bool { return !c.provider.of(g.user)[0].lost })
	for range 20 {
		if got, err := kept.fetch(0); err != nil || got.Status != http.StatusUnauthorized || reasonOf(got) != "no_session" {
			t.Fatalf("%v %v", got, err)
		}
	}
	address := "unix/" + c.gateways[0].admin()
	if output, status := c.gateways[0].run("sessions", "list", "--address", address); status != 0 || strings.Contains(output, g.user) {
		t.Errorf("status %d: %s", status, output)
	}
	if n := len(c.provider.of(g.user)); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

func hangsForOne(t *testing.T, c *chaos, holds *attack2Holds) {
	stuck, other := c.guest("stuck"), c.guest("other")
	stop := holds.stop(stuck.user, arrived)
	stuck.mustSignIn(t)
	other.mustSignIn(t)
	<-stop.reached
	waiting := make(chan error, 1)
	go func() { waiting <- stuck.visit(0) }()
	crowd(t, "visiting beside it", 300, 10, func(int) error { return other.visit(0) })
	eventually(t, "the other is refreshed beside it", func() bool {
		if err := other.visit(0); err != nil {
			t.Fatal(err)
		}
		calls := c.provider.of(other.user)
		return len(calls) > 0 && calls[0].granted
	})
	close(stop.leave)
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	if err := stuck.visit(0); err != nil {
		t.Error(err)
	}
}

// storeTakesNothing has Redis refuse every write from the moment the provider
// has given a new pair.
func storeTakesNothing(t *testing.T) {
	redis := newRedis(t)
	c, holds := newChaos(t, chaosSpec{global: redis.store()}), &attack2Holds{}
	c.provider.holdAt(holds.hold)
	c.lifetime(4 * time.Second)
	c.guest("registers").mustSignIn(t)
	g := c.guest("alice")
	stop := holds.stop(g.user, committed)
	record := redis.added(t, func() { g.mustSignIn(t) })
	c.lifetime(time.Hour)
	session, before := g.session(), redis.bytes(t, "LINDEX", record, "0")
	<-stop.reached
	redis.must("+OK", "CONFIG", "SET", "maxmemory", "1")
	close(stop.leave)
	eventually(t, "the refresh has ended", func() bool { return !c.provider.of(g.user)[0].lost })
	for range 20 {
		if err := g.visit(0); err != nil {
			got, err := g.fetch(0)
			if err := unavailable(got, err, "store_unavailable"); err != nil {
				t.Error(err)
			}
		}
	}
	if now := redis.bytes(t, "LINDEX", record, "0"); now != before {
		t.Error("the store took it all the same: nothing was tried")
	}
	redis.must("+OK", "CONFIG", "SET", "maxmemory", "0")
	eventually(t, "the new pair is stored", func() bool {
		if err := g.visit(0); err != nil {
			got, err := g.fetch(0)
			if err := unavailable(got, err, "store_unavailable"); err != nil {
				t.Fatal(err)
			}
		}
		return redis.bytes(t, "LINDEX", record, "0") != before
	})
	c.kill(0) // what is in memory only is lost
	c.gateways[0].start()
	if err := g.visit(0); err != nil || g.session() != session {
		t.Error(errors.Join(err, fmt.Errorf("afterwards, the session is %q", g.session())))
	}
	if n := len(c.provider.of(g.user)); n != 1 || c.provider.Counters().ReuseDetected != 0 {
		t.Errorf("%d refreshes, %+v", n, c.provider.Counters())
	}
}

// gatewayDiesRefreshing kills a gateway that holds the lease on a session, and
// whose refresh the provider has not looked at.
func gatewayDiesRefreshing(t *testing.T) {
	redis := newRedis(t)
	c, holds := newChaos(t, chaosSpec{gateways: 2, global: redis.store()}), &attack2Holds{}
	c.provider.holdAt(holds.hold)
	c.lifetime(4 * time.Second)
	g, other := c.guest("alice"), c.guest("other")
	stop := holds.stop(g.user, arrived)
	t.Cleanup(func() { close(stop.leave) })
	g.mustSignIn(t) // the other gateway knows nothing of it
	<-stop.reached
	c.lifetime(time.Hour)
	c.kill(0)
	if err := other.signIn(1); err != nil {
		t.Error(err)
	}
	eventually(t, "the other gateway has taken over", func() bool {
		if err := other.visit(1); err != nil {
			t.Fatal(err)
		}
		got, err := g.fetch(1)
		if err == nil && got.Status == http.StatusOK && got.Body == g.user {
			return len(c.provider.of(g.user)) > 1 // its token is of the first sign-in until then
		}
		if err := unavailable(got, err, "provider_unavailable"); err != nil {
			t.Fatal(err)
		}
		return false
	})
	if n := len(c.provider.of(g.user)); n != 2 || c.provider.Counters().ReuseDetected != 0 {
		t.Errorf("%d refreshes, %+v", n, c.provider.Counters())
	}
}

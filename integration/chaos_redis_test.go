package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// withoutStore checks what visitors of a gateway see while the store is away,
// once the gateway has noticed, and that the cookie is not touched.
func withoutStore(t *testing.T, c *chaos, g *guest) {
	t.Helper()
	session := g.session()
	for i := range c.gateways {
		begun := time.Now()
		eventually(t, "the gateway has noticed", func() bool {
			got, err := g.fetch(i)
			if err == nil && got.Status == http.StatusOK && got.Body == g.user {
				return false
			}
			if err := unavailable(got, err, "store_unavailable"); err != nil {
				t.Fatal(err)
			}
			return true
		})
		// A copy may be served for a second after the server last answered.
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("gateway %d served for %v without its store", i, took)
		}
		page, err := g.open(i, "/studio")
		if err := unavailable(page, err, "store_unavailable"); err != nil || !strings.Contains(page.Body, `http-equiv="refresh"`) {
			t.Errorf("a page: %v %v", err, page)
		}
		if got, err := g.open(i, "/assets/logo.svg"); err != nil || got.Status != http.StatusOK || got.Body != "public" {
			t.Errorf("a public page: %v %v", got, err)
		}
		got, err := c.guest("nobody").open(i, "/auth/health")
		if err != nil || got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, "store") {
			t.Errorf("health: %v %v", got, err)
		}
	}
	if g.session() != session {
		t.Error("the cookie was touched")
	}
}

// works waits until sessions work again on every gateway, and allows for
// nothing but "not now" until then.
func works(t *testing.T, c *chaos, g *guest) {
	t.Helper()
	session, begun := g.session(), time.Now()
	for i := range c.gateways {
		eventually(t, "the session works again", func() bool {
			got, err := g.fetch(i)
			if err == nil && got.Status == http.StatusOK && got.Body == g.user {
				return true
			}
			if err := unavailable(got, err, "store_unavailable"); err != nil {
				t.Fatal(err)
			}
			return false
		})
		eventually(t, "the gateway is healthy", c.gateways[i].answers)
	}
	if g.session() != session || c.provider.Counters().CodeExchanges != 1 {
		t.Error("only after signing in again")
	}
	t.Logf("worked again after %v", time.Since(begun).Round(time.Millisecond))
}

func TestSessionsOutliveTheirRedis(t *testing.T) {
	t.Parallel()
	redis := newRedis(t, durable...)
	c := newChaos(t, chaosSpec{gateways: 2, global: redis.store()})
	g := c.guest("alice")
	c.signedIn([]*guest{g})
	warm := func() {
		t.Helper()
		crowd(t, "before", 40, 4, func(i int) error { return g.visit(i % 2) })
	}
	warm()
	t.Log("killed")
	redis.kill()
	withoutStore(t, c, g)
	redis.start()
	works(t, c, g)
	warm()
	t.Log("frozen")
	redis.freeze()
	withoutStore(t, c, g)
	redis.thaw()
	works(t, c, g)
	warm()
	t.Log("killed, and comes back empty")
	redis.kill()
	withoutStore(t, c, g)
	redis.empty()
	redis.start()
	for i := range c.gateways {
		eventually(t, "the gateway asks for a sign-in", func() bool {
			got, err := g.fetch(i)
			if err == nil && got.Status == http.StatusUnauthorized && reasonOf(got) == "no_session" {
				return true
			}
			if err := unavailable(got, err, "store_unavailable"); err != nil {
				t.Fatal(err)
			}
			return false
		})
	}
	if err := g.signIn(0); err != nil {
		t.Error(err)
	}
	warm()
}

func TestSessionsOutliveAFailover(t *testing.T) {
	t.Parallel()
	master, replica := newRedis(t), newRedis(t)
	host, port, _ := strings.Cut(master.address, ":")
	replica.must("+OK", "REPLICAOF", host, port)
	c := newChaos(t, chaosSpec{gateways: 2, global: sharedStore("redis://" + master.address + "," + replica.address)})
	g := c.guest("alice")
	c.signedIn([]*guest{g})
	crowd(t, "before", 40, 4, func(i int) error { return g.visit(i % 2) })
	eventually(t, "the replica has caught up", func() bool {
		n, err := master.command("WAIT", "1", "1000")
		state, err2 := replica.command("EXISTS", "osc-gw:nothing")
		keys, err3 := replica.command("DBSIZE")
		return err == nil && err2 == nil && err3 == nil && n != ":0" && state == ":0" && keys != ":0"
	})
	master.kill()
	withoutStore(t, c, g)
	replica.must("+OK", "REPLICAOF", "NO", "ONE")
	works(t, c, g)
}

// atOnce is how long the announcement of a change may be on its way between two
// processes that compete for the processor.
const atOnce = 100 * time.Millisecond

func TestASignOutHoldsOnEveryGatewayAtOnce(t *testing.T) {
	t.Parallel()
	rounds := shortOrLong(25, 500)
	redis := newRedis(t)
	c := newChaos(t, chaosSpec{gateways: 2, global: redis.store()})
	var latest time.Duration
	for round := range rounds {
		g := c.guest(fmt.Sprintf("guest-%d", round))
		c.signedIn([]*guest{g})
		crowd(t, "before", 20, 2, func(int) error { return g.visit(1) }) // a copy is warm there
		other := g.twin()
		if got, err := g.signOut(0); err != nil || got.Status != http.StatusSeeOther {
			t.Fatalf("%v %v", got, err)
		}
		for begun := time.Now(); ; {
			got, err := other.fetch(1)
			if err != nil {
				t.Fatal(err)
			}
			if got.Status == http.StatusUnauthorized {
				break
			}
			latest = max(latest, time.Since(begun))
			if latest > atOnce {
				t.Fatalf("signed out, and %v later: %v", latest, got)
			}
		}
	}
	t.Logf("%d sign-outs; the latest request that was still served came back %v after one", rounds, latest)
}

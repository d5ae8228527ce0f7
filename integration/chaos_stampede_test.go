package integration

import (
	"fmt"
	"net"
	"testing"
	"time"
)

func TestRequestsOnTwoGatewaysShareOneRefresh(t *testing.T) {
	t.Parallel()
	const requests = 200 // on each gateway
	redis := newRedis(t)
	c := newChaos(t, chaosSpec{gateways: 2, global: redis.store()})
	const life = 8 * time.Second
	c.lifetime(life)
	g := c.guest("alice")
	end := time.Now().Add(life)
	c.signedIn([]*guest{g})
	c.lifetime(time.Hour)
	c.slowly(3 * time.Second)
	c.asleep(end)
	took := crowd(t, "asking", 2*requests, 2*requests, func(i int) error { return g.visit(i % 2) })
	c.refreshedOnceEach(1)
	t.Logf("%d requests waited %v for one refresh", 2*requests, took.Round(time.Millisecond))
}

func TestAVisitorWhoLeavesAtAnyStepCostsNothing(t *testing.T) {
	t.Parallel()
	c := newChaos(t, chaosSpec{})
	const life = 8 * time.Second
	c.lifetime(life)
	all := c.guests(3)
	end := time.Now().Add(life)
	c.signedIn(all)
	c.lifetime(time.Hour)
	c.asleep(end)
	for s, g := range all {
		t.Run(fmt.Sprintf("stage %d", s), func(t *testing.T) {
			reached, left := make(chan struct{}), make(chan struct{})
			c.provider.holdAt(func(at stage, user string) {
				if at == stage(s) && user == g.user {
					close(reached)
					<-left
				}
			})
			conn, err := net.Dial("tcp", c.gateways[0].address)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write(g.request("/api/me")); err != nil {
				t.Fatal(err)
			}
			<-reached
			conn.Close()
			close(left)
			if err := g.visit(0); err != nil {
				t.Error(err)
			}
		})
	}
	c.refreshedOnceEach(len(all))
}

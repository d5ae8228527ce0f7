package integration

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestReloadsUnderLoadLoseNothing(t *testing.T) {
	t.Parallel()
	flows, reloads := shortOrLong(60, 1000), int64(shortOrLong(8, 50))
	c := newChaos(t, chaosSpec{crowd: longForm()})
	c.lifetime(6 * time.Second)
	residents := make([]*guest, 10)
	for i := range residents {
		residents[i] = c.guest(fmt.Sprintf("resident-%d", i))
	}
	c.signedIn(residents)
	c.calm()
	before := c.goroutines(0)
	arriving, callbacks := c.guests(flows), make([]string, flows)
	crowd(t, "beginning", flows, 16, func(i int) (err error) {
		callbacks[i], err = arriving[i].begin(0)
		return err
	})

	var reloaded atomic.Int64
	var around sync.WaitGroup
	done := make(chan struct{})
	c.reloading.Store(true)
	c.slowly(300 * time.Millisecond) // so that reloads come in the middle of refreshes
	around.Go(func() {
		crowd(t, "finishing", flows, 8, func(i int) error {
			for reloaded.Load()*int64(flows) < int64(i)*reloads { // a share of them after each reload
				await(time.Now().Add(5 * time.Millisecond))
			}
			if err := arriving[i].finish(0, callbacks[i]); err != nil {
				return err
			}
			return arriving[i].visit(0)
		})
	})
	served := c.traffic(&around, residents, done)
	for reloaded.Load() < reloads || c.provider.Counters().RefreshesOK < 2*len(residents) {
		c.configure(0, fmt.Sprintf("\t\tidle_timeout %dh\n", 1+reloaded.Load()%2))
		if err := c.reload(0); err != nil {
			t.Errorf("reload: %v", err)
		}
		reloaded.Add(1)
		await(time.Now().Add(50 * time.Millisecond))
	}
	c.configure(0, "\t\tidle_timeout 3h\n")
	g := c.gateways[0]
	if output, status := g.run("reload", "--config", g.config, "--adapter", "caddyfile", "--address", "unix/"+g.admin()); status != 0 {
		t.Errorf("reload: %s", output)
	}
	close(done)
	around.Wait()
	c.reloading.Store(false)
	c.provider.faults()
	c.lifetime(time.Hour)
	crowd(t, "afterwards", flows, 16, func(i int) error { return arriving[i].visit(0) })
	crowd(t, "afterwards", len(residents), 4, func(i int) error { return residents[i].visit(0) })
	counted := c.provider.Counters()
	if counted.ReuseDetected != 0 || counted.RefreshRejected != 0 || counted.MaxConcurrentRefreshesPerFamily > 1 ||
		counted.Registrations != 1 || counted.CodeExchanges != flows+len(residents) {
		t.Errorf("%+v", counted)
	}
	c.calm()
	after := 0
	eventually(t, "the goroutines of old configurations have ended", func() bool {
		after = c.goroutines(0)
		return after <= before+15
	})
	t.Logf("%d reloads with %d flows under way and %d requests beside them; %d refreshes, %d connections dropped; goroutines: %d before, %d after",
		reloaded.Load()+1, flows, served.Load(), counted.Refreshes, c.dropped.Load(), before, after)
}

// traffic is signed-in people at work, until done. It counts their requests.
func (c *chaos) traffic(around *sync.WaitGroup, people []*guest, done <-chan struct{}) *atomic.Int64 {
	served := new(atomic.Int64)
	for _, g := range people {
		around.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(10 * time.Millisecond):
				}
				served.Add(1)
				if err := g.visit(0); err != nil {
					c.t.Error(err)
					return
				}
			}
		})
	}
	return served
}

// calm ends the connections of all visitors.
func (c *chaos) calm() {
	for _, door := range c.doors {
		door.CloseIdleConnections()
	}
}

package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// TestAnythingAtAnyTime breaks everything at random, while people come, work
// and leave. OSC_GATEWAY_CHAOS_SEED repeats the order of what is done; what
// comes of it is up to the machine as well.
func TestAnythingAtAnyTime(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	if given, err := strconv.ParseUint(os.Getenv("OSC_GATEWAY_CHAOS_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("OSC_GATEWAY_CHAOS_SEED=%d", seed)
	redis := newRedis(t, durable...)
	c := newChaos(t, chaosSpec{gateways: 2, global: redis.store(), crowd: longForm()})
	c.lifetime(6 * time.Second)
	m := &model{c: c, outcomes: map[string]int{}}
	people := make([]*person, 12)
	var around sync.WaitGroup
	done := make(chan struct{})
	for i := range people {
		people[i] = &person{guest: c.guest(fmt.Sprintf("guest-%d", i)), m: m}
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		around.Go(func() { people[i].live(t, random, done) })
	}
	trouble := &trouble{t: t, c: c, m: m, redis: redis, random: rand.New(rand.NewPCG(seed, 1<<32)), done: map[string]int{}}
	for end := time.Now().Add(shortOrLong(20*time.Second, 10*time.Minute)); time.Now().Before(end) && !t.Failed(); {
		trouble.make()
	}
	close(done)
	around.Wait()
	c.provider.faults()
	for _, p := range people {
		for i := range c.gateways {
			eventually(t, "everybody has what is theirs", func() bool {
				if err := p.look(i); err != nil {
					t.Fatal(err)
				}
				return !p.signedIn || p.visit(i) == nil
			})
		}
	}
	counted := c.provider.Counters()
	if counted.ReuseDetected < m.refused || counted.MaxConcurrentRefreshesPerFamily > 1 {
		t.Errorf("%d sessions ended, reuse detected %d times, %d refreshes of one session at once", m.refused, counted.ReuseDetected, counted.MaxConcurrentRefreshesPerFamily)
	}
	t.Logf("%d requests: %v; done to them: %v; %d refreshes, %d sessions refused by the provider", m.requests, m.outcomes, trouble.done, counted.Refreshes, m.refused)
}

// live is a person's day.
func (p *person) live(t *testing.T, random *rand.Rand, done <-chan struct{}) {
	for !t.Failed() {
		select {
		case <-done:
			return
		case <-time.After(time.Duration(random.Int64N(int64(60 * time.Millisecond)))):
		}
		door := random.IntN(len(p.c.doors))
		var err error
		switch dice := random.IntN(1000); {
		case !p.signedIn && !p.doubtful && dice < 300:
			p.come(door)
		case p.signedIn && dice < 3:
			err = p.leave(door)
		default:
			err = p.look(door)
		}
		if err != nil {
			t.Errorf("at gateway %d: %v", door, err)
		}
	}
}

// trouble is what happens to a world.
type trouble struct {
	t      *testing.T
	c      *chaos
	m      *model
	redis  *redisServer
	random *rand.Rand
	done   map[string]int
}

// make makes one trouble and waits until it is over.
func (x *trouble) make() {
	kinds := []string{"reload", "kill", "redis frozen", "redis killed", simulator.Fault503, simulator.FaultHTML, simulator.Fault429,
		simulator.FaultCloseBefore, simulator.FaultCloseAfterCommit, simulator.FaultDelay, "calm"}
	kind := kinds[x.random.IntN(len(kinds))]
	x.done[kind]++
	i := x.random.IntN(len(x.c.gateways))
	pause := time.Duration(200+x.random.IntN(2000)) * time.Millisecond
	switch kind {
	case "reload":
		if err := x.c.reload(i); err != nil {
			x.t.Errorf("reload: %v", err)
		}
	case "kill":
		x.m.killed()
		x.c.kill(i)
		x.m.killed()
		g := x.c.gateways[i]
		g.launch("run", "--config", g.config, "--adapter", "caddyfile")
		eventually(x.t, "the gateway answers again", g.answers)
	case "redis frozen":
		x.redis.freeze()
		await(time.Now().Add(pause))
		x.redis.thaw()
	case "redis killed":
		x.redis.kill()
		await(time.Now().Add(pause))
		x.redis.start()
	case "calm":
		await(time.Now().Add(pause))
	default:
		fault := simulator.Fault{Kind: kind, Count: 1 + x.random.IntN(5)}
		switch kind {
		case simulator.FaultDelay:
			fault.DelayMS, fault.Count = int(pause/time.Millisecond), 0
		case simulator.Fault429:
			fault.RetryAfterSeconds = 1
		}
		x.c.provider.faults(fault)
		await(time.Now().Add(pause))
		x.c.provider.faults()
	}
}

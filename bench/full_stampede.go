package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/stores"
)

const (
	stormRequests = 20 // of each session
	stormAtOnce   = 1000
	stormDelay    = 50 * time.Millisecond // of the provider
	stormMost     = 2 * time.Second       // for 300 sessions
)

// stampede asks what happens when the tokens of all sessions have ended and
// twenty requests of each come at once, to a gateway that was just started.
func stampede(ctx context.Context, l *lab) error {
	g := l.grants()
	defer g.slowly(0)
	defer g.lifetime(lifetime * time.Second)
	if err := g.stormOnFile(ctx); err != nil {
		return err
	}
	l.close()
	return g.stormOnRedis(ctx)
}

// overdue is the age of a session whose token has ended.
func overdue(int) time.Duration { return time.Hour + time.Minute }

func (g *grants) stormOnFile(ctx context.Context) error {
	g.lifetime(time.Hour)
	p, had, err := g.agedFile(ctx, g.l.o.storm, overdue)
	if err != nil {
		return err
	}
	return g.storm(ctx, p, had, "file", "file "+p.path)
}

func (g *grants) stormOnRedis(ctx context.Context) error {
	server, err := g.l.redis(ctx)
	if err != nil {
		return err
	}
	defer server.stop()
	url := server.url()
	store, err := stores.OpenRedis(url, stores.RedisConfig{})
	if err != nil {
		return err
	}
	defer store.Close()
	address, err := freeAddress()
	if err != nil {
		return err
	}
	g.lifetime(time.Hour)
	p := g.l.newPopulation(address)
	had, err := g.aged(ctx, p, store, g.l.o.storm, overdue)
	if err != nil {
		return err
	}
	return g.storm(ctx, p, had, "redis", "redis "+url)
}

func (g *grants) storm(ctx context.Context, p *population, had map[string]bool, what, store string) error {
	app, err := newTokenApp(had)
	if err != nil {
		return err
	}
	defer app.close()
	h, err := g.l.gatewayBefore("storm on "+what, p.address, store, app.address)
	if err != nil {
		return err
	}
	if _, err := h.start(ctx); err != nil {
		return err
	}
	sessions := len(p.tickets)
	sent := make([]string, sessions)
	for i := range sent {
		if sent[i], err = p.cookie(i); err != nil {
			return err
		}
	}
	g.slowly(stormDelay)
	cpu, err := g.l.cpuOf(h)
	if err != nil {
		return err
	}
	before, begun := g.l.provider.osc.Counters(), time.Now()
	times, err := flood(ctx, h.address, sessions*stormRequests, stormAtOnce, 200, func(i int) ([]byte, error) {
		return request(h.address, "/storm", sent[i/stormRequests], asScript), nil
	})
	took := time.Since(begun)
	if err != nil {
		return h.failed(err)
	}
	after := g.l.provider.osc.Counters()
	name := fmt.Sprintf("stampede on %s, %d sessions x %d: ", what, sessions, stormRequests)
	atMost(name+"took", took.Seconds(), stormMost.Seconds()*float64(max(sessions, 300))/300, "%.2f s")
	spent, err := g.l.cpuOf(h)
	if err != nil {
		return err
	}
	tell("  CPU of the gateway / of all else", "%.2f / %.2f s", (spent.subject - cpu.subject).Seconds(), (spent.rest - cpu.rest).Seconds())
	atMost(name+"p99", tailsOf(times).p99/1e3, 500, "%.0f ms")
	exactly(name+"token calls", after.Refreshes-before.Refreshes, sessions)
	exactly(name+"stale or missing tokens", int(app.stale.Load()+app.missing.Load()), 0)
	atMost(name+"calls at once", float64(after.MaxConcurrentRefreshes), 64, "%.0f")
	return nil
}

// shares is CPU time of a gateway, and of this process with its visitors, app
// and provider: whichever comes near the time that passed is what was waited for.
type shares struct{ subject, rest time.Duration }

func (l *lab) cpuOf(h *house) (s shares, err error) {
	if s.subject, err = h.meter.total(); err != nil {
		return s, err
	}
	s.rest, err = newMeter(os.Getpid()).total()
	return s, err
}

package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// steadyEach is how often a session is refreshed, so that it is one of a
	// hundred each second.
	steadyEach = 100 * time.Second
	// steadyLife is how long tokens live that are refreshed that often: the
	// gateway does so between a half and two thirds of a short life, wherever in
	// between, which is seven twelfths on average.
	steadyLife = steadyEach * 12 / 7
)

// steadyRefreshing asks whether anybody waits while sessions are refreshed all
// the time, beside a gateway where none is.
func steadyRefreshing(ctx context.Context, l *lab) error {
	g := l.grants()
	defer g.slowly(0)
	defer g.lifetime(lifetime * time.Second)
	n := l.o.refreshing
	g.lifetime(lifetime * time.Second)
	still, _, err := g.agedFile(ctx, n, func(int) time.Duration { return 0 })
	if err != nil {
		return err
	}
	g.lifetime(steadyLife)
	moving, _, err := g.agedFile(ctx, n, func(i int) time.Duration { return steadyEach * time.Duration(i) / time.Duration(n) })
	if err != nil {
		return err
	}
	g.slowly(stormDelay)
	quiet, err := l.everybody(ctx, "quiet", still)
	if err != nil {
		return err
	}
	busy, err := l.everybody(ctx, "refreshing", moving)
	if err != nil {
		return err
	}
	before, begun := l.provider.osc.Counters().Refreshes, time.Now()
	ratios, err := l.tailRatios(ctx, quiet, busy)
	if err != nil {
		return err
	}
	refreshes := l.provider.osc.Counters().Refreshes - before
	tell(fmt.Sprintf("steady: of %d sessions refreshed per second", n), "%.2f %%", 100*float64(refreshes)/float64(n)/time.Since(begun).Seconds())
	ratioAtMost(fmt.Sprintf("steady: p99 at %d/s ÷ quiet", arrivals), ratios, 1.3)
	return nil
}

// everybody starts a gateway all of whose sessions are visitors, each of whom
// has come once.
func (l *lab) everybody(ctx context.Context, name string, p *population) (*house, error) {
	h, err := l.gatewayAt(name, p.address, "file "+p.path)
	if err != nil {
		return nil, err
	}
	if _, err := h.start(ctx); err != nil {
		return nil, err
	}
	for i := range p.tickets {
		cookie, err := p.cookie(i)
		if err != nil {
			return nil, err
		}
		h.crowd = append(h.crowd, newVisitor(h.address, "/steady", cookie))
	}
	if err := h.crowd.prepare(ctx, patience); err != nil {
		return nil, h.failed(err)
	}
	for _, v := range h.crowd {
		if err := v.get(); err != nil {
			return nil, h.failed(err)
		}
	}
	return h, nil
}

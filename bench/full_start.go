package main

import (
	"context"
	"fmt"
	"time"
)

// coldStarts asks how long it takes until a gateway listens, and answers a
// session it has not seen before.
func coldStarts(ctx context.Context, l *lab) error {
	full, err := l.file(ctx, l.o.sessions)
	if err != nil {
		return err
	}
	reference, err := l.plainHouse("plain start")
	if err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	empty, err := l.gatewayAt("empty start", address, "file")
	if err != nil {
		return err
	}
	many, err := l.gatewayAt("full start", full.address, "file "+full.path)
	if err != nil {
		return err
	}
	return l.compareStarts(ctx, full, reference, empty, many)
}

func (l *lab) compareStarts(ctx context.Context, p *population, reference, empty, many *house) error {
	started := func(h *house, then func() error) (float64, error) {
		took, err := h.start(ctx)
		if err == nil {
			err = then()
		}
		h.stop()
		return took.Seconds() * 1e3, err
	}
	nothing := func() error { return nil }
	var plains, empties, fulls, firsts []float64
	first := func() error {
		took, err := l.firstVisit(many, p, len(firsts))
		firsts = append(firsts, took.Seconds()*1e3)
		return err
	}
	var emptyRatios, fullRatios []float64
	for i := range l.o.windows + 1 {
		plainMS, err := started(reference, nothing)
		if err != nil {
			return err
		}
		emptyMS, err := started(empty, nothing)
		if err != nil {
			return err
		}
		fullMS, err := started(many, first)
		if err != nil {
			return err
		}
		if i == 0 { // the binary was read from disk, and the key made
			continue
		}
		plains, empties, fulls = append(plains, plainMS), append(empties, emptyMS), append(fulls, fullMS)
		emptyRatios, fullRatios = append(emptyRatios, emptyMS/plainMS), append(fullRatios, fullMS/plainMS)
	}
	tell("start: until it listens, plain / empty / full", "%.0f / %.0f / %.0f ms",
		summarize(plains).median, summarize(empties).median, summarize(fulls).median)
	ratioAtMost("start: empty ÷ plain", emptyRatios, 1.3)
	ratioAtMost(fmt.Sprintf("start: with %d sessions ÷ plain", len(p.tickets)), fullRatios, 1.5)
	atMost("start: first old session answered after listening", summarize(firsts).median, 50, "%.1f ms")
	return nil
}

// firstVisit is the first request of a gateway that has just started, of a
// session that is not near the last one's.
func (l *lab) firstVisit(h *house, p *population, turn int) (time.Duration, error) {
	cookie, err := p.cookie((turn*7919 + len(p.tickets)/2) % len(p.tickets))
	if err != nil {
		return 0, err
	}
	bytes := request(h.address, "/first", cookie, asScript)
	visitor := &asker{address: h.address}
	defer visitor.close()
	begun := time.Now()
	status, err := visitor.ask(bytes)
	if err == nil && status != 200 {
		err = fmt.Errorf("an old session was answered with %d", status)
	}
	return time.Since(begun), err
}

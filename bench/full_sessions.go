package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// fileSessions asks what a gateway with many sessions in its file takes, and
// what a request costs there, beside a gateway that has but its visitors'.
func fileSessions(ctx context.Context, l *lab) error {
	full, err := l.file(ctx, l.o.sessions)
	if err != nil {
		return err
	}
	empty, err := l.file(ctx, visitors)
	if err != nil {
		return err
	}
	info, err := os.Stat(full.path)
	if err != nil {
		return err
	}
	n := len(full.tickets)
	atMost("file: bytes per record on disk", float64(info.Size())/float64(n), 1600, "%.0f B")
	few, err := l.inhabited(ctx, "few", empty)
	if err != nil {
		return err
	}
	many, err := l.inhabited(ctx, "many", full)
	if err != nil {
		return err
	}
	if err := l.sideBySide(ctx, few, many); err != nil {
		return err
	}
	if err := grown("stored, 32 in use", few, many); err != nil {
		return err
	}
	return l.useMany(ctx, many, full)
}

// inhabited starts a gateway over a file of sessions, with visitors.
func (l *lab) inhabited(ctx context.Context, name string, p *population) (*house, error) {
	h, err := l.gatewayAt(name, p.address, "file "+p.path)
	if err != nil {
		return nil, err
	}
	if _, err := h.start(ctx); err != nil {
		return nil, err
	}
	return h, h.moveIn(p)
}

// sideBySide compares requests of one house with those of another.
func (l *lab) sideBySide(ctx context.Context, few, many *house) error {
	pair := comparison{many.subject, few.subject}
	plan := newSchedule([]comparison{pair})
	if err := warmUp(ctx, l.rig, []*subject{few.subject, many.subject}, 2*time.Second); err != nil {
		return err
	}
	res, err := measure(ctx, l.rig, plan, options{rounds: l.o.rounds, window: 500 * time.Millisecond})
	if err != nil {
		return err
	}
	ratioAtMost(fmt.Sprintf("file: CPU per request ÷ that of %d sessions", visitors), res.ratios[pair], 1.05)
	ratios, err := l.tailRatios(ctx, few, many)
	if err != nil {
		return err
	}
	ratioAtMost(fmt.Sprintf("file: p99 at %d/s ÷ that of %d sessions", arrivals, visitors), ratios, 1.3)
	return nil
}

// tailRatios are p99 of one house to another's just before and after.
func (l *lab) tailRatios(ctx context.Context, reference, h *house) ([]float64, error) {
	p99 := func(h *house) (float64, error) {
		times, err := h.crowd.openLoop(ctx, latencyWindow)
		if err != nil {
			return 0, h.failed(err)
		}
		return tailsOf(times).p99, nil
	}
	before, err := p99(reference)
	if err != nil {
		return nil, err
	}
	var ratios []float64
	for range l.o.windows {
		at, err := p99(h)
		if err != nil {
			return nil, err
		}
		after, err := p99(reference)
		if err != nil {
			return nil, err
		}
		ratios = append(ratios, pairRatio(before, at, after))
		before = after
	}
	return ratios, nil
}

// mostGrowth is what a gateway may grow by for a million sessions in a file.
const mostGrowth = 300

// grown says how much bigger one house is than another.
func grown(when string, few, many *house) error {
	before, err := few.resident()
	if err != nil {
		return err
	}
	after, err := many.resident()
	if err != nil {
		return err
	}
	growth := after.minus(before)
	atMost("file: RSS growth, sessions "+when, float64(growth.all)/mib, mostGrowth, "%.0f MiB")
	tell("  of this, its own memory / pages of the file", "%d / %d MiB", growth.own/mib, growth.mapped/mib)
	return nil
}

// useMany has many sessions come once each: what is used is known to the
// gateway from then on, which keeps it fresh.
func (l *lab) useMany(ctx context.Context, many *house, p *population) error {
	before, err := many.resident()
	if err != nil {
		return err
	}
	n := min(l.o.visited, len(p.tickets))
	_, err = flood(ctx, many.address, n, visitors, 200, func(i int) ([]byte, error) {
		cookie, err := p.cookie(i * len(p.tickets) / n)
		return request(many.address, "/used", cookie, asScript), err
	})
	if err != nil {
		return many.failed(err)
	}
	after, err := many.resident()
	if err != nil {
		return err
	}
	growth := after.minus(before)
	tell(fmt.Sprintf("file: RSS growth by %d sessions that were used", n), "%d MiB", growth.all/mib)
	tell("  of this, its own memory / pages of the file", "%d / %d MiB", growth.own/mib, growth.mapped/mib)
	tell("  its own memory per session that was used", "%.0f B", float64(growth.own)/float64(n))
	return nil
}

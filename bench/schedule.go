package main

import (
	"context"
	"fmt"
	"time"
)

// comparison is a subject beside its reference.
type comparison struct{ subject, reference *subject }

// triple is where in a round a comparison finds its windows.
type triple struct{ before, subject, after int }

// schedule is the order of one round's windows.
type schedule struct {
	pairs   []comparison
	order   []*subject
	triples []triple // one for each pair
}

// newSchedule gives every comparison its reference just before and just after.
// Neighbours that have the same reference share the window between them.
func newSchedule(pairs []comparison) schedule {
	s := schedule{pairs: pairs}
	for _, p := range pairs {
		if len(s.order) == 0 || s.order[len(s.order)-1] != p.reference {
			s.order = append(s.order, p.reference)
		}
		at := len(s.order)
		s.order = append(s.order, p.subject, p.reference)
		s.triples = append(s.triples, triple{at - 1, at, at + 1})
	}
	return s
}

// results are all rounds together.
type results struct {
	windows map[*subject][]window
	ratios  map[comparison][]float64
}

// measure runs all rounds. An error means that the run is worth nothing.
func measure(ctx context.Context, r *rig, plan schedule, o options) (results, error) {
	res := results{windows: map[*subject][]window{}, ratios: map[comparison][]float64{}}
	for range o.rounds {
		costs := make([]float64, len(plan.order))
		for i, s := range plan.order {
			w, err := r.window(ctx, s, o.window)
			if err != nil {
				return results{}, err
			}
			costs[i] = w.cost()
			res.windows[s] = append(res.windows[s], w)
		}
		for i, t := range plan.triples {
			ratio := pairRatio(costs[t.before], costs[t.subject], costs[t.after])
			res.ratios[plan.pairs[i]] = append(res.ratios[plan.pairs[i]], ratio)
		}
	}
	return res, nil
}

// warmUp brings every subject to the state it is measured in: connections
// open, pools filled, the collector's pace found.
func warmUp(ctx context.Context, r *rig, subjects []*subject, each time.Duration) error {
	for _, s := range subjects {
		if each == 0 {
			continue
		}
		if _, err := r.window(ctx, s, each); err != nil {
			return fmt.Errorf("warming up: %w", err)
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func microseconds(values ...int) []time.Duration {
	var times []time.Duration
	for _, v := range values {
		times = append(times, time.Duration(v)*time.Microsecond)
	}
	return times
}

func TestEveryComparisonHasItsReferenceOnBothSides(t *testing.T) {
	a, b, c, d := &subject{name: "a"}, &subject{name: "b"}, &subject{name: "c"}, &subject{name: "d"}
	plan := newSchedule(compare([]*subject{a, b, c, d}))
	for i, pair := range plan.pairs {
		at := plan.triples[i]
		if plan.order[at.before] != pair.reference || plan.order[at.subject] != pair.subject || plan.order[at.after] != pair.reference {
			t.Errorf("%s ÷ %s is not framed by its reference", pair.subject.name, pair.reference.name)
		}
		if at.subject-at.before != 1 || at.after-at.subject != 1 {
			t.Errorf("%s ÷ %s: the windows are not neighbours", pair.subject.name, pair.reference.name)
		}
	}
}

func TestNeighboursShareAReferenceWindow(t *testing.T) {
	plan := newSchedule(compare([]*subject{{name: "plain"}, {name: "constant"}, {name: "gateway"}}))
	var names []string
	for _, s := range plan.order {
		names = append(names, s.name)
	}
	want := "plain constant plain gateway plain constant gateway constant"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("order = %s, want %s", got, want)
	}
}

func TestWaitingTimesHaveTheirMean(t *testing.T) {
	const draws = 20_000
	var sum time.Duration
	for range draws {
		gap := exponential(time.Millisecond)
		if gap < 0 {
			t.Fatalf("a waiting time of %v", gap)
		}
		sum += gap
	}
	// Five standard errors: one run in a million misses it.
	if mean := float64(sum) / draws / float64(time.Millisecond); math.Abs(mean-1) > 5/math.Sqrt(draws) {
		t.Errorf("mean = %v ms, want 1", mean)
	}
}

func TestArrivalsEndWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	queue := make(chan time.Time, 1)
	arrive(ctx, queue, time.Hour)
	if _, open := <-queue; open {
		t.Error("something arrived after the end")
	}
	if _, err := (crowd{}).closedLoop(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("closedLoop = %v, want the context's error", err)
	}
}

package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

const (
	arrivals      = 1000            // requests a second
	latencyWindow = 3 * time.Second // long enough for 30 requests beyond p99
)

// tails are two points of a latency distribution, in µs.
type tails struct{ p50, p99 float64 }

// latencies measures how long answers take while requests come at a steady
// rate, each subject between two windows of its reference.
func latencies(ctx context.Context, r *rig, subjects []*subject, rounds int) error {
	plan := newSchedule(besidePlain(subjects))
	say(fmt.Sprintf("latency: %d rounds of %d windows of %v", rounds, len(plan.order), latencyWindow))
	own := map[*subject][]tails{}
	ratios := map[comparison][]tails{}
	for range rounds {
		round := make([]tails, len(plan.order))
		for i, s := range plan.order {
			r.upstream.reset()
			times, err := s.crowd.openLoop(ctx, latencyWindow)
			if err == nil {
				err = r.upstream.check(len(times))
			}
			if err != nil {
				return s.failed(err)
			}
			round[i] = tailsOf(times)
			own[s] = append(own[s], round[i])
		}
		for i, t := range plan.triples {
			before, at, after := round[t.before], round[t.subject], round[t.after]
			ratios[plan.pairs[i]] = append(ratios[plan.pairs[i]], tails{
				pairRatio(before.p50, at.p50, after.p50), pairRatio(before.p99, at.p99, after.p99),
			})
		}
	}
	printLatency(os.Stdout, subjects, own, ratios)
	return nil
}

// tailsOf sorts times as well.
func tailsOf(times []time.Duration) tails {
	values := make([]float64, len(times))
	for i, t := range times {
		values[i] = float64(t.Nanoseconds()) / 1e3
	}
	slices.Sort(values)
	return tails{quantile(values, 0.5), quantile(values, 0.99)}
}

// openLoop sends requests at random times (Poisson arrivals), whether or not
// earlier ones have been answered. A time counts from the arrival, so that
// waiting for a connection that is still busy is not left out.
func (c crowd) openLoop(ctx context.Context, length time.Duration) ([]time.Duration, error) {
	if err := c.prepare(ctx, length); err != nil {
		return nil, err
	}
	// The arrivals keep a thread to themselves, which sleeps most of the time.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	queue := make(chan time.Time, 2*arrivals*int(1+length/time.Second))
	times, failures := make([][]time.Duration, len(c)), make([]error, len(c))
	var wait sync.WaitGroup
	for i, v := range c {
		wait.Go(func() {
			for arrival := range queue {
				if failures[i] = v.get(); failures[i] != nil {
					return
				}
				times[i] = append(times[i], time.Since(arrival))
			}
		})
	}
	arrive(ctx, queue, length)
	wait.Wait()
	return slices.Concat(times...), errors.Join(append(failures, ctx.Err())...)
}

// arrive sends the arrivals of a Poisson process to queue, which has room for
// all of them, and closes it. An arrival is when it happened, not when it was
// meant to: that this process was late is not the subject's fault.
func arrive(ctx context.Context, queue chan<- time.Time, length time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(queue)
	start, mean := time.Now(), time.Second/arrivals
	for at := exponential(mean); at < length && ctx.Err() == nil; at += exponential(mean) {
		for wait := time.Until(start.Add(at)); wait > 0; wait = time.Until(start.Add(at)) {
			nap(wait)
		}
		select {
		case queue <- time.Now():
		default: // twice as many as there should be: nobody answers any more
			return
		}
	}
}

// exponential draws a waiting time of a Poisson process.
func exponential(mean time.Duration) time.Duration {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	uniform := (float64(binary.NativeEndian.Uint64(raw[:])>>11) + 1) / (1 << 53)
	return time.Duration(-math.Log(uniform) * float64(mean))
}

// What the gateway's latencies may be, as multiples of plain Caddy's.
const p50Goal, p99Goal = 1.10, 1.5

func printLatency(w io.Writer, subjects []*subject, own map[*subject][]tails, ratios map[comparison][]tails) {
	fmt.Fprintf(w, "\nLatency at %d requests/s, open loop: median of windows [quartiles]\n\n", arrivals)
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(table, "subject\tp50 µs\tp99 µs\tp50 ÷ %s\tp99 ÷ %s\tgoals\n", plainName, plainName)
	for _, s := range subjects {
		fmt.Fprintf(table, "%s\t%s", s.name, eachTail(own[s], "%.0f"))
		if s == subjects[0] {
			fmt.Fprint(table, "\t1\t1\t\n")
			continue
		}
		against := ratios[comparison{s, subjects[0]}]
		fmt.Fprintf(table, "\t%s\t", eachTail(against, "%.2f"))
		if len(s.goals) > 0 {
			p50, p99 := columns(against)
			fmt.Fprintf(table, "p50 %s, p99 %s", judge(p50.median, p50Goal, "%.2f"), judge(p99.median, p99Goal, "%.2f"))
		}
		fmt.Fprintln(table)
	}
	table.Flush()
}

// columns summarizes p50 and p99.
func columns(all []tails) (p50, p99 summary) {
	first, second := make([]float64, len(all)), make([]float64, len(all))
	for i, t := range all {
		first[i], second[i] = t.p50, t.p99
	}
	return summarize(first), summarize(second)
}

// eachTail formats the columns of p50 and p99.
func eachTail(all []tails, verb string) string {
	p50, p99 := columns(all)
	return p50.spread(verb) + "\t" + p99.spread(verb)
}

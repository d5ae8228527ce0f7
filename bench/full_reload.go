package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	reloadsPerWindow = 3
	reloadEvery      = 800 * time.Millisecond
)

// reloads asks what replacing the configuration costs requests that come
// meanwhile, beside Caddy without us.
func reloads(ctx context.Context, l *lab) error {
	sizes, err := l.o.reloads()
	if err != nil {
		return err
	}
	for _, size := range sizes {
		if err := l.reloadWith(ctx, size); err != nil {
			return err
		}
		l.close()
	}
	return nil
}

func (l *lab) reloadWith(ctx context.Context, sessions int) error {
	p, err := l.file(ctx, sessions)
	if err != nil {
		return err
	}
	reference, err := l.plainHouse("plain reload")
	if err != nil {
		return err
	}
	if _, err := reference.start(ctx); err != nil {
		return err
	}
	reference.moveInto()
	h, err := l.inhabited(ctx, "reload", p)
	if err != nil {
		return err
	}
	if err := warmUp(ctx, l.rig, []*subject{reference.subject, h.subject}, 2*time.Second); err != nil {
		return err
	}
	return l.compareReloads(ctx, reference, h, fmt.Sprintf("reload with %d sessions: ", sessions))
}

func (l *lab) compareReloads(ctx context.Context, reference, h *house, what string) error {
	// The first one of each is not counted: what it leaves behind stays the same.
	for _, one := range []*house{reference, h} {
		if _, err := one.underReloads(ctx); err != nil {
			return one.failed(err)
		}
	}
	before, err := h.resident()
	if err != nil {
		return err
	}
	var plain, ours []reloaded
	for range l.o.windows {
		at, err := reference.underReloads(ctx)
		if err != nil {
			return reference.failed(err)
		}
		plain = append(plain, at)
		if at, err = h.underReloads(ctx); err != nil {
			return h.failed(err)
		}
		ours = append(ours, at)
	}
	after, err := h.resident()
	if err != nil {
		return err
	}
	tell(what+"took, plain", "%s ms", spreadOf(plain, reloaded.took))
	tell(what+"took, gateway", "%s ms", spreadOf(ours, reloaded.took))
	ratioAtMost(what+"time ÷ plain's", ratiosOf(ours, plain, reloaded.took), 1.3)
	tell(what+"p99, plain", "%s ms", spreadOf(plain, reloaded.p99))
	tell(what+"p99, gateway", "%s ms", spreadOf(ours, reloaded.p99))
	ratioAtMost(what+"p99 ÷ plain's", ratiosOf(ours, plain, reloaded.p99), 1.3)
	atMost(what+"RSS growth", 100*(float64(after.all)/float64(before.all)-1), 5, "%.1f %%")
	tell(what+"requests sent again, plain / gateway", "%d / %d", sum(plain, reloaded.repeated), sum(ours, reloaded.repeated))
	exactly(what+"requests lost", sum(ours, reloaded.missing), 0)
	return nil
}

// reloaded is what happened in a window with reloads in it.
type reloaded struct {
	times       []time.Duration // of requests
	loads       []time.Duration // of reloads
	again, lost int
}

func (r reloaded) took() float64 {
	values := make([]float64, len(r.loads))
	for i, t := range r.loads {
		values[i] = t.Seconds() * 1e3
	}
	return summarize(values).median
}

func (r reloaded) p99() float64  { return tailsOf(r.times).p99 / 1e3 }
func (r reloaded) repeated() int { return r.again }
func (r reloaded) missing() int  { return r.lost }

func spreadOf(all []reloaded, figure func(reloaded) float64) string {
	values := make([]float64, len(all))
	for i, one := range all {
		values[i] = figure(one)
	}
	return summarize(values).spread("%.1f")
}

// ratiosOf pairs windows that were one after the other.
func ratiosOf(ours, plain []reloaded, figure func(reloaded) float64) []float64 {
	values := make([]float64, len(ours))
	for i := range ours {
		values[i] = figure(ours[i]) / figure(plain[i])
	}
	return values
}

func sum(all []reloaded, count func(reloaded) int) (total int) {
	for _, one := range all {
		total += count(one)
	}
	return total
}

// underReloads is requests at a steady rate while the configuration is replaced
// a few times. A request whose connection is closed without an answer is sent
// again, as browsers do, and its time goes on.
func (h *house) underReloads(ctx context.Context) (reloaded, error) {
	const length = (reloadsPerWindow + 1) * reloadEvery
	h.crowd.close() // these end with the configuration
	for _, v := range h.crowd {
		v.conn = nil
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4)) // as in openLoop
	queue := make(chan time.Time, 2*arrivals*int(1+length/time.Second))
	var r reloaded
	var mu sync.Mutex
	var all sync.WaitGroup
	var again, lost atomic.Int64
	for _, v := range h.crowd {
		all.Go(func() {
			a := &asker{address: h.address}
			defer a.close()
			var own []time.Duration
			for arrival := range queue {
				status, repeated, err := a.persist(v.request)
				again.Add(int64(repeated))
				if err != nil || status != 200 {
					lost.Add(1)
					a.close()
				}
				own = append(own, time.Since(arrival))
			}
			mu.Lock()
			r.times = append(r.times, own...)
			mu.Unlock()
		})
	}
	var failure error
	all.Go(func() { r.loads, failure = h.reloadNowAndThen(ctx) })
	arrive(ctx, queue, length)
	all.Wait()
	r.again, r.lost = int(again.Load()), int(lost.Load())
	return r, errors.Join(failure, ctx.Err())
}

func (h *house) reloadNowAndThen(ctx context.Context) (took []time.Duration, err error) {
	for range reloadsPerWindow {
		select {
		case <-ctx.Done():
			return took, ctx.Err()
		case <-time.After(reloadEvery):
		}
		one, err := h.reload(ctx)
		if err != nil {
			return took, err
		}
		took = append(took, one)
	}
	return took, nil
}

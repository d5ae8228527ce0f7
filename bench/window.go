package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// window is what one subject did in one stretch of time.
type window struct {
	requests int
	cpu      time.Duration
	elapsed  time.Duration
	asked    int // commands that the subject's Redis had, if it has one
}

// cost is CPU time per request in µs.
func (w window) cost() float64 {
	return float64(w.cpu.Nanoseconds()) / float64(w.requests) / 1e3
}

// rate is requests per second.
func (w window) rate() float64 { return float64(w.requests) / w.elapsed.Seconds() }

// busy is the share of one processor that the subject had, in percent.
func (w window) busy() float64 { return 100 * w.cpu.Seconds() / w.elapsed.Seconds() }

// askedEach is how many commands the subject's Redis had for each request.
func (w window) askedEach() float64 { return float64(w.asked) / float64(w.requests) }

var errIdle = errors.New("no CPU time was counted")

// window loads one subject and counts its CPU time. The subject is idle before
// and after, so that all of its threads' times are up to date when read.
func (r *rig) window(ctx context.Context, s *subject, length time.Duration) (window, error) {
	r.upstream.reset()
	asked, err := s.redis.commands(ctx)
	if err != nil {
		return window{}, s.failed(err)
	}
	before, err := s.meter.total()
	if err != nil {
		return window{}, err
	}
	start := time.Now()
	requests, err := s.crowd.closedLoop(ctx, length)
	elapsed := time.Since(start)
	if err != nil {
		return window{}, s.failed(err)
	}
	after, err := s.meter.total()
	if err != nil {
		return window{}, err
	}
	askedAfter, err := s.redis.commands(ctx)
	if err != nil {
		return window{}, s.failed(err)
	}
	if err := r.upstream.check(requests); err != nil {
		return window{}, s.failed(err)
	}
	w := window{requests: requests, cpu: after - before, elapsed: elapsed, asked: askedAfter - asked}
	if s.redis != nil {
		w.asked-- // the question
		if err := s.redis.checkAsked(w); err != nil {
			return window{}, s.failed(err)
		}
	}
	if w.cpu <= 0 {
		return window{}, s.failed(errIdle)
	}
	return w, nil
}

// failed is an error of a subject, with what it wrote on its way.
func (s *subject) failed(err error) error {
	if text := s.wrote(); text != "" {
		return fmt.Errorf("%s: %w; it wrote:\n%s", s.name, err, text)
	}
	return fmt.Errorf("%s: %w", s.name, err)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	signInWindows = 10
	signInsEach   = 200   // in a window
	signInsAtOnce = 8     // browsers
	signInGoal    = 900.0 // µs
)

// signInCosts are what signing in cost, window by window.
type signInCosts struct {
	micros   []float64 // CPU time of one sign-in, µs
	requests []float64 // the same in requests to plain Caddy
}

// measureSignIns has browsers sign in at a gateway of its own, between windows
// of plain Caddy, which show how fast the processor is at the time.
func measureSignIns(ctx context.Context, r *rig, reference *subject, o options) (signInCosts, error) {
	s := gateway(r, "sign-ins", "memory")
	say("signing in")
	if err := r.start(ctx, s); err != nil {
		return signInCosts{}, s.failed(err)
	}
	if _, err := r.signInWindow(ctx, s, "warm-up"); err != nil {
		return signInCosts{}, s.failed(err)
	}
	before, err := r.window(ctx, reference, o.window)
	if err != nil {
		return signInCosts{}, err
	}
	var costs signInCosts
	for i := range signInWindows {
		cpu, err := r.signInWindow(ctx, s, fmt.Sprint(i))
		if err != nil {
			return signInCosts{}, s.failed(err)
		}
		after, err := r.window(ctx, reference, o.window)
		if err != nil {
			return signInCosts{}, err
		}
		costs.add(cpu, before.cost(), after.cost())
		before = after
	}
	return costs, nil
}

// add takes a window's CPU time, and what a request cost plain Caddy before and
// after it.
func (c *signInCosts) add(cpu time.Duration, before, after float64) {
	each := float64(cpu.Nanoseconds()) / signInsEach / 1e3
	c.micros = append(c.micros, each)
	c.requests = append(c.requests, pairRatio(before, each, after))
}

// signInWindow has browsers sign in side by side and returns the gateway's CPU
// time. That each request had its user's token is looked at afterwards.
func (r *rig) signInWindow(ctx context.Context, s *subject, name string) (time.Duration, error) {
	user := userName(0)
	r.provider.next(user)
	r.upstream.reset()
	paths := make(chan string, signInsEach)
	var all []string
	for i := range signInsEach {
		path := fmt.Sprintf("/%s/%s/%03d", slug(s.name), name, i)
		paths <- path
		all = append(all, path, path+again)
	}
	close(paths)
	before, err := s.meter.total()
	if err != nil {
		return 0, err
	}
	failures := make([]error, signInsAtOnce)
	var wait sync.WaitGroup
	for i := range failures {
		wait.Go(func() {
			for path := range paths {
				if failures[i] = signInOnce(ctx, s, path); failures[i] != nil {
					return
				}
			}
		})
	}
	wait.Wait()
	after, err := s.meter.total()
	if err := errors.Join(append(failures, err)...); err != nil {
		return 0, err
	}
	return after - before, r.checkSignIns(ctx, user, all)
}

// again is what the second request's path ends with.
const again = "/again"

// signInOnce is a new browser that signs in, arrives, and asks once more.
func signInOnce(ctx context.Context, s *subject, path string) error {
	browser, err := newBrowser()
	if err != nil {
		return err
	}
	defer browser.CloseIdleConnections()
	if _, err := visit(ctx, browser, s, path); err != nil {
		return err
	}
	second, err := get(ctx, browser, "http://"+s.address+path+again, "")
	if err == nil && (second.status != http.StatusOK || len(second.body) != answerBytes) {
		err = fmt.Errorf("the second request ended with %d at %s", second.status, second.path)
	}
	return err
}

// checkSignIns tells whether one request came to each path, with the user's token.
func (r *rig) checkSignIns(ctx context.Context, user string, paths []string) error {
	if came := r.upstream.requests(); came != len(paths) {
		return fmt.Errorf("%d requests reached the upstream instead of %d", came, len(paths))
	}
	for _, path := range paths {
		token, _ := r.upstream.saw(path)
		if err := r.checkToken(ctx, user, token); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// print says what a sign-in costs and how that stands to what is aimed at.
func (c signInCosts) print(w io.Writer) {
	micros := summarize(c.micros)
	fmt.Fprintf(w, "\nA sign-in (redirect, callback, two requests, over one new connection; provider not counted):\n")
	fmt.Fprintf(w, "%s µs CPU, goal %s; as much as %s requests of %s\n",
		micros.spread("%.0f"), judge(micros.median, signInGoal, "%.0f"), summarize(c.requests).spread("%.1f"), plainName)
}

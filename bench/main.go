// Command bench measures what an authenticated request costs the gateway beside
// what Caddy itself costs, in CPU time of the process that serves it.
//
// The speed of a processor that others share changes by a factor of two within
// seconds. So subjects take turns in windows of half a second, each window has
// one of its reference just before and just after it, and what counts is the
// median of those ratios. Absolute figures are printed for orientation only.
//
//	go run -tags nobadger,nomysql,nopgx ./bench [flags]
//
// It ends with 0 when everything was measured, whatever the figures, and with 1
// when a single request failed or reached the upstream with a wrong token.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are what can be chosen on the command line.
type options struct {
	binary     string
	against    string
	subjects   string
	rounds     int
	window     time.Duration
	warmUp     time.Duration
	tokenBytes int
	latency    int
	peers      bool
	profileDir string
	scale      scaleOptions
}

// fullVariable asks for everything there is to measure.
const fullVariable = "OSC_GATEWAY_BENCH"

func parseOptions(args []string) (options, error) {
	rounds, latency, full := 20, 0, os.Getenv(fullVariable) == "full"
	if full {
		rounds, latency = 40, 20
	}
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.binary, "binary", "", "measure this `file` instead of building cmd/osc-gateway")
	flags.StringVar(&o.against, "against", "", "measure this older `file` too, to see what a change bought")
	flags.StringVar(&o.subjects, "subjects", "", "measure these `subjects` of the headline beside plain and no others")
	flags.IntVar(&o.rounds, "rounds", rounds, "rounds of CPU windows")
	flags.DurationVar(&o.window, "window", 500*time.Millisecond, "length of a CPU window")
	flags.DurationVar(&o.warmUp, "warm-up", 2*time.Second, "load on each subject before it is measured")
	flags.IntVar(&o.tokenBytes, "token", 900, "`bytes` of an access token")
	flags.IntVar(&o.latency, "latency", latency, "`rounds` of latency windows at 1000 requests/s")
	flags.BoolVar(&o.peers, "peers", full, "measure what others would run instead, as far as it is installed")
	flags.StringVar(&o.profileDir, "profile", "", "afterwards write CPU and allocation profiles of each subject to this `directory`")
	o.scale.addFlags(flags, full)
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.rounds < 1 || o.latency < 0 || o.window <= 0 || o.warmUp < 0 {
		return options{}, fmt.Errorf("-rounds and -window must be positive, -warm-up and -latency not negative")
	}
	return o, o.scale.check()
}

func main() {
	o, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err == nil {
		err = run(ctx, o)
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("interrupted")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// run sets everything up, measures, prints, and leaves nothing behind.
func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "osc-gateway-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	machine := thisMachine(ctx)
	if o.binary == "" {
		say("building osc-gateway")
		if o.binary, err = build(ctx, dir); err != nil {
			return err
		}
	}
	r, err := newRig(ctx, o, dir)
	if err != nil {
		return err
	}
	defer r.close()
	if o.scale.only != "" {
		return scale(ctx, r, o)
	}
	subjects, err := costs(ctx, r, o, machine)
	if err != nil {
		return err
	}
	if o.latency > 0 {
		if err := latencies(ctx, r, subjects, o.latency); err != nil {
			return err
		}
	}
	if o.profileDir != "" {
		if err := profiles(ctx, r, subjects, o); err != nil {
			return err
		}
	}
	if o.scale.all {
		return scale(ctx, r, o)
	}
	return nil
}

// costs starts the subjects and prints what requests and sign-ins cost them.
func costs(ctx context.Context, r *rig, o options, machine machine) ([]*subject, error) {
	subjects, err := headline(r, o)
	if err != nil {
		return nil, err
	}
	for _, s := range subjects {
		say("starting " + s.name)
		if err := r.start(ctx, s); err != nil {
			return nil, s.failed(err)
		}
	}
	pairs := compare(subjects)
	if err := warmUp(ctx, r, subjects, o.warmUp); err != nil {
		return nil, err
	}
	plan := newSchedule(pairs)
	say(fmt.Sprintf("measuring: %d rounds of %d windows of %v", o.rounds, len(plan.order), o.window))
	results, err := measure(ctx, r, plan, o)
	if err != nil {
		return nil, err
	}
	signIns, err := measureSignIns(ctx, r, subjects[0], o)
	if err != nil {
		return nil, err
	}
	printCost(os.Stdout, subjects, results)
	printGoals(os.Stdout, subjects, results)
	signIns.print(os.Stdout)
	printChange(os.Stdout, results)
	printMachine(os.Stdout, machine, r, o)
	return subjects, nil
}

// say tells on standard error what is going on, so that standard output is
// the result alone.
func say(what string) { fmt.Fprintln(os.Stderr, "bench:", what) }

package main

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"
)

// scaleOptions are the sizes of the scenarios of scale.
type scaleOptions struct {
	all  bool   // whether they run at all
	only string // names of those that run, without the headline then

	sessions   int           // in a store
	visited    int           // of these, how many are used once
	anonymous  int           // visits without a session
	durable    time.Duration // of writing
	reload     string        // sessions in the files of the reloads
	rounds     int           // of CPU windows
	windows    int           // of latency windows, starts and reloads
	storm      int           // sessions due at once
	refreshing int           // sessions refreshed all the time
	gogc       string
}

func (s *scaleOptions) addFlags(flags *flag.FlagSet, full bool) {
	flags.BoolVar(&s.all, "scale", full, "afterwards measure the scenarios of scale, in some ten minutes")
	flags.StringVar(&s.only, "only", "", "measure these `scenarios` of scale and nothing else, of "+strings.Join(scenarioNames(), ","))
	flags.IntVar(&s.sessions, "sessions", 1_000_000, "scale: `sessions` in a store")
	flags.IntVar(&s.visited, "visited", 200_000, "scale: `sessions` of these that are used")
	flags.IntVar(&s.anonymous, "anonymous", 1_000_000, "scale: anonymous `visits`")
	flags.DurationVar(&s.durable, "durable", 5*time.Second, "scale: how long to write sign-ins, and how long refreshes")
	flags.StringVar(&s.reload, "reload", "100000,1000000", "scale: `sessions` in the file of each reload")
	flags.IntVar(&s.rounds, "scale-rounds", 20, "scale: `rounds` of CPU windows")
	flags.IntVar(&s.windows, "scale-windows", 8, "scale: `rounds` of latency windows, starts and reloads")
	flags.IntVar(&s.storm, "storm", 300, "scale: `sessions` due at once")
	flags.IntVar(&s.refreshing, "refreshing", 1000, "scale: `sessions` of which 1% is refreshed each second")
	flags.StringVar(&s.gogc, "gogc", "100", "scale: GOGC of all subjects; empty for what each sets itself")
}

// check refuses what cannot be measured.
func (s *scaleOptions) check() error {
	for _, name := range s.names() {
		if !slices.Contains(scenarioNames(), name) {
			return fmt.Errorf("-only %s: choose of %s", name, strings.Join(scenarioNames(), ","))
		}
	}
	if _, err := s.reloads(); err != nil {
		return err
	}
	for _, size := range []int{s.sessions, s.visited, s.anonymous, s.storm, s.refreshing} {
		if size < visitors {
			return fmt.Errorf("sizes of scale must be %d or more, as many as there are visitors", visitors)
		}
	}
	if s.rounds < 1 || s.windows < 1 || s.durable <= 0 {
		return fmt.Errorf("-scale-rounds, -scale-windows and -durable must be positive")
	}
	return nil
}

// names are the scenarios that were asked for; none stands for all.
func (s *scaleOptions) names() []string {
	if s.only == "" {
		return nil
	}
	return strings.Split(s.only, ",")
}

func (s *scaleOptions) wants(name string) bool {
	return s.only == "" || slices.Contains(s.names(), name)
}

// reloads are the sizes of the files that reloads are measured with.
func (s *scaleOptions) reloads() ([]int, error) {
	var sizes []int
	for part := range strings.SplitSeq(s.reload, ",") {
		var size int
		if _, err := fmt.Sscanf(part, "%d", &size); err != nil || size < visitors {
			return nil, fmt.Errorf("-reload %s: sizes must be %d or more", s.reload, visitors)
		}
		sizes = append(sizes, size)
	}
	return sizes, nil
}

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// scenario is one question of scale and what answers it.
type scenario struct {
	name string
	run  func(context.Context, *lab) error
}

// scenarios are in the order of what they tell.
func scenarios() []scenario {
	return []scenario{
		{"memory", memorySessions},
		{"redis", redisSessions},
		{"file", fileSessions},
		{"start", coldStarts},
		{"anonymous", anonymousVisits},
		{"durable", durableWrites},
		{"reload", reloads},
		{"stampede", stampede},
		{"steady", steadyRefreshing},
	}
}

func scenarioNames() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

// lab is where scenarios are played: the rig, and a master key of our own, so
// that sessions can be put into a store without signing in a million times.
type lab struct {
	*rig
	o      scaleOptions
	key    secret.String
	ring   *tokens.KeyRing
	houses []*house
	crowds map[int]*population // files of sessions, by how many
}

func newLab(r *rig, o scaleOptions) (*lab, error) {
	inner := *r
	inner.admin, inner.running = true, nil
	inner.dir = filepath.Join(r.dir, "scale")
	if err := os.Mkdir(inner.dir, 0o700); err != nil {
		return nil, err
	}
	key, err := tokens.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	ring, err := tokens.NewKeyRing(key)
	if err != nil {
		return nil, err
	}
	return &lab{rig: &inner, o: o, key: key, ring: ring, crowds: map[int]*population{}}, nil
}

// scale plays the scenarios that were asked for.
func scale(ctx context.Context, r *rig, o options) error {
	l, err := newLab(r, o.scale)
	if err != nil {
		return err
	}
	defer l.close()
	for _, s := range r.running { // the headline is over
		s.stop()
	}
	r.running = nil
	fmt.Printf("\nScale, GOGC=%s for all. %s\n\n", orUnset(o.scale.gogc), r.pinning)
	for _, s := range scenarios() {
		if !o.scale.wants(s.name) {
			continue
		}
		say("scale: " + s.name)
		if err := s.run(ctx, l); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		l.close()
	}
	return nil
}

func orUnset(value string) string {
	if value == "" {
		return "(unset)"
	}
	return value
}

// close stops what a scenario has started.
func (l *lab) close() {
	for _, h := range l.houses {
		h.stop()
	}
	l.houses = nil
}

// freely runs what measures no subject on all processors.
func (l *lab) freely(ctx context.Context, do func() error) error {
	if l.pinning.why != "" {
		return do()
	}
	if err := moveTo(ctx, l.pinning.subject, l.pinning.rest); err != nil {
		return err
	}
	before := runtime.GOMAXPROCS(2)
	err := do()
	runtime.GOMAXPROCS(before)
	return errors.Join(err, moveTo(ctx, l.pinning.rest))
}

// moveTo has all threads of this process run on these processors.
func moveTo(ctx context.Context, cpus ...int) error {
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(cpus), " ", ","), "[]")
	command := exec.CommandContext(ctx, "taskset", "-a", "-c", "-p", list, strconv.Itoa(os.Getpid()))
	if out, err := command.CombinedOutput(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("taskset: %w: %s", err, out)
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// pinning says which processor the subject has to itself, and which one all
// the rest runs on.
type pinning struct {
	subject, rest int
	why           string // why there is none; "" when there is
}

// pin keeps this process off the subjects' processor, where the system has
// what it takes.
func pin(ctx context.Context) pinning {
	if _, err := exec.LookPath("taskset"); err != nil || runtime.GOOS != "linux" {
		return pinning{why: "no taskset here"}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return pinning{why: err.Error()}
	}
	allowed, err := allowedCPUs(string(status))
	if err != nil {
		return pinning{why: err.Error()}
	}
	if len(allowed) < 2 {
		return pinning{why: "only one processor"}
	}
	p := pinning{subject: allowed[0], rest: allowed[1]}
	// -a: every thread there is; later ones inherit it.
	command := exec.CommandContext(ctx, "taskset", "-a", "-c", "-p", strconv.Itoa(p.rest), strconv.Itoa(os.Getpid()))
	if out, err := command.CombinedOutput(); err != nil {
		return pinning{why: fmt.Sprintf("taskset: %v: %s", err, out)}
	}
	runtime.GOMAXPROCS(1)
	return p
}

// command wraps a subject's command line.
func (p pinning) command(args []string) []string {
	if p.why != "" {
		return args
	}
	return append([]string{"taskset", "-c", strconv.Itoa(p.subject)}, args...)
}

func (p pinning) String() string {
	if p.why != "" {
		return "not pinned (" + p.why + "): expect more spread"
	}
	return fmt.Sprintf("subject on CPU %d, generator, upstream and provider on CPU %d", p.subject, p.rest)
}

// allowedCPUs reads the line Cpus_allowed_list of /proc/PID/status, like 0-3,8.
func allowedCPUs(status string) ([]int, error) {
	_, rest, found := strings.Cut(status, "Cpus_allowed_list:")
	if !found {
		return nil, fmt.Errorf("the kernel does not say which processors may be used")
	}
	line, _, _ := strings.Cut(rest, "\n")
	var cpus []int
	for part := range strings.SplitSeq(strings.TrimSpace(line), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		if err != nil {
			return nil, err
		}
		to, err := strconv.Atoi(last)
		if err != nil {
			return nil, err
		}
		for cpu := from; cpu <= to; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// meter reads how much CPU time some processes have had in all.
type meter interface {
	total() (time.Duration, error)
}

// newMeter returns the finest meter this system has, and what to say of it.
func newMeter(pids ...int) meter {
	if runtime.GOOS == "linux" {
		return &schedstatMeter{proc: "/proc", pids: pids, threads: map[string]time.Duration{}}
	}
	return &psMeter{pids: pids}
}

// meterName says how CPU time is read here.
func meterName() string {
	if runtime.GOOS == "linux" {
		return "/proc/PID/task/*/schedstat (ns)"
	}
	return "ps (10 ms steps: trust medians of many rounds only)"
}

// schedstatMeter adds up what the kernel's scheduler counted for each thread,
// in nanoseconds. A thread that has ended counts with what was last seen of it.
type schedstatMeter struct {
	proc    string
	pids    []int
	threads map[string]time.Duration
}

var errNoThreads = errors.New("no thread of it is left")

func (m *schedstatMeter) total() (time.Duration, error) {
	for _, pid := range m.pids {
		files, err := filepath.Glob(filepath.Join(m.proc, strconv.Itoa(pid), "task", "*", "schedstat"))
		if err != nil {
			return 0, err
		}
		if len(files) == 0 {
			return 0, fmt.Errorf("process %d: %w", pid, errNoThreads)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				continue // the thread has ended meanwhile
			}
			if m.threads[file], err = parseSchedstat(string(text)); err != nil {
				return 0, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	var sum time.Duration
	for _, t := range m.threads {
		sum += t
	}
	return sum, nil
}

// parseSchedstat reads the first of three numbers: time on a processor, time
// waiting for one, stretches run (Documentation/scheduler/sched-stats.rst).
func parseSchedstat(text string) (time.Duration, error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return 0, fmt.Errorf("%d numbers instead of 3", len(fields))
	}
	ns, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0, err
	}
	return time.Duration(ns), nil
}

// psMeter asks ps, which every Unix has.
type psMeter struct{ pids []int }

func (m *psMeter) total() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range m.pids {
		out, err := exec.Command("ps", "-o", "time=", "-p", strconv.Itoa(pid)).Output()
		if err != nil {
			return 0, fmt.Errorf("ps of process %d: %w", pid, err)
		}
		t, err := parsePSTime(strings.TrimSpace(string(out)))
		if err != nil {
			return 0, err
		}
		sum += t
	}
	return sum, nil
}

// parsePSTime reads [[days-]hours:]minutes:seconds[.fraction].
func parsePSTime(text string) (time.Duration, error) {
	days, clock, found := strings.Cut(text, "-")
	if !found {
		days, clock = "0", text
	}
	parts := strings.Split(days+":"+clock, ":")
	if len(parts) < 3 || len(parts) > 4 {
		return 0, fmt.Errorf("ps: %q is no time", text)
	}
	units := []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second}
	if len(parts) == 3 { // no hours
		units = append(units[:1], units[2:]...)
	}
	var sum time.Duration
	for i, part := range parts {
		number, err := strconv.ParseFloat(part, 64)
		if err != nil || number < 0 {
			return 0, fmt.Errorf("ps: %q is no time", text)
		}
		sum += time.Duration(number * float64(units[i]))
	}
	return sum, nil
}

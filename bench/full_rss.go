package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// resident is what of a process is in memory, in bytes. What it mapped from
// files is the kernel's to take back.
type resident struct{ all, own, mapped int64 }

// residentOf reads it from the kernel, and elsewhere asks ps, which knows one
// number only.
func residentOf(pid int) (resident, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err == nil {
		return parseResident(string(text))
	}
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return resident{}, fmt.Errorf("ps of process %d: %w", pid, err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return resident{all: n * kib, own: n * kib}, err
}

var errNoResident = errors.New("the kernel does not say what is in memory")

// parseResident reads /proc/PID/status.
func parseResident(status string) (r resident, err error) {
	lines := bufio.NewScanner(strings.NewReader(status))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		into := map[string]*int64{"VmRSS": &r.all, "RssAnon": &r.own, "RssFile": &r.mapped}[name]
		if into == nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
		if err != nil {
			return resident{}, err
		}
		*into = n * kib
	}
	if r.all == 0 {
		return resident{}, errNoResident
	}
	return r, nil
}

func (r resident) minus(other resident) resident {
	return resident{r.all - other.all, r.own - other.own, r.mapped - other.mapped}
}

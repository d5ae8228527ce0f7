package main

import (
	"slices"
	"testing"
)

func TestCPUModel(t *testing.T) {
	for name, test := range map[string]struct{ info, want string }{
		"the first processor's name":     {"processor\t: 0\nmodel name\t: Fast One\n\nprocessor\t: 1\nmodel name\t: Other\n", "Fast One"},
		"a machine that has no such row": {"processor\t: 0\nBogoMIPS\t: 50.00\n", "unknown"},
		"nothing":                        {"", "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cpuModel(test.info, "unknown"); got != test.want {
				t.Errorf("cpuModel = %q, want %q", got, test.want)
			}
		})
	}
}

func TestAllowedCPUs(t *testing.T) {
	for name, test := range map[string]struct {
		status string
		want   []int
		bad    bool
	}{
		"a range":                        {"Name:\tx\nCpus_allowed_list:\t0-3\nMems_allowed:\t1\n", []int{0, 1, 2, 3}, false},
		"ranges and single ones":         {"Cpus_allowed_list:\t0,2-3,8\n", []int{0, 2, 3, 8}, false},
		"one":                            {"Cpus_allowed_list:\t5", []int{5}, false},
		"a kernel that does not say":     {"Name:\tx\n", nil, true},
		"something that is no list":      {"Cpus_allowed_list:\tall\n", nil, true},
		"a range that ends with nothing": {"Cpus_allowed_list:\t1-\n", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := allowedCPUs(test.status)
			if !slices.Equal(got, test.want) || (err != nil) != test.bad {
				t.Errorf("allowedCPUs = %v, %v", got, err)
			}
		})
	}
}

func TestPinningWrapsTheCommandLine(t *testing.T) {
	args := []string{"caddy", "run"}
	if got := (pinning{subject: 2, rest: 3}).command(args); !slices.Equal(got, []string{"taskset", "-c", "2", "caddy", "run"}) {
		t.Errorf("pinned: %v", got)
	}
	if got := (pinning{why: "no taskset here"}).command(args); !slices.Equal(got, args) {
		t.Errorf("not pinned: %v", got)
	}
}

func TestLoadAverage(t *testing.T) {
	for text, want := range map[string]float64{"2.65 2.35 2.39 11/142 7324\n": 2.65, "": 0, "none": 0} {
		if got := loadAverage(text); got != want {
			t.Errorf("loadAverage(%q) = %v, want %v", text, got, want)
		}
	}
}

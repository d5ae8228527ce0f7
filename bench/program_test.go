package main

import (
	"os"
	"slices"
	"testing"
)

func TestDescendants(t *testing.T) {
	for name, test := range map[string]struct {
		list string
		want []int
		bad  bool
	}{
		"children and theirs":       {"   10     1\n   20    10\n   40    20\n   30    10\n   50     1\n   60    50\n", []int{10, 20, 30, 40}, false},
		"none":                      {"10 1\n", []int{10}, false},
		"a list without it":         {"", []int{10}, false},
		"something that is no list": {"PID PPID\n", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := descendants(test.list, 10)
			if slices.Sort(got); !slices.Equal(got, test.want) || (err != nil) != test.bad {
				t.Errorf("descendants = %v, %v", got, err)
			}
		})
	}
}

func TestFamilyKnowsThisProcess(t *testing.T) {
	pids, err := family(t.Context(), os.Getpid())
	if err != nil || pids[0] != os.Getpid() {
		t.Errorf("family = %v, %v", pids, err)
	}
}

func TestNothingIsStoppedThatNeverStarted(t *testing.T) {
	s := subject{redis: &redis{}}
	s.stop()
	if text := s.wrote(); text != "" {
		t.Errorf("it wrote %q", text)
	}
}

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestParseSchedstat(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want time.Duration
		bad  bool
	}{
		"the first number is the time on a processor": {"1234567890 42 7\n", 1234567890, false},
		"a thread that never ran has none":            {"0 0 0\n", 0, false},
		"fewer numbers are another format":            {"1 2\n", 0, true},
		"nothing is no answer":                        {"", 0, true},
		"words are no numbers":                        {"a b c\n", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseSchedstat(test.text)
			if got != test.want || (err != nil) != test.bad {
				t.Errorf("parseSchedstat(%q) = %v, %v", test.text, got, err)
			}
		})
	}
}

func TestParsePSTime(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want time.Duration
		bad  bool
	}{
		"minutes and hundredths, as macOS writes": {"1:02.50", 62500 * time.Millisecond, false},
		"hours, as Linux writes":                  {"01:02:03", time.Hour + 2*time.Minute + 3*time.Second, false},
		"days":                                    {"2-00:00:01", 48*time.Hour + time.Second, false},
		"more minutes than an hour has":           {"75:00.00", 75 * time.Minute, false},
		"nothing":                                 {"", 0, true},
		"seconds alone":                           {"12", 0, true},
		"words":                                   {"a:b", 0, true},
		"a negative time":                         {"0:-1", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parsePSTime(test.text)
			if got != test.want || (err != nil) != test.bad {
				t.Errorf("parsePSTime(%q) = %v, %v", test.text, got, err)
			}
		})
	}
}

// writeThread puts a thread's figures where the kernel would.
func writeThread(t *testing.T, proc, pid, thread, text string) {
	t.Helper()
	dir := filepath.Join(proc, pid, "task", thread)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "schedstat"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMeterAddsUpThreadsOfAllProcesses(t *testing.T) {
	proc := t.TempDir()
	writeThread(t, proc, "10", "10", "100 0 1\n")
	writeThread(t, proc, "10", "11", "20 0 1\n")
	writeThread(t, proc, "30", "30", "3 0 1\n")
	writeThread(t, proc, "40", "40", "9999 0 1\n") // somebody else's
	m := &schedstatMeter{proc: proc, pids: []int{10, 30}, threads: map[string]time.Duration{}}
	if got, err := m.total(); got != 123 || err != nil {
		t.Errorf("total = %v, %v, want 123ns", got, err)
	}
}

func TestAThreadThatEndedStillCounts(t *testing.T) {
	proc := t.TempDir()
	writeThread(t, proc, "10", "10", "100 0 1\n")
	writeThread(t, proc, "10", "11", "20 0 1\n")
	m := &schedstatMeter{proc: proc, pids: []int{10}, threads: map[string]time.Duration{}}
	if _, err := m.total(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(proc, "10", "task", "11")); err != nil {
		t.Fatal(err)
	}
	writeThread(t, proc, "10", "10", "150 0 1\n")
	if got, err := m.total(); got != 170 || err != nil {
		t.Errorf("total = %v, %v, want 170ns", got, err)
	}
}

func TestAProcessThatIsGoneIsAnError(t *testing.T) {
	m := &schedstatMeter{proc: t.TempDir(), pids: []int{10}, threads: map[string]time.Duration{}}
	if _, err := m.total(); err == nil {
		t.Error("the CPU time of a process that is gone was read")
	}
}

func TestMeterSeesThisProcess(t *testing.T) {
	got, err := newMeter(os.Getpid()).total()
	if err != nil || got < 0 {
		t.Errorf("total = %v, %v", got, err)
	}
}

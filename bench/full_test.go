package main

import (
	"bufio"
	"slices"
	"strings"
	"testing"
)

func TestFiguresSayWhetherTheirGoalIsMet(t *testing.T) {
	for name, test := range map[string]struct {
		figure figure
		want   string
	}{
		"met":      {figure{"bytes", "3 B", "≤ 4 B", true}, "goal ≤ 4 B: met"},
		"not met":  {figure{"bytes", "5 B", "≤ 4 B", false}, "goal ≤ 4 B: NOT met"},
		"for info": {figure{"bytes", "5 B", "", false}, "5 B"},
	} {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			test.figure.print(&text)
			if line := strings.TrimSpace(text.String()); !strings.HasPrefix(line, "bytes") || !strings.HasSuffix(line, test.want) {
				t.Errorf("%q does not end with %q", line, test.want)
			}
		})
	}
}

func TestScaleOptions(t *testing.T) {
	t.Setenv(fullVariable, "")
	o, err := parseOptions(nil)
	if err != nil || o.scale.all || o.scale.only != "" || o.scale.sessions != 1_000_000 {
		t.Errorf("without anything: %+v, %v", o.scale, err)
	}
	t.Setenv(fullVariable, "full")
	if o, err = parseOptions([]string{"-only", "file,start", "-reload", "100,200"}); err != nil || !o.scale.all {
		t.Fatalf("full: %+v, %v", o.scale, err)
	}
	if o.scale.wants("redis") || !o.scale.wants("start") {
		t.Error("-only does not choose")
	}
	if sizes, err := o.scale.reloads(); err != nil || !slices.Equal(sizes, []int{100, 200}) {
		t.Errorf("reloads = %v, %v", sizes, err)
	}
	for _, args := range [][]string{
		{"-only", "nonsense"}, {"-only", "file,"}, {"-reload", "1000,"}, {"-reload", "5"}, {"-sessions", "1"}, {"-scale-rounds", "0"},
	} {
		if _, err := parseOptions(args); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

func TestResidentIsReadFromTheKernel(t *testing.T) {
	r, err := parseResident("Name:\tx\nVmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\nRssFile:\t     512 kB\n")
	if err != nil || r != (resident{2 * mib, mib, mib / 2}) {
		t.Errorf("%+v, %v", r, err)
	}
	if r.minus(resident{mib, mib, 0}) != (resident{mib, 0, mib / 2}) {
		t.Error("minus is wrong")
	}
	for _, text := range []string{"", "VmRSS: many kB\n", "RssAnon: 5 kB\n"} {
		if _, err := parseResident(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestUsedMemoryIsReadFromRedis(t *testing.T) {
	read := func(text string) (int64, error) { return parseUsedMemory(bufio.NewReader(strings.NewReader(text))) }
	if n, err := read("$99\r\n# Memory\r\nused_memory:12345\r\nused_memory_human:12K\r\n"); n != 12345 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := read("-NOAUTH\r\n"); err == nil {
		t.Error("an error was taken for an answer")
	}
}

package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Status is how a check ended.
type Status string

// A warning is something to know of and no reason to fail; what could not be
// looked at is skipped.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
	Skip Status = "skip"
)

// Result is what one check found. Nothing in it is secret.
type Result struct {
	Check   string `json:"check"`
	Site    string `json:"site,omitempty"`
	Status  Status `json:"status"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
	TookMS  int64  `json:"took_ms,omitempty"`
}

// Failed counts the checks that failed.
func Failed(results []Result) int {
	failed := 0
	for _, result := range results {
		if result.Status == Fail {
			failed++
		}
	}
	return failed
}

func skipped(because, fix string, checks ...string) []Result {
	results := make([]Result, len(checks))
	for i, check := range checks {
		results[i] = Result{Check: check, Status: Skip, Message: "because " + because, Fix: fix}
	}
	return results
}

// took notes how long a probe took.
func (r Result) took(d time.Duration) Result {
	r.TookMS = d.Milliseconds()
	return r
}

// WriteJSON writes the results as an array.
func WriteJSON(w io.Writer, results []Result) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(results)
}

// words and colours of the statuses on a terminal.
var (
	words   = map[Status]string{OK: "ok", Warn: "warn", Fail: "FAIL", Skip: "skip"}
	colours = map[Status]string{OK: "32", Warn: "33", Fail: "1;31", Skip: "2"}
)

// WriteText writes a line for each result, and one for checks that were skipped
// together. Sites are named where there are several.
func WriteText(w io.Writer, results []Result, coloured bool) error {
	sites := map[string]bool{}
	for _, result := range results {
		if result.Site != "" {
			sites[result.Site] = true
		}
	}
	for _, result := range together(results) {
		line := printable(result.Message)
		if result.Site != "" && len(sites) > 1 {
			line = result.Site + ": " + line
		}
		if result.Fix != "" {
			line += ". Fix: " + printable(result.Fix) + "."
		}
		status := fmt.Sprintf("%-4s", words[result.Status])
		if coloured {
			status = "\x1b[" + colours[result.Status] + "m" + status + "\x1b[0m"
		}
		if _, err := fmt.Fprintf(w, "%s  %-13s  %s\n", status, result.Check, line); err != nil {
			return err
		}
	}
	return nil
}

// together makes one of results that follow each other and were skipped for the
// same reason.
func together(results []Result) []Result {
	var out []Result
	for i := 0; i < len(results); i++ {
		one := results[i]
		var more []string
		for ; i+1 < len(results) && one.Status == Skip && sameButCheck(one, results[i+1]); i++ {
			more = append(more, results[i+1].Check)
		}
		if len(more) > 0 {
			one.Message = "and " + strings.Join(more, ", ") + ", " + one.Message
		}
		out = append(out, one)
	}
	return out
}

func sameButCheck(a, b Result) bool {
	b.Check = a.Check
	return a == b
}

// printable keeps what others wrote from moving the cursor: one check is one line.
func printable(text string) string {
	out := make([]rune, 0, len(text))
	for _, r := range text {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			r = ' '
		}
		out = append(out, r)
	}
	return string(out)
}

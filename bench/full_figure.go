package main

import (
	"fmt"
	"io"
	"os"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// figure is one line of what scale came to.
type figure struct {
	what string
	seen string
	goal string // "" for what is told for orientation
	met  bool
}

func (f figure) print(w io.Writer) {
	verdict := ""
	switch {
	case f.goal != "" && f.met:
		verdict = "goal " + f.goal + ": met"
	case f.goal != "":
		verdict = "goal " + f.goal + ": NOT met"
	}
	fmt.Fprintf(w, "%-58s %-26s %s\n", f.what, f.seen, verdict)
}

// tell prints a figure that has no goal.
func tell(what, format string, values ...any) {
	figure{what: what, seen: fmt.Sprintf(format, values...)}.print(os.Stdout)
}

// atMost prints a figure that is to be so much or less. Both are written in the
// same way.
func atMost(what string, seen, goal float64, format string) {
	figure{what, fmt.Sprintf(format, seen), "≤ " + fmt.Sprintf(format, goal), seen <= goal}.print(os.Stdout)
}

// atLeast is the other way round.
func atLeast(what string, seen, goal float64, format string) {
	figure{what, fmt.Sprintf(format, seen), "≥ " + fmt.Sprintf(format, goal), seen >= goal}.print(os.Stdout)
}

// exactly prints a count that can only be right or wrong.
func exactly(what string, seen, goal int) {
	figure{what, fmt.Sprint(seen), fmt.Sprintf("= %d", goal), seen == goal}.print(os.Stdout)
}

// ratioAtMost prints a ratio by its median, with quartiles.
func ratioAtMost(what string, ratios []float64, goal float64) {
	s := summarize(ratios)
	figure{what, s.spread("%.2f"), fmt.Sprintf("≤ %.2f", goal), s.median <= goal}.print(os.Stdout)
}

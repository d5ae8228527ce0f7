package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// goal is what an authenticated request may cost, as a multiple of Caddy's
// that sends a constant header of the same size.
const goal = 1.15

// busyMachine is the load average from which a reader is warned.
const busyMachine = 0.5

// spread formats a median with its quartiles.
func (s summary) spread(verb string) string {
	return fmt.Sprintf(verb+" ["+verb+"–"+verb+"]", s.median, s.lower, s.upper)
}

// ratioOf is a subject's ratio to the reference of that name.
func (r results) ratioOf(s *subject, reference string) (summary, bool) {
	for pair, ratios := range r.ratios {
		if pair.subject == s && pair.reference.name == reference {
			return summarize(ratios), true
		}
	}
	return summary{}, false
}

// column summarizes one figure of all windows.
func column(windows []window, figure func(window) float64) summary {
	values := make([]float64, len(windows))
	for i, w := range windows {
		values[i] = figure(w)
	}
	return summarize(values)
}

// printCost prints what a request costs each subject.
func printCost(w io.Writer, subjects []*subject, res results) {
	fmt.Fprintf(w, "CPU time per request: median [quartiles]\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(table, "subject\tCPU µs/request\t÷ %s\t÷ %s\trequests/s\tbusy %%\n", plainName, constantName)
	for _, s := range subjects {
		windows := res.windows[s]
		cells := []string{
			s.name, column(windows, window.cost).spread("%.1f"),
			ratioCell(res, s, plainName), ratioCell(res, s, constantName),
			fmt.Sprintf("%.0f", column(windows, window.rate).median),
			fmt.Sprintf("%.0f", column(windows, window.busy).median),
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	table.Flush()
}

func ratioCell(res results, s *subject, reference string) string {
	if s.name == reference {
		return "1"
	}
	ratio, found := res.ratioOf(s, reference)
	if !found {
		return "–"
	}
	return ratio.spread("%.3f")
}

// printGoal says how the gateway's ratio stands to what is aimed at.
func printGoal(w io.Writer, res results) {
	for pair := range res.ratios {
		if pair.subject.name != gatewayName || pair.reference.name != constantName {
			continue
		}
		ratio := summarize(res.ratios[pair])
		ofMedians := column(res.windows[pair.subject], window.cost).median / column(res.windows[pair.reference], window.cost).median
		verdict := "met"
		if ratio.median > goal {
			verdict = "NOT met"
		}
		fmt.Fprintf(w, "\n%s ÷ %s: %s; ratio of the medians %.3f. Goal ≤ %.2f: %s\n",
			gatewayName, constantName, ratio.spread("%.3f"), ofMedians, goal, verdict)
	}
}

// printChange says what the gateway costs of what another binary's did.
func printChange(w io.Writer, res results) {
	for pair, ratios := range res.ratios {
		if pair.reference.name == againstName {
			fmt.Fprintf(w, "%s ÷ %s: %s\n", pair.subject.name, againstName, summarize(ratios).spread("%.3f"))
		}
	}
}

// printMachine says what the figures are of.
func printMachine(w io.Writer, m machine, r *rig, o options) {
	fmt.Fprintf(w, "\n%s, %d cores, %s, %s, GOMAXPROCS=1\n", m.model, m.cores, m.kernel, builtWith(r.binary))
	fmt.Fprintf(w, "%s; CPU time from %s\n", r.pinning, meterName())
	fmt.Fprintf(w, "%d rounds, windows of %v, %d connections and users, answers of %d bytes, tokens of %d, no TLS, no access log\n",
		o.rounds, o.window, visitors, answerBytes, len(r.provider.token()))
	if m.load > busyMachine {
		fmt.Fprintf(w, "The machine was busy with something else (load %.1f): expect more spread.\n", m.load)
	}
}

package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// goal is what is aimed at: at most so many times what the reference costs.
type goal struct {
	reference string
	most      float64
	next      float64 // what is aimed at once that is met; 0 for nothing
}

// verdict says whether a value meets the goal.
func (g goal) verdict(value float64) string {
	text := judge(value, g.most, "%.2f")
	if g.next != 0 {
		text += ", then " + judge(value, g.next, "%.2f")
	}
	return "goal " + text
}

// judge says whether a value is at most what it is to be.
func judge(value, most float64, verb string) string {
	verdict := "met"
	if value > most {
		verdict = "NOT met"
	}
	return fmt.Sprintf("≤ "+verb+": %s", most, verdict)
}

// saturated is from how many percent on a subject is measured under full load.
const saturated = 90

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
	idle := ""
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(table, "subject\tCPU µs/request\t÷ %s\t÷ %s\trequests/s\tbusy %%\n", plainName, constantName)
	for _, s := range subjects {
		windows := res.windows[s]
		busy := column(windows, window.busy).median
		if busy < saturated {
			idle = "Who was not busy all the time waited for the generator, and paid for waking up more often.\n"
		}
		cells := []string{
			s.name, column(windows, window.cost).spread("%.1f"),
			ratioCell(res, s, plainName), ratioCell(res, s, constantName),
			fmt.Sprintf("%.0f", column(windows, window.rate).median),
			fmt.Sprintf("%.0f", busy),
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	table.Flush()
	fmt.Fprint(w, idle)
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

// printGoals says how ratios stand to what is aimed at.
func printGoals(w io.Writer, subjects []*subject, res results) {
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, s := range subjects {
		for _, g := range s.goals {
			ratio, found := res.ratioOf(s, g.reference)
			if !found {
				continue
			}
			fmt.Fprintf(table, "%s ÷ %s\t%s\t%s\n", s.name, g.reference, ratio.spread("%.3f"), g.verdict(ratio.median))
		}
	}
	table.Flush()
	for _, s := range subjects {
		if s.redis != nil {
			each := column(res.windows[s], window.askedEach).median
			fmt.Fprintf(w, "%s: Redis had %.2f commands for each request; its CPU time is included\n", s.name, each)
		}
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
	for _, text := range r.missing {
		fmt.Fprintln(w, text)
	}
	if m.load > busyMachine {
		fmt.Fprintf(w, "The machine was busy with something else (load %.1f): expect more spread.\n", m.load)
	}
}

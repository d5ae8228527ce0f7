package main

import "slices"

// summary is what is told of a series: its middle and its spread.
type summary struct {
	median, lower, upper float64 // lower and upper are the quartiles
}

func summarize(values []float64) summary {
	sorted := slices.Sorted(slices.Values(values))
	return summary{
		median: quantile(sorted, 0.5),
		lower:  quantile(sorted, 0.25),
		upper:  quantile(sorted, 0.75),
	}
}

// quantile of sorted values, linear between neighbours; 0 of none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	share := at - float64(below)
	return sorted[below]*(1-share) + sorted[below+1]*share
}

// pairRatio is what a value was of its reference, as that stood at the time:
// the mean of just before and just after.
func pairRatio(before, value, after float64) float64 {
	return value / ((before + after) / 2)
}

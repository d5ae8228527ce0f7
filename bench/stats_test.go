package main

import "testing"

func TestQuantile(t *testing.T) {
	for name, test := range map[string]struct {
		sorted []float64
		q      float64
		want   float64
	}{
		"the middle of an odd number is a value":      {[]float64{1, 2, 10}, 0.5, 2},
		"the middle of an even number lies between":   {[]float64{1, 2, 4, 10}, 0.5, 3},
		"a quartile is linear between its neighbours": {[]float64{1, 2, 3, 5}, 0.25, 1.75},
		"the last one is the greatest":                {[]float64{1, 2, 3}, 1, 3},
		"the first one is the least":                  {[]float64{1, 2, 3}, 0, 1},
		"one value is every quantile":                 {[]float64{7}, 0.99, 7},
		"nothing has none":                            {nil, 0.5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := quantile(test.sorted, test.q); got != test.want {
				t.Errorf("quantile(%v, %v) = %v, want %v", test.sorted, test.q, got, test.want)
			}
		})
	}
}

func TestSummarizeLeavesItsValuesInOrder(t *testing.T) {
	values := []float64{5, 1, 3, 2, 4}
	if got, want := summarize(values), (summary{3, 2, 4}); got != want {
		t.Errorf("summarize = %+v, want %+v", got, want)
	}
	if values[0] != 5 {
		t.Error("the values were sorted in place")
	}
}

// A processor that slows down evenly moves the window in the middle as much as
// the mean of the two beside it.
func TestPairRatioTakesOutADrift(t *testing.T) {
	if got := pairRatio(100, 1.25*150, 200); got != 1.25 {
		t.Errorf("pairRatio = %v, want 1.25", got)
	}
}

func TestTailsOf(t *testing.T) {
	got := tailsOf(microseconds(3, 1, 2))
	if want := (tails{2, 2.98}); got != want {
		t.Errorf("tailsOf = %v, want %v", got, want)
	}
}

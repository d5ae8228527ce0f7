package integration

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// attackNotHere are the entries of the corpus that no attack_*_test.go has a row
// for, and why.
var attackNotHere = map[string]string{
	"EP-005": "Nothing from outside makes the module panic; gateway.finish looks for a panic in all that a gateway printed.",
	"PX-016": "See streams_test.go.",
	"PX-020": "See upstream401_test.go.",
}

// attackSurfaces are the entries there are: of each surface those up to the
// last, but for numbers that were never given.
var attackSurfaces = map[string]struct {
	last   int
	unused []int
}{
	"RT": {45, []int{41, 42, 44}},
	"PA": {46, []int{41, 42, 43, 45}},
	"HS": {33, []int{26, 27, 28, 30}},
	"CS": {15, nil},
	"EP": {6, nil},
	"LO": {5, nil},
	"PX": {23, []int{22}},
}

// attackTables are the rows, table by table; each has a name.
var attackTables = []any{
	attackPaths, attackHosts, attackHeaders, attackHeaderCases, attackStreams, attackCrossings, attackReturns, attackCaptured,
	attackEndpoints, attackSignOuts, attackProxying, attackFramings, attackLoads,
}

// attackNames are the names of all rows.
func attackNames() (names []string) {
	for _, table := range attackTables {
		rows := reflect.ValueOf(table)
		for i := range rows.Len() {
			names = append(names, rows.Index(i).FieldByName("name").String())
		}
	}
	return names
}

func TestEveryAttackIsARowOrHasAReasonNotToBe(t *testing.T) {
	t.Parallel()
	run := map[string]bool{}
	for _, name := range attackNames() {
		id, about, _ := strings.Cut(name, " ")
		if run[id] = true; about == "" {
			t.Errorf("%q does not say what it is about", name)
		}
	}
	known := map[string]bool{}
	for surface, entries := range attackSurfaces {
		for number := 1; number <= entries.last; number++ {
			id := fmt.Sprintf("%s-%03d", surface, number)
			if slices.Contains(entries.unused, number) {
				continue
			}
			if known[id] = true; run[id] == (attackNotHere[id] != "") {
				t.Errorf("%s: a row: %v, a reason: %q", id, run[id], attackNotHere[id])
			}
		}
	}
	for id := range run {
		if !known[id] {
			t.Errorf("%s is a row, and of no known number", id)
		}
	}
	for id := range attackNotHere {
		if !known[id] {
			t.Errorf("%s has a reason, and no known number", id)
		}
	}
}

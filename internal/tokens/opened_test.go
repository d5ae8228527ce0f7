package tokens

import (
	"testing"
	"time"
)

// The keeper hears of a session in use once a second, not with every request,
// and always of one whose record has changed.
func TestTheKeeperHearsOfUsesNowAndThen(t *testing.T) {
	o, stored := newOpened(), Record{Generation: 1, Sealed: []byte("sealed")}
	name := aTicket(1).Name()
	r := o.put(name, nil, stored, aSite, &record{meta: aMeta(), tokens: someTokens()})
	start := moment(0)
	for _, tt := range []struct {
		after time.Duration
		told  bool
	}{{0, true}, {0, false}, {keptEvery - 1, false}, {keptEvery, true}, {keptEvery + 1, false}, {2 * keptEvery, true}, {-time.Hour, true}, {-time.Hour, false}} {
		if told := !r.keptLately(start.Add(tt.after), keptEvery); told != tt.told {
			t.Errorf("after %v: told %v", tt.after, told)
		}
	}
	stored.Generation, stored.Sealed = 2, []byte("sealed again")
	if o.get(name, nil, stored, aSite) != nil {
		t.Error("a record that changed is taken for the one there was")
	}
	if changed := o.put(name, nil, stored, aSite, r); changed.keptLately(start.Add(-time.Hour), keptEvery) {
		t.Error("the keeper does not hear of a record that changed")
	}
	if own := *r; own.keptLately(start.Add(-time.Hour), keptEvery) != true {
		t.Error("a copy of a record that did not change counts as another")
	}
	if changing := (&record{}); changing.keptLately(start, keptEvery) {
		t.Error("a record that is about to change counts as known")
	}
}

package stores

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// A copy must never outlive what it is a copy of: whoever has been told that a
// record was replaced or deleted reads nothing older, however many read it
// meanwhile.
func TestACopyIsNeverOlderThanTheLastWrite(t *testing.T) {
	f := openAt(t, tempPath(t), FileConfig{})
	name := tokens.Name{7}
	mustCreate(t, f, name, "1")
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = f.Load(t.Context(), name)
					runtime.Gosched() // for the committer's sake
				}
			}
		})
	}
	for generation := uint64(2); generation < 60; generation++ {
		record, err := f.Load(t.Context(), name)
		if err != nil || record.Generation != generation-1 {
			t.Fatalf("generation %d, %v, after %d was stored", record.Generation, err, generation-1)
		}
		record.Generation = generation
		if err := f.Replace(t.Context(), name, record); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Delete(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(t.Context(), name); err == nil {
		t.Error("a deleted record is still read")
	}
	close(stop)
	readers.Wait()
}

func TestACopyEndsWithItsRecordAndWithTheFile(t *testing.T) {
	clock := newClock()
	sweep := make(chan time.Time)
	f := openAt(t, tempPath(t), FileConfig{Now: clock.Now, Sweep: sweep})
	name := tokens.Name{7}
	mustCreate(t, f, name, "1")
	wantSealed(t, f, name, "1")
	clock.Advance(1000 * time.Hour)
	if _, err := f.Load(t.Context(), name); err == nil {
		t.Error("an expired record is still read")
	}
	sweep <- clock.Now()
	sweep <- clock.Now() // the first round is over
	clock.Advance(-1000 * time.Hour)
	if _, err := f.Load(t.Context(), name); err == nil {
		t.Error("a record that was swept away is still read when the clock was set back")
	}
	other := tokens.Name{8}
	mustCreate(t, f, other, "2")
	wantSealed(t, f, other, "2")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(t.Context(), other); err == nil {
		t.Error("a closed file is still read")
	}
}

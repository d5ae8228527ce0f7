package main

import (
	"math"
	"runtime"
	"sync/atomic"
	"testing"
)

func TestOnlyASmallHeapIsCollectedLazily(t *testing.T) {
	for live, want := range map[uint64]int{
		0: laziest, 1 << 20: laziest, 16 << 20: laziest, 32 << 20: 400, 64 << 20: 200, 128 << 20: norm, 2 << 30: norm,
	} {
		if got := percentFor(live, mostGarbage); got != want {
			t.Errorf("%d MiB: %d, want %d", live>>20, got, want)
		}
	}
	if got := percentFor(0, 4<<20); got != norm {
		t.Errorf("where little may be garbage the first of it is collected at %d", got)
	}
	for limit, want := range map[int64]uint64{math.MaxInt64: mostGarbage, 8 << 30: mostGarbage, 1 << 30: 32 << 20, 128 << 20: 4 << 20} {
		if got := garbageOf(limit); got != want {
			t.Errorf("of %d MiB of memory %d may be garbage, want %d", limit>>20, got>>20, want>>20)
		}
	}
	runtime.GC()
	if live := liveHeap(); live == 0 || live > 1<<30 {
		t.Errorf("%d bytes live", live)
	}
}

func TestWhatIsToBeDoneAfterCollectionsIsDoneAfterEach(t *testing.T) {
	done := make(chan struct{})
	var stopped atomic.Bool
	afterEachCollection(func() {
		if !stopped.Load() {
			done <- struct{}{}
		}
	})
	for range 3 {
		go runtime.GC()
		<-done
	}
	stopped.Store(true)
}

package main

import (
	"runtime"
	"sync/atomic"
	"testing"
)

func TestOnlyASmallHeapIsCollectedLazily(t *testing.T) {
	for live, want := range map[uint64]int{
		0: laziest, 1 << 20: laziest, 32 << 20: laziest, 64 << 20: 200, 128 << 20: norm, 2 << 30: norm,
	} {
		if got := percentFor(live); got != want {
			t.Errorf("%d MiB: %d, want %d", live>>20, got, want)
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

package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// A gateway's heap is small and most of what it makes is garbage when the
// request is answered, so collecting less often costs memory and saves a tenth
// of its processor time. A large heap, of many sessions in memory, has nothing to
// gain by that and much to lose: what may lie around is bounded, by what there is
// as well.
const (
	mostGarbage   = 128 << 20 // bytes
	garbageShare  = 32        // of the memory there is, one part of so many
	laziest, norm = 800, 100  // GOGC
	smallest      = 4 << 20   // bytes: less than that counts as so much
)

// tuneCollector sets how often garbage is collected, and bounds memory by what
// the container or the machine has, so that none of it costs an out-of-memory
// kill. Who has set GOGC or GOMEMLIMIT knows better.
func tuneCollector() {
	if os.Getenv("GOMEMLIMIT") == "" {
		_, _ = memlimit.Set(memlimit.WithProvider(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)))
	}
	if os.Getenv("GOGC") == "" {
		garbage := garbageOf(debug.SetMemoryLimit(-1)) // which asks
		tune := func() { debug.SetGCPercent(percentFor(liveHeap(), garbage)) }
		tune()
		afterEachCollection(tune)
	}
}

// garbageOf is how much may lie around where so much memory may be used.
func garbageOf(limit int64) uint64 { return min(mostGarbage, uint64(limit)/garbageShare) }

// percentFor is how much the heap may grow by until it is collected, in percent
// of what lives in it, where so much garbage may lie around.
func percentFor(live, garbage uint64) int {
	return max(norm, min(laziest, int(garbage*100/max(live, smallest))))
}

// liveHeap is how many bytes outlived the last collection.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// afterEachCollection calls do after each of them. An object that nobody holds
// is what a collection finds; its finalizer leaves another one.
func afterEachCollection(do func()) {
	type sentinel struct{ _ [16]byte }
	var rearm func(*sentinel)
	rearm = func(*sentinel) {
		do()
		runtime.SetFinalizer(new(sentinel), rearm)
	}
	runtime.SetFinalizer(new(sentinel), rearm)
}

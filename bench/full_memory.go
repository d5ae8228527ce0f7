package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/Eyevinn/osc-gateway/internal/stores"
)

// memorySessions asks what a session in memory takes, with all that a gateway
// knows of it. It is this process that keeps them: nobody could sign in so
// often.
func memorySessions(ctx context.Context, l *lab) error {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	debug.FreeOSMemory()
	before, err := residentOf(os.Getpid())
	if err != nil {
		return err
	}
	heapBefore := liveBytes()
	store := stores.NewMemory(l.o.sessions, nil)
	defer store.Close()
	vault := l.vault(store, nil)
	p := l.newPopulation("127.0.0.1:1")
	n := float64(l.o.sessions)
	if err := l.freely(ctx, func() error { return l.settle(ctx, p, vault, l.o.sessions, 8) }); err != nil {
		return err
	}
	p.tickets = nil // a browser's, not the gateway's
	after, err := residentOf(os.Getpid())
	if err != nil {
		return err
	}
	atMost("memory: bytes per session, RSS as it stands", float64(after.minus(before).all)/n, 1400, "%.0f B")
	tell("memory: bytes per session, live heap", "%.0f B", (liveBytes()-heapBefore)/n)
	debug.FreeOSMemory()
	if after, err = residentOf(os.Getpid()); err != nil {
		return err
	}
	tell("memory: bytes per session, RSS after a collection", "%.0f B", float64(after.minus(before).all)/n)
	runtime.KeepAlive(vault)
	return nil
}

// liveBytes is what outlives a collection.
func liveBytes() float64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}

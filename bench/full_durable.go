package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/stores"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// durableWriters come at once: nobody waits for company, so fewer write less.
const durableWriters = 200

// durableWrites asks how many sign-ins and refreshes reach the disk in a second
// when many come at once.
func durableWrites(ctx context.Context, l *lab) error {
	dir, err := os.MkdirTemp(l.dir, "durable-")
	if err != nil {
		return err
	}
	store, err := stores.OpenFile(filepath.Join(dir, "sessions.db"), stores.FileConfig{})
	if err != nil {
		return err
	}
	defer store.Close()
	return l.freely(ctx, func() error {
		vault := l.vault(store, nil)
		realm := l.realm("127.0.0.1:1")
		var mu sync.Mutex
		var names []tokens.Name
		rate, err := writesPerSecond(ctx, l.o.durable, func(i int) error {
			_, session, err := vault.Create(ctx, realm, registered, l.set(i))
			if err == nil {
				mu.Lock()
				names = append(names, session.Name)
				mu.Unlock()
			}
			return err
		})
		if err != nil {
			return err
		}
		atLeast("durable: sign-ins written per second, 200 at once", rate, 5000, "%.0f")
		rate, err = writesPerSecond(ctx, l.o.durable, func(i int) error { return replace(ctx, store, names[(i*7919)%len(names)]) })
		if err != nil {
			return err
		}
		atLeast("durable: refreshes written per second, 200 at once", rate, 5000, "%.0f")
		return nil
	})
}

// replace writes the next generation of a record, as a refresh does.
func replace(ctx context.Context, store tokens.Store, name tokens.Name) error {
	for {
		record, err := store.Load(ctx, name)
		if err != nil {
			return err
		}
		record.Generation++
		if err := store.Replace(ctx, name, record); !errors.Is(err, tokens.ErrConflict) {
			return err
		}
	}
}

// writesPerSecond has many writers write for a while.
func writesPerSecond(ctx context.Context, length time.Duration, write func(i int) error) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	begun := time.Now()
	for range durableWriters {
		all.Go(func() {
			for ctx.Err() == nil && time.Since(begun) < length {
				if err := write(int(next.Add(1)) - 1); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return float64(next.Load()) / time.Since(begun).Seconds(), context.Cause(ctx)
}

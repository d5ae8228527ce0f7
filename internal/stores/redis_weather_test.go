package stores

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// patience is what a call may take: the promise, and a busy machine.
const patience = 2500 * time.Millisecond

func TestAStoreOpensWhileTheServerIsDownAndFindsItLater(t *testing.T) {
	server := startRedis(t)
	server.kill()
	b := openBench(t, server.url(), RedisConfig{})
	_, err := b.Load(t.Context(), redisName(1))
	wantUnknown(t, "Load", err)
	wantUnknown(t, "Create", b.Create(t.Context(), redisName(1), b.record(1, "x")))
	wantUnknown(t, "Each", b.Each(t.Context(), func(tokens.Name, tokens.Record) error { return nil }))
	server.run()
	b.awaitBack(t)
	b.mustCreate(t, 1, "one")
	eventually(t, "tracking", func() error { return b.isTracking(1) })
}

// awaitBack reads an absent record until the server says that it is absent.
func (b *redisBench) awaitBack(t *testing.T) {
	t.Helper()
	begin := time.Now()
	eventually(t, "the store is back", func() error {
		if _, err := b.Load(t.Context(), redisName(404)); !errors.Is(err, tokens.ErrAbsent) {
			return err
		}
		return nil
	})
	t.Logf("back after %v", time.Since(begin).Round(time.Millisecond))
}

func TestAServerThatIsKilledLosesNoSessionItWroteDown(t *testing.T) {
	server := startRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	b := openBench(t, server.url(), RedisConfig{})
	b.awaitTracking(t, 1)
	b.mustCreate(t, 1, "one")
	b.awaitCopy(t, 1)
	for range 2 {
		server.kill()
		eventually(t, "nothing is served", func() error {
			_, err := b.Load(t.Context(), redisName(1))
			if err == nil {
				return errors.New("the copy, until the connection is seen to be gone")
			}
			wantUnknown(t, "Load", err)
			return nil
		})
		server.run()
		eventually(t, "the record is back", func() error {
			record, err := b.Load(t.Context(), redisName(1))
			if errors.Is(err, tokens.ErrAbsent) || err == nil && string(record.Sealed) != "one" {
				t.Fatalf("Load = %q, %v", record.Sealed, err)
			}
			return err
		})
	}
}

func TestAServerThatComesBackEmptyHasNoRecordsForCertain(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{})
	b.awaitTracking(t, 1)
	b.mustCreate(t, 1, "one")
	b.awaitCopy(t, 1)
	server.kill()
	server.run()
	eventually(t, "absent", func() error {
		_, err := b.Load(t.Context(), redisName(1))
		if err == nil {
			t.Fatal("served what the server does not have")
		}
		if !errors.Is(err, tokens.ErrAbsent) {
			return err
		}
		return nil
	})
}

func TestEveryCallGivesUpOnAServerThatDoesNotAnswer(t *testing.T) {
	for name, fault := range map[string]func(*redisServer, *redisProxy){
		"frozen":      func(s *redisServer, _ *redisProxy) { s.signal(syscall.SIGSTOP) },
		"cut off":     func(_ *redisServer, p *redisProxy) { p.blackhole(true) },
		"5 s away":    func(_ *redisServer, p *redisProxy) { p.delay.Store(int64(5 * time.Second)) },
		"unreachable": func(s *redisServer, _ *redisProxy) { s.kill() },
	} {
		for _, used := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, used before: %v", name, used), func(t *testing.T) {
				server := startRedis(t)
				proxy := startProxy(t, server.address)
				b := openBench(t, proxy.url(), RedisConfig{})
				if used {
					b.awaitTracking(t, 1)
				}
				fault(server, proxy)
				b.wantAllGiveUp(t)
			})
		}
	}
}

// wantAllGiveUp makes every call at once.
func (b *redisBench) wantAllGiveUp(t *testing.T) {
	t.Helper()
	var calls sync.WaitGroup
	for name, call := range map[string]func(context.Context) error{
		"Create":  func(ctx context.Context) error { return b.Create(ctx, redisName(1), b.record(1, "x")) },
		"Load":    func(ctx context.Context) error { _, err := b.Load(ctx, redisName(1)); return err },
		"Replace": func(ctx context.Context) error { return b.Replace(ctx, redisName(1), b.record(2, "x")) },
		"Delete":  func(ctx context.Context) error { return b.Delete(ctx, redisName(1)) },
		"Lease":   func(ctx context.Context) error { return b.Lease(ctx, redisName(1), "me", time.Second) },
		"Release": func(ctx context.Context) error { return b.Release(ctx, redisName(1), "me") },
		"Each": func(ctx context.Context) error {
			return b.Each(ctx, func(tokens.Name, tokens.Record) error { return nil })
		},
	} {
		calls.Go(func() {
			begin := time.Now()
			wantUnknown(t, name, call(context.Background()))
			if took := time.Since(begin); took > patience {
				t.Errorf("%s took %v", name, took)
			}
		})
		calls.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			begin := time.Now()
			if err := call(ctx); err == nil {
				t.Errorf("%s: no error", name)
			}
			if took := time.Since(begin); took > 50*time.Millisecond+patience/5 {
				t.Errorf("%s heeded its context after %v", name, took)
			}
		})
	}
	calls.Wait()
}

// Thousands of goroutines are late by themselves on a busy machine; how late,
// those say that wait for nothing but their context.
func TestACallEndsWithItsContextHoweverManyWait(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{})
	b.awaitTracking(t, 1)
	server.signal(syscall.SIGSTOP)
	var calls sync.WaitGroup
	var late, idle atomic.Int64
	for i := range 3000 {
		calls.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			begin, worst := time.Now(), &late
			if i%10 == 0 {
				<-ctx.Done()
				worst = &idle
			} else if _, err := b.Load(ctx, redisName(1)); err == nil || errors.Is(err, tokens.ErrAbsent) {
				t.Errorf("Load: %v", err)
			}
			for took := int64(time.Since(begin)); ; {
				if most := worst.Load(); took <= most || worst.CompareAndSwap(most, took) {
					return
				}
			}
		})
	}
	calls.Wait()
	if excess := time.Duration(late.Load() - idle.Load()); excess > 500*time.Millisecond {
		t.Errorf("a call took %v longer than its context", excess)
	}
}

func TestAWriteWhoseAnswerIsLostIsUnknown(t *testing.T) {
	server := startRedis(t)
	proxy := startProxy(t, server.address)
	b := openBench(t, proxy.url(), RedisConfig{})
	b.awaitTracking(t, 1)
	b.mustCreate(t, 1, "one")
	proxy.cutAfter.Store(true)
	wantUnknown(t, "Replace", b.Replace(t.Context(), redisName(1), b.record(2, "two")))
	proxy.cutAfter.Store(false)
	b.awaitBack(t)
	record, err := b.Load(t.Context(), redisName(1))
	if err != nil || record.Generation > 2 {
		t.Errorf("Load = generation %d, %v", record.Generation, err)
	}
}

func TestAnOutageLeavesNothingBehindAndStartsNoStorm(t *testing.T) {
	server := startRedis(t)
	proxy := startProxy(t, server.address)
	b := openBench(t, proxy.url(), RedisConfig{})
	b.awaitTracking(t, 1)
	before := runtime.NumGoroutine()
	dials := proxy.dials.Load()
	server.kill()
	begin := time.Now()
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			for time.Since(begin) < 3*time.Second {
				_, err := b.Load(context.Background(), redisName(1))
				wantUnknown(t, "Load", err)
			}
		})
	}
	calls.Wait()
	if n := proxy.dials.Load() - dials; n > 60 {
		t.Errorf("%d connections in %v", n, time.Since(begin))
	}
	server.run()
	b.awaitBack(t)
	eventually(t, "tracking", func() error { return b.isTracking(1) })
	eventually(t, "as many goroutines as before", func() error {
		if now := runtime.NumGoroutine(); now > before+10 {
			return fmt.Errorf("%d, %d before", now, before)
		}
		return nil
	})
	_ = b.Close()
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	server := startRedis(t)
	before := runtime.NumGoroutine()
	b := openBench(t, server.url(), RedisConfig{})
	b.awaitTracking(t, 1)
	_ = b.Close()
	eventually(t, "as many goroutines as before", func() error {
		if now := runtime.NumGoroutine(); now > before {
			stacks := make([]byte, 1<<16)
			return fmt.Errorf("%d, %d before\n%s", now, before, stacks[:runtime.Stack(stacks, true)])
		}
		return nil
	})
}

func TestAfterAFailoverTheNewMasterIsFound(t *testing.T) {
	first := startRedis(t, "--repl-diskless-sync-delay", "0")
	_, port, _ := strings.Cut(first.address, ":")
	second := startRedis(t, "--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1 "+port)
	b := openBench(t, "redis://"+first.address+","+second.address, RedisConfig{})
	b.awaitTracking(t, 1)
	b.mustCreate(t, 1, "one")
	b.awaitCopy(t, 1)
	eventually(t, "replicated", func() error {
		if second.do("EXISTS", recordKey(redisName(1))) != "1" {
			return errors.New("not yet")
		}
		return nil
	})
	second.do("REPLICAOF", "NO", "ONE")
	_, port, _ = strings.Cut(second.address, ":")
	first.do("REPLICAOF", "127.0.0.1", port)
	begin := time.Now()
	eventually(t, "a write to the new master", func() error {
		err := b.Replace(t.Context(), redisName(1), b.record(2, "two"))
		if errors.Is(err, tokens.ErrAbsent) || errors.Is(err, tokens.ErrConflict) {
			t.Fatal(err)
		}
		return err
	})
	t.Logf("written to the new master after %v", time.Since(begin).Round(time.Millisecond))
	if record, err := b.Load(t.Context(), redisName(1)); err != nil || record.Generation != 2 {
		t.Errorf("Load = generation %d, %v", record.Generation, err)
	}
	first.kill()
	if record, err := b.Load(t.Context(), redisName(1)); err != nil || record.Generation != 2 {
		t.Errorf("Load without the old master = generation %d, %v", record.Generation, err)
	}
}

func TestAReplicaAloneIsNoStore(t *testing.T) {
	master := startRedis(t)
	_, port, _ := strings.Cut(master.address, ":")
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+port)
	b := openBench(t, replica.url(), RedisConfig{})
	_, err := b.Load(t.Context(), redisName(1))
	wantUnknown(t, "Load", err)
	if !strings.Contains(fmt.Sprint(err), "not the master") {
		t.Errorf("Load: %v", err)
	}
	replica.do("REPLICAOF", "NO", "ONE")
	b.awaitBack(t)
}

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

// staleBound is how long a copy may outlive the truth where the server cannot
// say so: the lease, and what it takes to freeze a process.
const staleBound = trackingLease + 100*time.Millisecond

func TestAReplicasWritesDropTheCopiesOfTheOthers(t *testing.T) {
	server := startRedis(t)
	a, b := openBench(t, server.url(), RedisConfig{}), openBench(t, server.url(), RedisConfig{})
	a.awaitTracking(t, 1)
	b.awaitTracking(t, 1)
	a.mustCreate(t, 1, "one")
	b.awaitCopy(t, 1)
	if err := a.Replace(t.Context(), redisName(1), a.record(2, "two")); err != nil {
		t.Fatal(err)
	}
	within100(t, "the other sees what was replaced", func() error {
		if record, err := b.Load(t.Context(), redisName(1)); err != nil || record.Generation != 2 {
			return fmt.Errorf("generation %d, %v", record.Generation, err)
		}
		return nil
	})
	if err := a.Delete(t.Context(), redisName(1)); err != nil {
		t.Fatal(err)
	}
	within100(t, "the other sees what was deleted", func() error {
		if _, err := b.Load(t.Context(), redisName(1)); !errors.Is(err, tokens.ErrAbsent) {
			return fmt.Errorf("Load: %v", err)
		}
		return nil
	})
}

func within100(t *testing.T, what string, check func() error) {
	t.Helper()
	begin := time.Now()
	eventually(t, what, check)
	t.Logf("%s after %v", what, time.Since(begin).Round(10*time.Microsecond))
	if took := time.Since(begin); took > 300*time.Millisecond { // 100 on a machine of its own
		t.Errorf("%s after %v", what, took)
	}
}

func TestAProcessSeesItsOwnWritesAtOnceWhileOthersRead(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{})
	b.awaitTracking(t, 1)
	b.mustCreate(t, 1, "one")
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				if _, err := b.Load(context.Background(), redisName(1)); err != nil {
					t.Errorf("Load: %v", err)
					return
				}
				runtime.Gosched()
			}
		})
	}
	for generation := uint64(2); generation < 300; generation++ {
		if err := b.Replace(t.Context(), redisName(1), b.record(generation, "next")); err != nil {
			t.Fatal(err)
		}
		if record, err := b.Load(t.Context(), redisName(1)); err != nil || record.Generation != generation {
			t.Fatalf("generation %d (%v) after %d was written", record.Generation, err, generation)
		}
	}
	done.Store(true)
	readers.Wait()
}

func TestACopyIsServedWithoutAskingTheServer(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{})
	b.awaitTracking(t, 1)
	b.mustCreate(t, 1, "one")
	b.awaitCopy(t, 1)
	server.do("CONFIG", "RESETSTAT")
	for range 1000 {
		if _, err := b.Load(t.Context(), redisName(1)); err != nil {
			t.Fatal(err)
		}
	}
	if stats := server.do("INFO", "commandstats"); strings.Contains(stats, "cmdstat_lindex:calls=1") {
		t.Errorf("the server was asked: %s", stats)
	}
}

func TestACopyEndsByItselfToo(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{CacheTTL: time.Minute})
	b.awaitTracking(t, 1)
	b.mustCreate(t, 1, "one")
	b.awaitCopy(t, 1)
	b.pass(time.Minute)
	if _, _, hit := b.routes.Load().toRecord(redisName(1)).copyOf(redisName(1), b.time.Now()); hit {
		t.Error("served after its time")
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	c := newRecordCache(640)
	for i := range 10_000 {
		n := redisName(i)
		n[0] = byte(i)
		c.put(n, tokens.Record{}, time.Now().Add(time.Hour), 0)
	}
	total := 0
	for i := range c.shards {
		total += len(c.shards[i].copies)
	}
	if total != 640 {
		t.Errorf("%d copies", total)
	}
}

func TestWhatWasReadBeforeADropIsNotKept(t *testing.T) {
	for name, drop := range map[string]func(*recordCache){
		"one record": func(c *recordCache) { c.drop(redisName(1)) },
		"all":        func(c *recordCache) { c.clear() },
	} {
		t.Run(name, func(t *testing.T) {
			c, now := newRecordCache(100), time.Now()
			_, version, _ := c.get(redisName(1), now)
			drop(c)
			c.put(redisName(1), tokens.Record{}, now.Add(time.Hour), version)
			if _, _, hit := c.get(redisName(1), now); hit {
				t.Error("kept")
			}
		})
	}
}

// Behind the back of a store that is cut off, another one signs somebody out.
func TestHowLongACopyOutlivesTheTruth(t *testing.T) {
	server := startRedis(t)
	for name, fault := range map[string]func(*redisProxy){
		"in a partition":      func(p *redisProxy) { p.blackhole(true) },
		"after a disconnect":  func(p *redisProxy) { p.target.Store("127.0.0.1:1"); p.cut() },
		"behind 5 s of delay": func(p *redisProxy) { p.delay.Store(int64(5 * time.Second)) },
	} {
		t.Run(name, func(t *testing.T) {
			server.do("FLUSHALL")
			proxy := startProxy(t, server.address)
			cutOff, other := openBench(t, proxy.url(), RedisConfig{}), openBench(t, server.url(), RedisConfig{})
			cutOff.awaitTracking(t, 1)
			other.mustCreate(t, 1, "one")
			cutOff.awaitCopy(t, 1)
			fault(proxy)
			if err := other.Delete(t.Context(), redisName(1)); err != nil {
				t.Fatal(err)
			}
			t.Logf("served for %v after the record was deleted", staleFor(t, cutOff))
		})
	}
}

func TestHowLongACopyOutlivesAFrozenServer(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{})
	b.awaitTracking(t, 1)
	b.mustCreate(t, 1, "one")
	b.awaitCopy(t, 1)
	server.signal(syscall.SIGSTOP)
	t.Logf("served for %v after the server froze", staleFor(t, b))
	server.signal(syscall.SIGCONT)
	eventually(t, "tracking again", func() error { return b.isTracking(1) })
	if record, err := b.Load(t.Context(), redisName(1)); err != nil || string(record.Sealed) != "one" {
		t.Errorf("Load after the thaw: %v", err)
	}
}

// staleFor reads until the copy is not served any more, and says how long that took.
func staleFor(t *testing.T, b *redisBench) time.Duration {
	t.Helper()
	begin := time.Now()
	var last time.Duration
	for time.Since(begin) < 2*staleBound {
		asked := time.Since(begin)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		record, err := b.Load(ctx, redisName(1))
		cancel()
		if err == nil && string(record.Sealed) == "one" {
			last = asked
		}
		if errors.Is(err, tokens.ErrAbsent) {
			t.Fatal("absent, though the server did not say so")
		}
	}
	if last > staleBound {
		t.Errorf("a copy was served %v later", last)
	}
	return last
}

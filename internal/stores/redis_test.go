package stores

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
	"github.com/Eyevinn/osc-gateway/internal/tokens/tokenstest"
)

func TestRedisKeepsTheContract(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{})
	b.awaitTracking(t, 1)
	tokenstest.RunStoreTests(t, b.open(server))
}

func TestRedisKeepsTheContractWithoutCopies(t *testing.T) {
	server := startRedis(t)
	server.db = 3
	tokenstest.RunStoreTests(t, openBench(t, server.url()+"/3", RedisConfig{CacheTTL: -1}).open(server))
}

func TestRedisWithoutClientTrackingKeepsTheContract(t *testing.T) {
	for name, renamed := range map[string][]string{
		"no RESP3":               {"HELLO"},
		"no CLIENT":              {"CLIENT"},
		"no ROLE and no CLUSTER": {"ROLE", "CLUSTER", "CLIENT"},
	} {
		t.Run(name, func(t *testing.T) {
			var args []string
			for _, command := range renamed {
				args = append(args, "--rename-command", command, "hidden-"+command)
			}
			server := startRedis(t, args...)
			b := openBench(t, server.url(), RedisConfig{})
			tokenstest.RunStoreTests(t, b.open(server))
			if b.cached(redisName(1)) {
				t.Error("a copy is served of what nobody announces changes of")
			}
			eventually(t, "it is logged", func() error {
				if n := strings.Count(b.log.String(), "announces no changes"); n != 1 {
					return fmt.Errorf("%d times in %s", n, b.log.String())
				}
				return nil
			})
		})
	}
}

func TestRedisHoldsNothingButListsThatExpire(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{})
	b.mustCreate(t, 1, "one")
	if err := b.Replace(t.Context(), redisName(1), b.record(2, "two")); err != nil {
		t.Fatal(err)
	}
	if err := b.Lease(t.Context(), redisName(1), "holder", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	keys := strings.Fields(strings.Trim(server.do("KEYS", "*"), "[]"))
	if len(keys) != 2 {
		t.Fatalf("keys: %v", keys)
	}
	for _, key := range keys {
		left, err := strconv.Atoi(server.do("PTTL", key))
		if !strings.HasPrefix(key, "osc-gw:") || server.do("TYPE", key) != "list" || err != nil || left <= 0 || left > 3_600_000 {
			t.Errorf("%s is a %s that expires in %d ms", key, server.do("TYPE", key), left)
		}
	}
}

func TestARecordWhoseTTLWasTakenAwayEndsAllTheSame(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{CacheTTL: 2 * time.Hour})
	b.awaitTracking(t, 1)
	b.mustCreate(t, 1, "one")
	server.do("PERSIST", recordKey(redisName(1)))
	b.awaitCopy(t, 1)
	b.pass(time.Hour + time.Millisecond)
	if _, err := b.Load(t.Context(), redisName(1)); !errors.Is(err, tokens.ErrAbsent) {
		t.Errorf("Load: %v", err)
	}
	if err := b.Replace(t.Context(), redisName(1), b.record(2, "two")); !errors.Is(err, tokens.ErrAbsent) {
		t.Errorf("Replace: %v", err)
	}
	b.mustCreate(t, 1, "again")
}

func TestALeaseWhoseTTLWasTakenAwayIsFree(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{})
	if err := b.Lease(t.Context(), redisName(1), "gone", time.Second); err != nil {
		t.Fatal(err)
	}
	server.do("PERSIST", leaseKey(redisName(1)))
	if err := b.Lease(t.Context(), redisName(1), "next", time.Second); err != nil {
		t.Error(err)
	}
}

func TestForeignValuesAreUnknownAndHarmOnlyTheirName(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{})
	key := recordKey(redisName(1))
	for name, plant := range map[string][]string{
		"a string":               {"SET", key, "x"},
		"a hash":                 {"HSET", key, "field", "x"},
		"a set":                  {"SADD", key, "x"},
		"a record that is short": {"RPUSH", key, "short"},
	} {
		t.Run(name, func(t *testing.T) {
			server.do("FLUSHALL")
			b.mustCreate(t, 2, "fine")
			server.do(plant...)
			_, loadErr := b.Load(t.Context(), redisName(1))
			for call, err := range map[string]error{
				"Load":    loadErr,
				"Create":  b.Create(t.Context(), redisName(1), b.record(1, "x")),
				"Replace": b.Replace(t.Context(), redisName(1), b.record(2, "x")),
			} {
				wantUnknown(t, call, err)
			}
			if got := eachSealed(t, b); len(got) != 1 || got[0] != "fine" {
				t.Errorf("visited %q", got)
			}
			if record, err := b.Load(t.Context(), redisName(2)); err != nil || string(record.Sealed) != "fine" {
				t.Errorf("the other record: %v", err)
			}
		})
	}
	server.do("SET", leaseKey(redisName(1)), "x")
	wantUnknown(t, "Lease", b.Lease(t.Context(), redisName(1), "me", time.Second))
	wantUnknown(t, "Release", b.Release(t.Context(), redisName(1), "me"))
}

func TestRedisAfterFlushIsEmptyForCertain(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{})
	b.awaitTracking(t, 1)
	b.mustCreate(t, 1, "one")
	b.awaitCopy(t, 1)
	server.do("FLUSHALL")
	eventually(t, "absent", func() error {
		if _, err := b.Load(t.Context(), redisName(1)); !errors.Is(err, tokens.ErrAbsent) {
			return fmt.Errorf("Load: %v", err)
		}
		return nil
	})
}

func TestAClosedRedisSaysSo(t *testing.T) {
	for name, use := range map[string]bool{"used": true, "never used": false} {
		t.Run(name, func(t *testing.T) {
			b := openBench(t, startRedis(t).url(), RedisConfig{})
			if use {
				b.awaitTracking(t, 1)
			}
			_ = b.Close()
			_, err := b.Load(t.Context(), redisName(1))
			wantUnknown(t, "Load", err)
			wantUnknown(t, "Create", b.Create(t.Context(), redisName(1), b.record(1, "x")))
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func (b *redisBench) mustCreate(t *testing.T, n int, sealed string) {
	t.Helper()
	if err := b.Create(t.Context(), redisName(n), b.record(1, sealed)); err != nil {
		t.Fatalf("Create: %v", err)
	}
}

// wantUnknown fails unless an error says that the store does not know.
func wantUnknown(t *testing.T, call string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", call)
	}
	for _, certain := range []error{
		tokens.ErrAbsent, tokens.ErrExists, tokens.ErrConflict, tokens.ErrHeld, tokens.ErrFull, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, certain) {
			t.Errorf("%s: %v, which claims to know", call, err)
		}
	}
}

func eachSealed(t *testing.T, b *redisBench) (sealed []string) {
	t.Helper()
	if err := b.Each(t.Context(), func(_ tokens.Name, record tokens.Record) error {
		sealed = append(sealed, string(record.Sealed))
		return nil
	}); err != nil {
		t.Fatalf("Each: %v", err)
	}
	return sealed
}

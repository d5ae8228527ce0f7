package stores

import (
	"bytes"
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// BenchmarkRedisLoad reads a record whose sealed part has 1,100 bytes: a copy,
// and from the server one after the other and 32 side by side.
func BenchmarkRedisLoad(b *testing.B) {
	server := startRedis(b)
	for name, ttl := range map[string]time.Duration{"copy": time.Minute, "server": -1} {
		store, err := OpenRedis(server.url(), RedisConfig{CacheTTL: ttl})
		if err != nil {
			b.Fatal(err)
		}
		record := tokens.Record{Generation: 1, Expires: time.Now().Add(time.Hour), Sealed: bytes.Repeat([]byte{1}, 1100)}
		if err := store.Create(b.Context(), redisName(len(name)), record); err != nil {
			b.Fatal(err)
		}
		key := redisName(len(name))
		load := func(b *testing.B) {
			if _, err := store.Load(context.Background(), key); err != nil {
				b.Error(err)
			}
		}
		b.Run(name+", one after the other", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				load(b)
			}
		})
		b.Run(name+", 32 side by side", func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					load(b)
				}
			})
		})
		_ = store.Close()
	}
}

func TestARecordTakesLittleMemory(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{})
	for sealed, most := range map[int]int{990: 1300, 1060: 1600, 1100: 1600} {
		server.do("FLUSHALL")
		b.mustCreate(t, 1, string(bytes.Repeat([]byte{1}, sealed)))
		used, err := strconv.Atoi(server.do("MEMORY", "USAGE", recordKey(redisName(1))))
		t.Logf("%d bytes sealed take %d", sealed, used)
		if err != nil || used > most {
			t.Errorf("%d bytes sealed take %d, more than %d (%v)", sealed, used, most, err)
		}
	}
}

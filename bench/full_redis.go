package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/stores"
)

// redis starts a server of this scenario's own.
func (l *lab) redis(ctx context.Context) (*redis, error) {
	server, err := newRedis()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(l.dir, "redis-")
	if err != nil {
		return nil, err
	}
	if err := l.startRedis(ctx, server, dir); err != nil {
		server.stop()
		return nil, err
	}
	return server, nil
}

// usedMemory is what the server says its data takes, with all its overhead.
func (s *redis) usedMemory() (int64, error) {
	conn, err := net.DialTimeout("tcp", s.address, patience)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if _, err := conn.Write([]byte("INFO memory\r\n")); err != nil {
		return 0, err
	}
	return parseUsedMemory(bufio.NewReader(conn))
}

// parseUsedMemory reads the answer up to the line it is about.
func parseUsedMemory(r *bufio.Reader) (int64, error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return 0, fmt.Errorf("redis says nothing of its memory: %w", err)
		}
		if value, found := strings.CutPrefix(line, "used_memory:"); found {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
}

// redisSessions asks what a session takes in Redis.
func redisSessions(ctx context.Context, l *lab) error {
	server, err := l.redis(ctx)
	if err != nil {
		return err
	}
	defer server.stop()
	store, err := stores.OpenRedis(server.url(), stores.RedisConfig{CacheTTL: -1})
	if err != nil {
		return err
	}
	defer store.Close()
	vault, p := l.vault(store, nil), l.newPopulation("127.0.0.1:1")
	if err := l.settle(ctx, p, vault, visitors, 1); err != nil { // connections and scripts
		return err
	}
	before, err := server.usedMemory()
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := l.freely(ctx, func() error { return l.settle(ctx, p, vault, l.o.sessions, 128) }); err != nil {
		return err
	}
	tell("redis: sessions written per second", "%.0f", float64(l.o.sessions)/time.Since(begun).Seconds())
	after, err := server.usedMemory()
	if err != nil {
		return err
	}
	atMost("redis: bytes per session, used_memory", float64(after-before)/float64(l.o.sessions), 1300, "%.0f B")
	return nil
}

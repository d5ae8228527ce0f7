package main

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

// subjects are opened one after the other.
var subjects = []func(address string) (subject, error){
	func(a string) (subject, error) { return goRedis("go-redis, miss, one after the other", 1, a) },
	func(a string) (subject, error) { return rueidisMiss("rueidis, miss, one after the other", 1, false, a) },
	func(a string) (subject, error) {
		return rueidisMiss("rueidis, miss, one after the other, always pipelining", 1, true, a)
	},
	func(a string) (subject, error) { return goRedis("go-redis, miss, 32 side by side", 32, a) },
	func(a string) (subject, error) {
		return goRedisPipelined("go-redis, miss, 32 side by side, autopipeline", 32, a)
	},
	func(a string) (subject, error) { return rueidisMiss("rueidis, miss, 32 side by side", 32, false, a) },
	func(a string) (subject, error) { return goRedisCached("go-redis, client-side cache hit", 1, a) },
	func(a string) (subject, error) { return rueidisCached("rueidis, client-side cache hit", 1, a) },
}

func goRedis(name string, workers int, address string) (subject, error) {
	c := goredis.NewClient(&goredis.Options{Addr: address, PoolSize: workers, DisableIdentity: true, ContextTimeoutEnabled: true})
	return subject{name, workers, func(ctx context.Context) (int, error) {
		value, err := c.LIndex(ctx, list, 0).Bytes()
		return len(value), err
	}, func() { _ = c.Close() }}, nil
}

func goRedisPipelined(name string, workers int, address string) (subject, error) {
	c := goredis.NewClient(&goredis.Options{Addr: address, PoolSize: workers, DisableIdentity: true, ContextTimeoutEnabled: true})
	pipelined, err := c.AutoPipeline()
	if err != nil {
		return subject{}, err
	}
	return subject{name, workers, func(ctx context.Context) (int, error) {
		value, err := pipelined.LIndex(ctx, list, 0).Bytes()
		return len(value), err
	}, func() { _ = c.Close() }}, nil
}

func goRedisCached(name string, workers int, address string) (subject, error) {
	c := goredis.NewClient(&goredis.Options{
		Addr: address, Protocol: 3, DisableIdentity: true, ClientSideCacheConfig: &goredis.ClientSideCacheConfig{},
	})
	return subject{name, workers, func(ctx context.Context) (int, error) {
		value, err := c.LIndex(ctx, list, 0).Bytes()
		return len(value), err
	}, func() { _ = c.Close() }}, nil
}

func rueidisMiss(name string, workers int, always bool, address string) (subject, error) {
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{address}, DisableCache: true, PipelineMultiplex: -1, AlwaysPipelining: always,
	})
	if err != nil {
		return subject{}, err
	}
	return subject{name, workers, func(ctx context.Context) (int, error) {
		value, err := c.Do(ctx, c.B().Lindex().Key(list).Index(0).Build()).AsBytes()
		return len(value), err
	}, c.Close}, nil
}

func rueidisCached(name string, workers int, address string) (subject, error) {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{address}, PipelineMultiplex: -1})
	if err != nil {
		return subject{}, err
	}
	return subject{name, workers, func(ctx context.Context) (int, error) {
		value, err := c.DoCache(ctx, c.B().Lindex().Key(list).Index(0).Cache(), time.Minute).AsBytes()
		return len(value), err
	}, c.Close}, nil
}

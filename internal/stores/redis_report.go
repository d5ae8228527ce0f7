package stores

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// RedisReport is what a server tells of itself. Servers keep some of it to
// themselves: what they do not tell is empty.
type RedisReport struct {
	Server    string // like "Redis 7.2.4"
	Cluster   bool
	MaxMemory string // in bytes; "0" is as much as there is
	// Eviction is what the server does when MaxMemory is reached. Anything but
	// noeviction deletes sessions then.
	Eviction string
	// Persistence is what survives the server's end: append-only, snapshots, none.
	Persistence string
	// Ahead is how far the server's clock is ahead of this machine's.
	Ahead time.Duration
	// Untracked says why the server does not announce changes; nil if it does.
	// Every request then reads its session from the server.
	Untracked error
}

// Report asks the server, of a cluster one of them, about itself. It changes
// nothing there.
func (r *Redis) Report(ctx context.Context) (RedisReport, error) {
	report, err := redisCall(ctx, r, "report", "", false, func(ctx context.Context, c *redisClient) (RedisReport, error) {
		info, err := c.info(ctx)
		if err != nil {
			return RedisReport{}, err
		}
		report := RedisReport{
			Server: serverOf(info), Cluster: c.cluster,
			MaxMemory: info["maxmemory"], Eviction: info["maxmemory_policy"], Persistence: persistence(ctx, c, info),
		}
		asked := r.now()
		if theirs, err := c.time(ctx); err == nil {
			report.Ahead = theirs.Sub(asked.Add(r.now().Sub(asked) / 2))
		}
		report.Untracked = r.triesTracking(c)
		return report, nil
	})
	if report.Untracked != nil {
		report.Untracked = errors.New(r.censored(report.Untracked.Error()))
	}
	return report, err
}

// triesTracking opens a connection on which changes are announced, and closes it.
func (r *Redis) triesTracking(c *redisClient) error {
	tracked, err := r.options.openTracked(c.address, c.cluster, func([]tokens.Name) {})
	if err == nil {
		tracked.close()
	}
	return err
}

func serverOf(info map[string]string) string {
	if version := info["valkey_version"]; version != "" {
		return "Valkey " + version
	}
	return "Redis " + cmp.Or(info["redis_version"], "of an unknown version")
}

func persistence(ctx context.Context, c *redisClient, info map[string]string) string {
	if info["aof_enabled"] == "1" {
		return "append-only"
	}
	points, err := c.setting(ctx, "save")
	switch {
	case err != nil:
		return ""
	case points == "":
		return "none"
	default:
		return "snapshots"
	}
}

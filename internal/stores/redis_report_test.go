package stores

import (
	"strings"
	"testing"
	"time"
)

func TestAServerReportsHowItIsSetUp(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want RedisReport
	}{
		"as it comes": {nil, RedisReport{MaxMemory: "0", Eviction: "noeviction", Persistence: "none"}},
		"a cache":     {[]string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", "--save", "60 1"}, RedisReport{MaxMemory: "104857600", Eviction: "allkeys-lru", Persistence: "snapshots"}},
		"a log":       {[]string{"--appendonly", "yes"}, RedisReport{MaxMemory: "0", Eviction: "noeviction", Persistence: "append-only"}},
		"a secretive one": {[]string{"--rename-command", "CONFIG", "", "--rename-command", "TIME", ""},
			RedisReport{MaxMemory: "0", Eviction: "noeviction"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := startRedis(t, test.args...)
			store, err := OpenRedis(s.url(), RedisConfig{})
			must(t, err)
			defer store.Close()
			report, err := store.Report(t.Context())
			must(t, err)
			if !strings.HasPrefix(report.Server, "Redis ") && !strings.HasPrefix(report.Server, "Valkey ") || report.Server == "Redis of an unknown version" {
				t.Errorf("it calls itself %q", report.Server)
			}
			if report.Ahead.Abs() > time.Hour { // one machine, one clock
				t.Errorf("it is %v ahead", report.Ahead)
			}
			report.Server, report.Ahead = "", 0
			if report != test.want {
				t.Errorf("%+v", report)
			}
		})
	}
}

func TestAServerThatDoesNotAnnounceChangesReportsIt(t *testing.T) {
	s := startRedis(t)
	s.do("ACL", "SETUSER", "default", "-client|tracking")
	store, err := OpenRedis(s.url(), RedisConfig{})
	must(t, err)
	defer store.Close()
	report, err := store.Report(t.Context())
	must(t, err)
	if report.Untracked == nil {
		t.Errorf("%+v", report)
	}
}

package stores

import (
	"slices"
	"strings"
	"testing"
)

func TestRedisURLs(t *testing.T) {
	for raw, want := range map[string]struct {
		hosts          string
		user, password string
		database       int
		tls            bool
	}{
		"redis://localhost:6379":                         {hosts: "localhost:6379"},
		"redis://localhost":                              {hosts: "localhost:6379"},
		"rediss://cache.example.com:6380/2":              {hosts: "cache.example.com:6380", database: 2, tls: true},
		"redis://:secret@h:1":                            {hosts: "h:1", password: "secret"},
		"redis://user:secret@h:1/":                       {hosts: "h:1", user: "user", password: "secret"},
		"redis://us%40er:s%2Fe%3Ac%25ret@h:1":            {hosts: "h:1", user: "us@er", password: "s/e:c%ret"},
		"redis://user:a@b/c:d@h:1/3":                     {hosts: "h:1", user: "user", password: "a@b/c:d", database: 3},
		"redis://a:1,b:2,c/4":                            {hosts: "a:1 b:2 c:6379", database: 4},
		"redis://[::1]:7000":                             {hosts: "[::1]:7000"},
		"redis://[fe80::1%eth0],[::1]":                   {hosts: "[fe80::1%eth0]:6379 [::1]:6379"},
		"redis://acme-cache.valkey-io-valkey.svc:6379/0": {hosts: "acme-cache.valkey-io-valkey.svc:6379"},
	} {
		got, err := ParseRedisURL(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if !slices.Equal(got.Hosts, strings.Fields(want.hosts)) || got.Username != want.user || got.Password.Reveal() != want.password ||
			got.Database != want.database || got.TLS != want.tls {
			t.Errorf("%s = %v %q %q %d %v", raw, got.Hosts, got.Username, got.Password.Reveal(), got.Database, got.TLS)
		}
		if strings.Contains(got.String(), "secret") {
			t.Errorf("%s shows %s", raw, got)
		}
	}
}

func TestRedisURLsThatAreRefusedSayWhyAndNotWhat(t *testing.T) {
	for raw, want := range map[string]string{
		"":                               "begins with redis://",
		"localhost:6379":                 "begins with redis://",
		"http://hunter2@h":               "begins with redis://",
		"redis://":                       "host 1 of the Redis URL: the host is missing",
		"redis://a:1,,b:2":               "host 2 of the Redis URL: the host is missing",
		"redis://:6379":                  "the host is missing",
		"redis://h:":                     "port",
		"redis://h:0":                    "port",
		"redis://h:65536":                "port",
		"redis://user:hunter2":           "port",
		"redis://hunter2@h:1":            "user:password",
		"redis://:@h:1":                  "password in the Redis URL is empty",
		"redis://user:hun%zzter2@h:1":    "written %25",
		"redis://h:1/zero":               "database",
		"redis://h:1/-1":                 "database",
		"redis://h:1/0/1":                "database",
		"redis://h:1/0?password=hunter2": "no parameters",
		"redis://::1:6379":               "brackets",
		"redis://[hunter2]:6379":         "only an IPv6 address",
		"redis://h o:1":                  "characters no host name has",
		"redis://{env.REDIS}":            "characters no host name has",
	} {
		_, err := ParseRedisURL(raw)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", raw, err, want)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: shows the password: %v", raw, err)
		}
		if store, err := OpenRedis(raw, RedisConfig{}); err == nil {
			_ = store.Close()
			t.Errorf("%s: opened", raw)
		}
	}
}

func FuzzParseRedisURL(f *testing.F) {
	for _, seed := range []string{
		"redis://u:swordfish@h:1/2", "rediss://:swordfish@a,b:2", "redis://swordfish@[::1]", "redis://u:swordfish", "redis://u:%zzswordfish@h",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		parsed, err := ParseRedisURL(raw)
		if err != nil {
			if strings.Contains(err.Error(), "swordfish") {
				t.Fatalf("shows the password: %v", err)
			}
			return
		}
		if len(parsed.Hosts) == 0 || slices.Contains(parsed.Hosts, "") {
			t.Fatalf("%q: hosts %q", raw, parsed.Hosts)
		}
		again, err := ParseRedisURL(parsed.String())
		if err != nil || !slices.Equal(again.Hosts, parsed.Hosts) || again.Database != parsed.Database || again.TLS != parsed.TLS {
			t.Fatalf("%q: %s is read as %v, %v", raw, parsed, again, err)
		}
	})
}

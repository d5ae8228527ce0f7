package integration

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"
)

// commandCount finds how often a command was called in what Redis says.
var commandCount = regexp.MustCompile(`(?m)^cmdstat_(lindex|lset|rpush|lrange|eval|evalsha|exists|del|get|set|scan|keys):calls=(\d+)`)

func TestAttack2Floods(t *testing.T) {
	t.Parallel()
	s := newAttack2Stored(t, "")
	alice := s.record(t, "alice")
	s.works(t, s.with(t, alice), "alice")
	used := func() string {
		return fmt.Sprint(commandCount.FindAllString(s.redis.bytes(t, "INFO", "commandstats"), -1))
	}
	flood := func(name string, times int, one func(i int) error) {
		t.Run(name, func(t *testing.T) {
			keys, before := len(s.redis.records(t)), used()
			crowd(t, name, times, 8, one)
			if now := used(); now != before {
				t.Errorf("the store was asked: %s, before %s", now, before)
			}
			if now := len(s.redis.records(t)); now != keys {
				t.Errorf("%d records, before %d", now, keys)
			}
			s.works(t, s.with(t, alice), "alice")
		})
	}
	ask := func(v *visitor, target string, headers http.Header, want int) error {
		got, err := v.try(http.MethodGet, target, headers, "")
		if err == nil && got.Status != want {
			err = fmt.Errorf("%v", got)
		}
		return err
	}
	anybody := s.attack2.with(t, "")
	flood("CK-024 forged sessions", 500, func(int) error {
		forged := attack2Forged(len(s.held(alice.visitor)))
		return ask(s.attack2.with(t, s.name()+"="+forged), "/studio", scripted, http.StatusUnauthorized)
	})
	flood("ST-021 sign-ins that begin", 100, func(i int) error {
		return ask(anybody, fmt.Sprint("/auth/signin?return_to=/", i), navigation, http.StatusFound)
	})
	flood("ST-021 callbacks of nobody", 100, func(i int) error {
		return ask(anybody, fmt.Sprintf("/auth/callback?code=c%d&state=%s%06d", i, someState[:37], i), navigation, http.StatusFound)
	})
}

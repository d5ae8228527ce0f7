package integration

import (
	bigendian "encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

const attack2Head = 16 // bytes of a record that are the store's, not sealed

func TestAttack2StoredRecords(t *testing.T) {
	t.Parallel()
	s := newAttack2Stored(t, "")
	alice, bob := s.record(t, "alice"), s.record(t, "bob")
	put := func(r attack2Record, value string) {
		t.Helper()
		s.redis.bytes(t, "DEL", r.key)
		s.redis.bytes(t, "RPUSH", r.key, value)
	}
	gone := func(t *testing.T, what, value string) {
		t.Helper()
		put(alice, value)
		s.becomes(t, what, s.with(t, alice), http.StatusUnauthorized)
	}
	for name, attack := range map[string]func(*testing.T){
		"ST-001 a bit turned, anywhere": func(t *testing.T) {
			for i := attack2Head; i < len(alice.value); i++ {
				turned := []byte(alice.value)
				turned[i] ^= 1 << (i % 8)
				gone(t, fmt.Sprint("byte ", i), string(turned))
			}
		},
		"ST-001 a bit turned in what is the store's": func(t *testing.T) {
			for i := range attack2Head {
				turned := []byte(alice.value)
				turned[i] ^= 1 << (i % 8)
				put(alice, string(turned))
				s.becomes(t, fmt.Sprint("byte ", i), s.with(t, alice), http.StatusUnauthorized, http.StatusOK)
			}
		},
		"ST-002 cut, anywhere": func(t *testing.T) {
			for i := attack2Head; i < len(alice.value); i++ {
				gone(t, fmt.Sprint(i, " bytes"), alice.value[:i])
			}
		},
		"ST-002 less than a record": func(t *testing.T) { // unknown is not signed out
			for i := range attack2Head {
				put(alice, alice.value[:i])
				s.becomes(t, fmt.Sprint(i, " bytes"), s.with(t, alice), http.StatusUnauthorized, http.StatusServiceUnavailable)
			}
		},
		"ST-003 somebody else's": func(t *testing.T) {
			put(bob, alice.value)
			gone(t, "bob's bytes", bob.value)
			s.becomes(t, "alice's bytes", s.with(t, bob), http.StatusUnauthorized)
			put(bob, bob.value)
		},
		"ST-003 somebody else's, with one's own head": func(t *testing.T) {
			gone(t, "bob's bytes", alice.value[:attack2Head]+bob.value[attack2Head:])
		},
		"ST-005 another version": func(t *testing.T) {
			gone(t, "the version", alice.value[:attack2Head]+"\xff"+alice.value[attack2Head+1:])
		},
		"ST-005 garbage behind it": func(t *testing.T) { gone(t, "garbage", alice.value+strings.Repeat("x", 1000)) },
		"ST-006 a set": func(t *testing.T) {
			s.redis.bytes(t, "DEL", alice.key)
			s.redis.bytes(t, "SADD", alice.key, alice.value)
			s.becomes(t, "a set", s.with(t, alice), http.StatusUnauthorized, http.StatusServiceUnavailable)
			s.redis.bytes(t, "DEL", alice.key)
		},
		"ST-006 a hash": func(t *testing.T) {
			s.redis.bytes(t, "DEL", alice.key)
			s.redis.bytes(t, "HSET", alice.key, "w", alice.value)
			s.becomes(t, "a hash", s.with(t, alice), http.StatusUnauthorized, http.StatusServiceUnavailable)
			s.redis.bytes(t, "DEL", alice.key)
		},
		"ST-008 a dump": func(t *testing.T) {
			for _, key := range s.redis.records(t) {
				dump := key + s.redis.bytes(t, "LINDEX", key, "0")
				s.canaries.absent(t, "the store", []byte(dump))
				for _, clear := range []string{"alice", "bob", "acme", s.held(alice.visitor)} {
					if strings.Contains(dump, clear) {
						t.Errorf("%q is in the store: %q", clear, dump)
					}
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			attack(t)
			put(alice, alice.value)
			eventually(t, "alice is back", func() bool { return s.with(t, alice).open("/studio").Status == http.StatusOK })
			s.works(t, s.with(t, alice), "alice")
			s.works(t, s.with(t, bob), "bob")
		})
	}
}

func attack2StoredLives(t *testing.T) {
	s := newAttack2Stored(t, "\t\tsession_lifetime 4s\n")
	used, forged := s.record(t, "alice"), s.record(t, "bob")
	rows := map[string]func(*testing.T){}
	for name, r := range map[string]attack2Record{"CK-015 in use all the time": used, "ST-007 kept by force": forged} {
		rows[name] = func(t *testing.T) {
			s.redis.bytes(t, "PERSIST", r.key)
			if r.user == "bob" {
				later := []byte(r.value)
				bigendian.BigEndian.PutUint64(later[8:], uint64(time.Now().Add(time.Hour).UnixMilli()))
				s.redis.bytes(t, "LSET", r.key, "0", string(later))
			}
			got := s.until(t, s.with(t, r), &attack2Grant{name: "api/rooms"}, http.StatusUnauthorized)
			// Only the sealed end is left of the one that was kept by force.
			if why := readProblem(t, got).Reason; why != "session_expired" && (why != "no_session" || r.user == "bob") {
				t.Errorf("%s", why)
			}
			s.turnedAway(t, s.with(t, r))
		}
	}
	attack2AtOnce(t, rows)
}

// Refreshes of the past: a snapshot of the store comes back.
func attack2StoredPast(t *testing.T) {
	s := newAttack2Stored(t, "")
	s.osc.SetKnobs(func(k *simulator.Knobs) { k.Token.AccessLifetimeSeconds = 3 })
	rows := map[string]func(*testing.T){}
	for i, name := range []string{"ST-019 a snapshot", "ST-024 an older record while a refresh runs"} {
		r := s.record(t, []string{"alice", "bob"}[i])
		rows[name] = func(t *testing.T) {
			eventually(t, "a refresh was stored", func() bool { return s.redis.bytes(t, "LINDEX", r.key, "0") != r.value })
			if i == 1 {
				s.osc.SetKnobs(func(k *simulator.Knobs) {
					k.Faults = []simulator.Fault{{Kind: simulator.FaultDelay, Scope: simulator.ScopeRefresh, DelayMS: 200}}
				})
			}
			s.redis.bytes(t, "LSET", r.key, "0", r.value)
			v := s.with(t, r)
			got := s.until(t, v, &attack2Grant{name: "api/rooms"}, http.StatusUnauthorized, http.StatusServiceUnavailable)
			if why := readProblem(t, got).Reason; why != "refresh_rejected" {
				t.Errorf("%s", why)
			}
			for range 5 {
				s.turnedAway(t, v)
			}
		}
	}
	attack2AtOnce(t, rows)
	if n := s.osc.Counters().ReuseDetected; n != 2 {
		t.Errorf("old tokens were sent %d times for two sessions", n)
	}
}

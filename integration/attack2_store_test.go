package integration

import (
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// attack2Stored is a world with a Redis whose contents an attacker can change.
type attack2Stored struct {
	*attack2
	redis *redisServer
}

func newAttack2Stored(t testing.TB, more string) attack2Stored {
	t.Helper()
	redis := newRedis(t)
	s := attack2Stored{newAttack2(t, setup{global: redis.store() + more, env: []string{"OSC_GATEWAY_KEY=" + gatewayKey}}), redis}
	s.canaries.note(planted, gatewayKey)
	s.browser(t).open("/") // the client is registered
	return s
}

// attack2Record is somebody's session, and where it is stored.
type attack2Record struct {
	*visitor
	user, key, value string
}

func (s attack2Stored) record(t testing.TB, user string) attack2Record {
	t.Helper()
	r := attack2Record{visitor: s.browser(t), user: user}
	r.key = s.redis.added(t, func() { s.as(user, func() { r.signIn("/") }) })
	r.value = s.redis.bytes(t, "LINDEX", r.key, "0")
	return r
}

// with is a visitor who keeps showing the same cookie.
func (s attack2Stored) with(t testing.TB, r attack2Record) *visitor {
	t.Helper()
	return s.attack2.with(t, s.name()+"="+s.held(r.visitor))
}

// becomes waits until the gateway has heard of a change, and wants one of some
// statuses for it then.
func (s attack2Stored) becomes(t testing.TB, what string, v *visitor, want ...int) {
	t.Helper()
	eventually(t, what, func() bool {
		got := v.fetch(http.MethodGet, "/api/rooms")
		if !slices.Contains(want, got.Status) && got.Status != http.StatusOK {
			t.Fatalf("%s: %v", what, got)
		}
		return slices.Contains(want, got.Status)
	})
}

func attack2StoreThatRefuses(t *testing.T) {
	s := newAttack2Stored(t, "")
	resident := s.record(t, "alice")
	for name, c := range map[string]struct{ trouble, mend [][]string }{
		"ST-014 OOM":      {[][]string{{"CONFIG", "SET", "maxmemory", "1"}}, [][]string{{"CONFIG", "SET", "maxmemory", "0"}}},
		"ST-014 READONLY": {[][]string{{"REPLICAOF", "127.0.0.1", "1"}}, [][]string{{"REPLICAOF", "NO", "ONE"}}},
		"ST-014 NOAUTH": {
			[][]string{{"CONFIG", "SET", "requirepass", marker}, {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}},
			[][]string{{"CONFIG", "SET", "requirepass", ""}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tell := redisSession(t, s.redis) // one connection: who is in, stays in
			s.tryTrouble(t, resident, func() { tell(c.trouble) })
			tell(c.mend)
			eventually(t, "it works again", func() bool { return s.with(t, resident).fetch(http.MethodGet, "/api/rooms").Status == http.StatusOK })
			eventually(t, "sign-ins do too", func() bool {
				v := s.browser(t)
				return v.signIn("/studio").Status == http.StatusOK && s.held(v) != ""
			})
		})
	}
	t.Run("ST-015 FLUSHALL", func(t *testing.T) {
		v := s.with(t, resident)
		s.redis.bytes(t, "FLUSHALL")
		s.becomes(t, "nothing is there", v, http.StatusUnauthorized)
		page := v.open("/studio")
		if page.Status != http.StatusFound || !strings.Contains(strings.Join(page.Header["Set-Cookie"], "\n"), s.name()+"=; Path=/; Max-Age=0") {
			t.Errorf("%v with %q", page, page.Header["Set-Cookie"])
		}
		s.works(t, s.mustSignIn(t), "alice")
	})
	t.Run("ST-011 down at the start", func(t *testing.T) {
		s.gateway.stop()
		s.redis.kill()
		s.gateway.launch("run", "--config", s.gateway.config, "--adapter", "caddyfile")
		v := s.browser(t)
		eventually(t, "it listens", func() bool {
			_, err := v.try(http.MethodGet, "/assets/a.js", navigation, "")
			return err == nil
		})
		if got := v.open("/assets/a.js"); got.Status != http.StatusOK {
			t.Errorf("a public page: %v", got)
		}
		got := s.with(t, resident).fetch(http.MethodGet, "/api/rooms")
		if err := unavailable(got, nil, "store_unavailable"); err != nil {
			t.Error(err)
		}
		s.redis.start()
		eventually(t, "it works without a restart", func() bool { return s.browser(t).open("/studio").Status == http.StatusFound })
		s.works(t, s.mustSignIn(t), "alice")
	})
}

// mustSignIn is a new visitor who is signed in as alice.
func (s attack2Stored) mustSignIn(t testing.TB) *visitor {
	t.Helper()
	v := s.browser(t)
	if page := v.signIn("/studio"); page.Status != http.StatusOK {
		t.Error(page)
	}
	return v
}

// redisSession sends commands in one connection.
func redisSession(t testing.TB, s *redisServer) func([][]string) {
	t.Helper()
	conn, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func(commands [][]string) {
		t.Helper()
		for _, words := range commands {
			if _, err := conn.ask(words...); err != nil {
				t.Fatalf("%q: %v", words, err)
			}
		}
	}
}

// tryTrouble signs in while the store refuses something: nobody is signed in
// whose session was not stored, and nobody is signed out.
func (s attack2Stored) tryTrouble(t *testing.T, resident attack2Record, trouble func()) {
	t.Helper()
	v := s.browser(t)
	callback := v.toCallback(v.open("/studio"))
	trouble()
	got := v.open(callback)
	if got.Status != http.StatusServiceUnavailable || s.held(v) != "" {
		t.Errorf("%v, and the cookie is %q", got, s.held(v))
	}
	s.own(t, got)
	for range 10 {
		got := s.with(t, resident).fetch(http.MethodGet, "/api/rooms")
		if got.Status == http.StatusOK {
			continue
		}
		if err := unavailable(got, nil, "store_unavailable"); err != nil {
			t.Error(err)
		}
	}
}

func TestAttack2StoreFile(t *testing.T) {
	t.Parallel()
	a := newAttack2(t, setup{})
	a.session(t, "alice")
	t.Run("ST-018 who may read it", func(t *testing.T) {
		kept := 0
		err := filepath.WalkDir(filepath.Join(a.gateway.dir, "home"), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.Contains(path, "osc_auth") {
				return err
			}
			info, err := entry.Info()
			if kept++; err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return err
		})
		if err != nil || kept < 2 {
			t.Errorf("%d files and directories, %v", kept, err)
		}
	})
}

func TestAttack2MemoryStore(t *testing.T) {
	t.Parallel()
	a := newAttack2(t, setup{global: "\t\tstore memory 2\n"})
	first := a.browser(t)
	first.signIn("/")
	t.Run("ST-022 more people than there is room for", func(t *testing.T) {
		kept := []*visitor{first}
		var turnedAway *visitor
		for range 4 {
			v := a.browser(t)
			callback := v.toCallback(v.open("/studio"))
			if got := v.open(callback); a.held(v) == "" {
				if got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, "too_many_sessions") {
					t.Errorf("%v", got)
				}
				a.own(t, got)
				turnedAway = v
				continue
			}
			kept = append(kept, v)
		}
		if turnedAway == nil || len(kept) > 2 {
			t.Errorf("%d are signed in", len(kept))
		}
		for _, v := range kept {
			a.works(t, v, "alice")
		}
		a.signedOut(t, turnedAway)
	})
	t.Run("ST-020 twenty reloads under load", func(t *testing.T) {
		done, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			for {
				select {
				case <-done:
					ended <- nil
					return
				default:
				}
				got, err := first.try(http.MethodGet, "/api/rooms", scripted, "")
				if dropped(err) { // as browsers do, once more
					got, err = first.try(http.MethodGet, "/api/rooms", scripted, "")
				}
				if err == nil && got.Status != http.StatusOK {
					err = fmt.Errorf("%v", got)
				}
				if err != nil {
					ended <- err
					return
				}
			}
		}()
		for i := range 20 {
			a.configure(fmt.Sprintf("\t\tstore memory 2\n\t\tidle_timeout %dh\n", 1+i%2), "")
			if output, status := a.reload(); status != 0 {
				t.Error(output)
			}
		}
		close(done)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		a.works(t, first, "alice")
	})
}

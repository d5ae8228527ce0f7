package stores

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
	"github.com/Eyevinn/osc-gateway/internal/tokens/tokenstest"
)

// A redisServer is a real one, on a free port of loopback, with its files in a
// directory of the test.
type redisServer struct {
	t       testing.TB
	address string
	args    []string
	db      int
	tls     *tls.Config
	command *exec.Cmd
	output  bytes.Buffer
}

func redisProgram(t testing.TB) string {
	t.Helper()
	if program := os.Getenv("OSC_GATEWAY_TEST_REDIS"); program != "" {
		return program
	}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	t.Fatal("there is no redis-server in the PATH: run scripts/setup-tests, which installs it")
	return ""
}

// startRedis starts a server; args configure it.
func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	s := &redisServer{t: t, address: freeAddress(t)}
	_, port, _ := net.SplitHostPort(s.address)
	s.args = append([]string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", t.TempDir()}, args...)
	s.run()
	t.Cleanup(s.kill)
	return s
}

// freeAddress is a port nobody listens on, and nobody below 10,000 above it:
// where the bus of a cluster goes.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := listener.Addr().(*net.TCPAddr).Port
		_ = listener.Close()
		if port > 55_000 {
			port -= 20_000
		}
		address, bus := net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), net.JoinHostPort("127.0.0.1", strconv.Itoa(port+10_000))
		if free(address) && free(bus) {
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}

func free(address string) bool {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	_ = listener.Close()
	return true
}

func (s *redisServer) run() {
	s.t.Helper()
	s.output.Reset()
	s.command = exec.Command(redisProgram(s.t), s.args...)
	s.command.Stdout, s.command.Stderr = &s.output, &s.output
	if err := s.command.Start(); err != nil {
		s.t.Fatalf("starting Redis: %v (scripts/setup-tests installs it)", err)
	}
	eventually(s.t, "Redis listens", func() error {
		conn, err := net.DialTimeout("tcp", s.address, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

// kill ends the server at once, frozen or not.
func (s *redisServer) kill() {
	if s.command.Process != nil && s.command.ProcessState == nil {
		_ = s.command.Process.Kill()
		_ = s.command.Wait()
	}
}

func (s *redisServer) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.command.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

func (s *redisServer) url() string { return "redis://" + s.address }

// do sends a command and gives its answer as text.
func (s *redisServer) do(args ...string) string {
	s.t.Helper()
	answer, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("%s: %v", args[0], err)
	}
	return answer
}

func (s *redisServer) try(args ...string) (string, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{s.address}, DisableCache: true, ForceSingleClient: true, Password: s.password(), SelectDB: s.db, TLSConfig: s.tls,
		Dialer: net.Dialer{Timeout: 3 * time.Second},
	})
	if client != nil {
		defer client.Close()
	}
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	message, err := client.Do(ctx, client.B().Arbitrary(args...).Build()).ToMessage()
	if err != nil {
		return "", err
	}
	answer, err := message.ToAny()
	return fmt.Sprint(answer), err
}

func (s *redisServer) password() string {
	for i, arg := range s.args {
		if arg == "--requirepass" {
			return s.args[i+1]
		}
	}
	return ""
}

// luaPass makes time pass for the keys of a server.
const luaPass = `
for _, key in ipairs(redis.call('KEYS', '*')) do
	local left = redis.call('PTTL', key)
	if left >= 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end
end
return 1`

// A redisBench is a store whose time is in the test's hands, and its servers'.
type redisBench struct {
	*Redis
	time *clock
	log  *syncBuffer
}

func (b *redisBench) pass(d time.Duration, servers ...*redisServer) {
	b.time.Advance(d)
	for _, s := range servers {
		s.do("EVAL", luaPass, "0", strconv.FormatInt(d.Milliseconds(), 10))
	}
}

func openBench(t *testing.T, url string, config RedisConfig) *redisBench {
	t.Helper()
	b := &redisBench{time: newClock(), log: &syncBuffer{}}
	config.Now = b.time.Now
	config.Log = slog.New(slog.NewTextHandler(b.log, nil))
	store, err := OpenRedis(url, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	b.Redis = store
	return b
}

// open gives the suite a store on emptied servers.
func (b *redisBench) open(servers ...*redisServer) func(*testing.T) tokenstest.Bench {
	return func(t *testing.T) tokenstest.Bench {
		for _, s := range servers {
			s.do("FLUSHALL")
		}
		return tokenstest.Bench{Store: b.Redis, Now: b.time.Now, Advance: func(d time.Duration) { b.pass(d, servers...) }}
	}
}

func (b *redisBench) record(generation uint64, sealed string) tokens.Record {
	return tokens.Record{Generation: generation, Expires: b.time.Now().Add(time.Hour), Sealed: []byte(sealed)}
}

// isTracking tells whether all masters announce their changes.
func (b *redisBench) isTracking(masters int) error {
	sound := 0
	for _, tracked := range b.routes.Load().all {
		if tracked.sound() {
			sound++
		}
	}
	if sound != masters {
		return fmt.Errorf("%d of %d masters are tracked", sound, masters)
	}
	return nil
}

func (b *redisBench) awaitTracking(t *testing.T, masters int) {
	t.Helper()
	_, _ = b.Load(t.Context(), redisName(0)) // the first use connects
	eventually(t, "tracking", func() error { return b.isTracking(masters) })
}

// cached reads a record and tells whether there is a copy of it then.
func (b *redisBench) cached(name tokens.Name) bool {
	_, _ = b.Load(context.Background(), name)
	tracked := b.routes.Load().toRecord(name)
	if tracked == nil {
		return false
	}
	_, _, hit := tracked.copyOf(name, b.time.Now())
	return hit
}

// awaitCopy reads until there is a copy: the announcement of the record's own
// creation may be on its way.
func (b *redisBench) awaitCopy(t *testing.T, n int) {
	t.Helper()
	eventually(t, "a copy", func() error {
		if !b.cached(redisName(n)) {
			return errors.New("none")
		}
		return nil
	})
}

func redisName(n int) (name tokens.Name) {
	copy(name[:], fmt.Sprintf("%d of the test", n))
	return name
}

// eventually polls until there is no error, for ten seconds.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	var err error
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(10 * time.Second)
	for {
		if err = check(); err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%s: not within ten seconds: %v", what, err)
		case <-poll.C:
		}
	}
}

type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

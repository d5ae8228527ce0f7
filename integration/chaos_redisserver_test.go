package integration

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// redisServer is a real Redis or Valkey with a directory of its own.
type redisServer struct {
	t       testing.TB
	address string
	dir     string
	args    []string
	cmd     *exec.Cmd
}

// newRedis starts a server; by default it keeps nothing on disk.
func newRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	s := &redisServer{t: t, address: freeAddress(t), dir: t.TempDir(), args: args}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// durable makes a server lose nothing it has answered for.
var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

// store is the line that has a gateway use it.
func (s *redisServer) store() string { return sharedStore("redis://" + s.address) }

func sharedStore(url string) string {
	return "\t\tstore redis " + url + "\n\t\tkey {env.OSC_GATEWAY_KEY}\n"
}

func (s *redisServer) start() {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.address)
	path := program(s.t, "OSC_GATEWAY_TEST_REDIS", "redis-server", "valkey-server")
	s.cmd = exec.Command(path, append([]string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", s.dir}, s.args...)...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "Redis answers", func() bool {
		answer, err := s.command("PING")
		return err == nil && answer == "+PONG"
	})
}

// kill ends the server at once, frozen or not.
func (s *redisServer) kill() {
	if s.cmd.ProcessState == nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
	}
}

// empty removes what a killed server has kept.
func (s *redisServer) empty() {
	s.t.Helper()
	entries, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, entry := range entries {
		if err := os.RemoveAll(entry); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *redisServer) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Error(err)
	}
}

func (s *redisServer) freeze() { s.t.Helper(); s.signal(syscall.SIGSTOP) }
func (s *redisServer) thaw()   { s.t.Helper(); s.signal(syscall.SIGCONT) }

// command sends a command and returns the first line of the answer.
func (s *redisServer) command(words ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", s.address, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(conn, "%s\r\n", strings.Join(words, " ")); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

func (s *redisServer) must(want string, words ...string) {
	s.t.Helper()
	if got, err := s.command(words...); err != nil || got != want {
		s.t.Fatalf("%q: %s %v", words, got, err)
	}
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// redis is a server that keeps one subject's sessions and nothing on disk.
type redis struct {
	program
	address string
	user    string   // who the gateway signs in as; "" for nobody
	options []string // what the server is started with besides
	silent  bool     // whether it announces no changes, so that it is asked at each request
}

// redisNames are what such a server is called.
var redisNames = []string{"redis-server", "valkey-server"}

var errNoRedis = errors.New("there is no redis-server: apt-get install redis-server (macOS: brew install redis)")

// redisProgram finds a server.
func redisProgram() (string, error) {
	for _, name := range redisNames {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoRedis
}

// newRedis is a server to be started with its subject.
func newRedis() (*redis, error) {
	address, err := freeAddress()
	return &redis{address: address}, err
}

const redisPassword = "bench"

// newSilentRedis is one that lets the gateway do all but have writes announced.
// A gateway that hears of no changes asks for the session at each request.
func newSilentRedis() (*redis, error) {
	server, err := newRedis()
	if err != nil {
		return nil, err
	}
	server.user, server.silent = "gateway", true
	server.options = []string{"--user", server.user, "on", ">" + redisPassword, "~*", "&*", "+@all", "-client|tracking"}
	return server, nil
}

// url is what a gateway calls it.
func (s *redis) url() string {
	u := url.URL{Scheme: "redis", Host: s.address}
	if s.user != "" {
		u.User = url.UserPassword(s.user, redisPassword)
	}
	return u.String()
}

// startRedis starts a server on the subjects' processor and waits for it.
func (r *rig) startRedis(ctx context.Context, s *redis, dir string) error {
	path, err := redisProgram()
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return err
	}
	args := []string{path, "--bind", host, "--port", port, "--dir", dir, "--save", "", "--appendonly", "no", "--logfile", ""}
	if s.program, err = r.spawn(ctx, dir, []string{"HOME=" + dir}, append(args, s.options...)); err != nil {
		return err
	}
	if err := s.listening(ctx, s.address); err != nil {
		return fmt.Errorf("%s: %w; it wrote:\n%s", filepath.Base(path), err, s.wrote())
	}
	return nil
}

// commands asks how many commands the server has answered before this one; 0
// where there is none.
func (s *redis) commands(ctx context.Context) (int, error) {
	if s == nil {
		return 0, nil
	}
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(conn, "INFO stats\r\n"); err != nil {
		return 0, err
	}
	reply := bufio.NewReader(conn)
	head, err := reply.ReadString('\n')
	if err != nil {
		return 0, err
	}
	size, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(head), "$"))
	if err != nil || size < 0 {
		return 0, fmt.Errorf("redis answered %q", head)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(reply, text); err != nil {
		return 0, err
	}
	return commandsIn(string(text))
}

// commandsIn reads the answer to INFO stats.
func commandsIn(info string) (int, error) {
	_, rest, found := strings.Cut(info, "total_commands_processed:")
	if !found {
		return 0, errors.New("redis does not say how many commands it had")
	}
	line, _, _ := strings.Cut(rest, "\n")
	return strconv.Atoi(strings.TrimSpace(line))
}

// A gateway that has sessions at hand asks rarely: for proofs that the server
// is there, and to say which sessions were used.
const rarely = 0.05

var errOtherPath = errors.New("that is not what was to be measured")

// checkAsked tells whether the server was asked as often as it is there to show.
func (s *redis) checkAsked(w window) error {
	each := w.askedEach()
	if s.silent && each < 1 || !s.silent && each > rarely {
		return fmt.Errorf("redis had %.2f commands for each request: %w", each, errOtherPath)
	}
	return nil
}

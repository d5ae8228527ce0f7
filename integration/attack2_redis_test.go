package integration

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// attack2RedisError is what the server answers in place of a result.
type attack2RedisError string

func (e attack2RedisError) Error() string { return string(e) }

// redisConn is a connection to a server.
type redisConn struct {
	net.Conn
	answers *bufio.Reader
}

func (s *redisServer) dial() (*redisConn, error) {
	conn, err := net.DialTimeout("tcp", s.address, time.Second)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	return &redisConn{conn, bufio.NewReader(conn)}, nil
}

// ask sends a command of any bytes and returns all of the answer: strings,
// numbers as strings, and lists of these in a row; nil is "".
func (c *redisConn) ask(words ...string) ([]string, error) {
	var command strings.Builder
	fmt.Fprintf(&command, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&command, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(c, command.String()); err != nil {
		return nil, err
	}
	return readRESP(c.answers)
}

// ask is one command in a connection of its own.
func (s *redisServer) ask(words ...string) ([]string, error) {
	conn, err := s.dial()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ask(words...)
}

func readRESP(r *bufio.Reader) ([]string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, rest := line[0], strings.TrimRight(line[1:], "\r\n")
	switch kind {
	case '+', ':':
		return []string{rest}, nil
	case '-':
		return nil, attack2RedisError(rest)
	}
	n, err := strconv.Atoi(rest)
	if err != nil {
		return nil, err
	}
	if kind == '$' {
		if n < 0 {
			return []string{""}, nil
		}
		text := make([]byte, n+2)
		_, err := io.ReadFull(r, text)
		return []string{string(text[:n])}, err
	}
	if kind != '*' {
		return nil, errors.New("not RESP: " + line)
	}
	var all []string
	for range max(0, n) {
		one, err := readRESP(r)
		if err != nil {
			return nil, err
		}
		all = append(all, one...)
	}
	return all, nil
}

// bytes is ask for a command that works and has one answer.
func (s *redisServer) bytes(t testing.TB, words ...string) string {
	t.Helper()
	all, err := s.ask(words...)
	if err != nil || len(all) != 1 {
		t.Fatalf("%q: %q %v", words, all, err)
	}
	return all[0]
}

// records are the keys of what the gateways keep: sessions and registrations
// look the same from outside.
func (s *redisServer) records(t testing.TB) []string {
	t.Helper()
	all, err := s.ask("KEYS", "osc-gw:s:*")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// added is the one record that comes into being meanwhile.
func (s *redisServer) added(t testing.TB, meanwhile func()) string {
	t.Helper()
	before := map[string]bool{}
	for _, key := range s.records(t) {
		before[key] = true
	}
	meanwhile()
	var added []string
	for _, key := range s.records(t) {
		if !before[key] {
			added = append(added, key)
		}
	}
	if len(added) != 1 {
		t.Fatalf("records were added: %q", added)
	}
	return added[0]
}

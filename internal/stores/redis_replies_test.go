package stores

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startRefuser starts a server that knows no RESP3 and answers all that would
// read or write with one error.
func startRefuser(t *testing.T, refusal string) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go refuse(conn, refusal)
		}
	}()
	return "redis://" + listener.Addr().String()
}

func refuse(conn net.Conn, refusal string) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for {
		command, err := readCommand(reader)
		if err != nil {
			return
		}
		answer := "-" + refusal + "\r\n"
		switch strings.ToUpper(command[0]) {
		case "HELLO", "CLIENT", "CLUSTER":
			answer = fmt.Sprintf("-ERR unknown command '%s'\r\n", command[0])
		case "ROLE":
			answer = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
		case "PING":
			answer = "+PONG\r\n"
		}
		if _, err := conn.Write([]byte(answer)); err != nil {
			return
		}
	}
}

func readCommand(reader *bufio.Reader) ([]string, error) {
	line := func() (string, error) {
		text, err := reader.ReadString('\n')
		return strings.TrimRight(text, "\r\n"), err
	}
	head, err := line()
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(head, "*"))
	if err != nil {
		return nil, err
	}
	command := make([]string, n)
	for i := range command {
		if _, err = line(); err != nil {
			return nil, err
		}
		if command[i], err = line(); err != nil {
			return nil, err
		}
	}
	return command, nil
}

func TestWhatAServerRefusesIsUnknown(t *testing.T) {
	for _, refusal := range []string{
		"READONLY You can't write against a read only replica.",
		"OOM command not allowed when used memory > 'maxmemory'.",
		"LOADING Redis is loading the dataset in memory",
		"NOAUTH Authentication required.",
		"NOPERM this user has no permissions",
		"MOVED 3999 127.0.0.1:1",
		"ASK 3999 127.0.0.1:1",
		"CLUSTERDOWN The cluster is down",
		"MASTERDOWN Link with MASTER is down",
		"MISCONF Redis is configured to save RDB snapshots",
		"BUSY Redis is busy running a script",
		"ERR something else",
	} {
		t.Run(refusal, func(t *testing.T) {
			t.Parallel()
			b := openBench(t, startRefuser(t, refusal), RedisConfig{})
			b.wantAllGiveUp(t)
		})
	}
}

func TestAServerThatIsFullKeepsWhatItHas(t *testing.T) {
	server := startRedis(t, "--maxmemory-policy", "noeviction")
	b := openBench(t, server.url(), RedisConfig{})
	b.mustCreate(t, 1, "one")
	server.do("CONFIG", "SET", "maxmemory", "1")
	wantUnknown(t, "Create", b.Create(t.Context(), redisName(2), b.record(1, "two")))
	wantUnknown(t, "Replace", b.Replace(t.Context(), redisName(1), b.record(2, "two")))
	wantUnknown(t, "Lease", b.Lease(t.Context(), redisName(1), "me", time.Second))
	if record, err := b.Load(t.Context(), redisName(1)); err != nil || string(record.Sealed) != "one" {
		t.Errorf("Load = %q, %v", record.Sealed, err)
	}
	server.do("CONFIG", "SET", "maxmemory", "0")
	b.mustCreate(t, 2, "two")
}

func TestAScriptThatWasFlushedIsSentAgain(t *testing.T) {
	server := startRedis(t)
	b := openBench(t, server.url(), RedisConfig{})
	b.mustCreate(t, 1, "one")
	server.do("SCRIPT", "FLUSH")
	b.mustCreate(t, 2, "two")
}

package main

import (
	"errors"
	"net"
	"strings"
	"testing"
)

func TestCommandsIn(t *testing.T) {
	for name, test := range map[string]struct {
		info string
		want int
		bad  bool
	}{
		"the line among others": {"# Stats\r\ntotal_connections_received:3\r\ntotal_commands_processed:1234\r\nx:1\r\n", 1234, false},
		"the last line":         {"total_commands_processed:0", 0, false},
		"a server without it":   {"# Stats\r\n", 0, true},
		"something else there":  {"total_commands_processed:many\r\n", 0, true},
		"nothing":               {"", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := commandsIn(test.info); got != test.want || (err != nil) != test.bad {
				t.Errorf("commandsIn = %v, %v", got, err)
			}
		})
	}
}

func TestAGatewayMustAskAsOftenAsItIsThereToShow(t *testing.T) {
	for name, test := range map[string]struct {
		silent          bool
		requests, asked int
		good            bool
	}{
		"one that has all at hand":         {false, 1000, 3, true},
		"one that had to ask too often":    {false, 1000, 100, false},
		"one that asks though it need not": {false, 1000, 1000, false},
		"one that asks each time":          {true, 1000, 1003, true},
		"one that did not always ask":      {true, 1000, 999, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := (&redis{silent: test.silent}).checkAsked(window{requests: test.requests, asked: test.asked})
			if (err == nil) != test.good || err != nil && !errors.Is(err, errOtherPath) {
				t.Errorf("checkAsked = %v", err)
			}
		})
	}
}

func TestCommandsAsksTheServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 100))
		_, _ = conn.Write([]byte("$31\r\ntotal_commands_processed:1000\r\n\r\n"))
	}()
	got, err := (&redis{address: listener.Addr().String()}).commands(t.Context())
	if got != 1000 || err != nil {
		t.Errorf("commands = %v, %v", got, err)
	}
}

func TestASilentRedisLetsTheGatewayDoAllElse(t *testing.T) {
	server, err := newSilentRedis()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := server.url(), "redis://gateway:bench@"+server.address; got != want {
		t.Errorf("url = %s, want %s", got, want)
	}
	if got := strings.Join(server.options, " "); !strings.HasSuffix(got, "+@all -client|tracking") {
		t.Errorf("options = %s", got)
	}
}

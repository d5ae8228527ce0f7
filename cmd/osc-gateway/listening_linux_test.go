package main

import (
	"net"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPortsThatAGroupListensAt(t *testing.T) {
	var want []int
	for range 2 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		want = append(want, listener.Addr().(*net.TCPAddr).Port)
		// What is connected does not listen.
		connection, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		if at := connection.LocalAddr().(*net.TCPAddr).Port; slices.Contains(listeningPorts(unix.Getpgrp()), at) {
			t.Errorf("%d is a client's", at)
		}
	}
	slices.Sort(want)
	got := listeningPorts(unix.Getpgrp())
	for _, port := range want {
		if !slices.Contains(got, port) {
			t.Errorf("%v without %d", got, port)
		}
	}
	if other := listeningPorts(1 << 30); len(other) != 0 {
		t.Errorf("a group that is not there: %v", other)
	}
}

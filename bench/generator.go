package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// visitors is how many users there are, each with one connection.
const visitors = 32

// patience is how long an answer may take; a subject that needs it is broken.
const patience = 10 * time.Second

// visitor is one user's browser: a connection kept alive and one request that
// is sent again and again. It speaks HTTP/1.1 by itself, as net/http's client
// costs as much as what is to be measured.
type visitor struct {
	address string
	request []byte
	conn    net.Conn
	reader  *bufio.Reader
}

func newVisitor(address, path, cookie string) *visitor {
	request := "GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\n" +
		"User-Agent: osc-gateway-bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n"
	if cookie != "" {
		request += "Cookie: " + cookie + "\r\n"
	}
	return &visitor{address: address, request: []byte(request + "\r\n")}
}

func (v *visitor) connect(ctx context.Context) error {
	if v.conn != nil {
		return nil
	}
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", v.address)
	if err != nil {
		return err
	}
	v.conn, v.reader = conn, bufio.NewReaderSize(conn, 4096)
	return nil
}

func (v *visitor) close() {
	if v.conn != nil {
		v.conn.Close()
	}
}

// get sends the request and reads the answer.
func (v *visitor) get() error {
	if _, err := v.conn.Write(v.request); err != nil {
		return err
	}
	return readAnswer(v.reader)
}

var (
	statusOK      = []byte("HTTP/1.1 200 ")
	contentLength = []byte("content-length")
)

// readAnswer reads an answer that must be the upstream's, whole.
func readAnswer(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, statusOK) {
		return fmt.Errorf("answer %q", bytes.TrimSpace(line))
	}
	length := -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, contentLength) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length != answerBytes {
		return fmt.Errorf("an answer of %d bytes instead of %d", length, answerBytes)
	}
	_, err = r.Discard(length)
	return err
}

// crowd is all visitors of one subject.
type crowd []*visitor

func (c crowd) close() {
	for _, v := range c {
		v.close()
	}
}

// prepare opens the connections and bounds how long answers may take.
func (c crowd) prepare(ctx context.Context, length time.Duration) error {
	for _, v := range c {
		if err := v.connect(ctx); err != nil {
			return err
		}
		if err := v.conn.SetDeadline(time.Now().Add(length + patience)); err != nil {
			return err
		}
	}
	return nil
}

// closedLoop has every visitor send its next request as soon as it has the
// answer to the one before, and returns how many were answered. All answers
// are in when it returns. A single failure is an error.
func (c crowd) closedLoop(ctx context.Context, length time.Duration) (int, error) {
	if err := c.prepare(ctx, length); err != nil {
		return 0, err
	}
	var stop atomic.Bool
	defer time.AfterFunc(length, func() { stop.Store(true) }).Stop()
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	counts, failures := make([]int, len(c)), make([]error, len(c))
	var wait sync.WaitGroup
	for i, v := range c {
		wait.Go(func() {
			for !stop.Load() {
				if failures[i] = v.get(); failures[i] != nil {
					stop.Store(true)
					return
				}
				counts[i]++
			}
		})
	}
	wait.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return total, errors.Join(append(failures, ctx.Err())...)
}

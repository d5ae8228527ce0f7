package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// asker is a connection for requests that are all different, and whose answers
// may be anything.
type asker struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
}

func (a *asker) close() {
	if a.conn != nil {
		a.conn.Close()
		a.conn = nil
	}
}

// ask sends a request and returns the answer's status.
func (a *asker) ask(request []byte) (int, error) {
	if a.conn == nil {
		conn, err := net.DialTimeout("tcp", a.address, patience)
		if err != nil {
			return 0, err
		}
		a.conn, a.reader = conn, bufio.NewReaderSize(conn, 4096)
	}
	if err := a.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if _, err := a.conn.Write(request); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(a.reader, nil)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	if response.Close {
		a.close()
	}
	return response.StatusCode, err
}

// maxAgain is how often a request is repeated whose connection was closed.
const maxAgain = 10

// persist repeats a request on a new connection where the one it had was closed
// without an answer, as browsers and balancers do.
func (a *asker) persist(request []byte) (status, again int, err error) {
	for ; ; again++ {
		if status, err = a.ask(request); err == nil || again == maxAgain || !isDropped(err) {
			return status, again, err
		}
		a.close()
	}
}

func isDropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNREFUSED)
}

// request is what a visitor's browser sends.
func request(address, path, cookie, more string) []byte {
	if cookie != "" {
		more += "Cookie: " + cookie + "\r\n"
	}
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: osc-gateway-bench\r\n" + more + "\r\n")
}

// asScript is how a page's own requests look, which are never redirected.
const asScript = "Accept: */*\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Site: same-origin\r\n"

// flood sends so many requests over so many connections and wants one status of
// all. It returns how long each took.
func flood(ctx context.Context, address string, n, atOnce, want int, of func(i int) ([]byte, error)) ([]time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	times := make([]time.Duration, n)
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, atOnce) {
		all.Go(func() {
			a := &asker{address: address}
			defer a.close()
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				bytes, err := of(i)
				if err != nil {
					cancel(err)
					return
				}
				begun := time.Now()
				status, err := a.ask(bytes)
				times[i] = time.Since(begun)
				if err == nil && status != want {
					err = fmt.Errorf("request %d was answered with %d instead of %d", i, status, want)
				}
				if err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	all.Wait()
	return times, context.Cause(ctx)
}

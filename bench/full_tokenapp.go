package main

import (
	"bytes"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
)

// tokenApp is an app that knows which tokens have had their time.
type tokenApp struct {
	address string
	server  *http.Server
	had     map[string]bool // old ones; not changed while it serves
	body    []byte

	fresh, stale, missing atomic.Int64
}

func newTokenApp(had map[string]bool) (*tokenApp, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &tokenApp{address: listener.Addr().String(), had: had, body: bytes.Repeat([]byte("x"), answerBytes)}
	a.server = &http.Server{Handler: a}
	go a.server.Serve(listener) // ends with close
	return a, nil
}

func (a *tokenApp) close() { a.server.Close() }

// ServeHTTP answers everything alike and counts by the token that came.
func (a *tokenApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch values := r.Header[tokenHeader]; {
	case len(values) != 1 || values[0] == "":
		a.missing.Add(1)
	case a.had[values[0]]:
		a.stale.Add(1)
	default:
		a.fresh.Add(1)
	}
	w.Header()["Content-Length"] = []string{strconv.Itoa(answerBytes)}
	_, _ = w.Write(a.body) // an error here is a client that went away
}

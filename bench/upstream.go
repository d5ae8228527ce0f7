package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

// answerBytes is the size of an answer's body.
const answerBytes = 1024

// tokenHeader is the field tokens arrive in, as net/http spells it.
const tokenHeader = "X-Pat-Jwt"

// upstream is the app behind all subjects. It knows which token belongs to
// which path and counts the requests that came with another one.
type upstream struct {
	address string
	server  *http.Server
	body    []byte

	expected atomic.Pointer[map[string]string] // by path; replaced as a whole
	right    atomic.Int64
	wrong    atomic.Int64

	mu   sync.Mutex
	seen map[string]string // what came on paths of which nothing is known yet
}

func newUpstream() (*upstream, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &upstream{
		address: listener.Addr().String(), body: bytes.Repeat([]byte("x"), answerBytes), seen: map[string]string{},
	}
	u.expected.Store(&map[string]string{})
	u.server = &http.Server{Handler: u}
	go u.server.Serve(listener) // ends with close
	return u, nil
}

func (u *upstream) close() { u.server.Close() }

// ServeHTTP answers everything alike and takes note of the token.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tokens := r.Header[tokenHeader]
	expected, known := (*u.expected.Load())[r.URL.Path]
	switch {
	case known && isExactly(tokens, expected):
		u.right.Add(1)
	case known:
		u.wrong.Add(1)
	default:
		u.wrong.Add(1)
		u.mu.Lock()
		u.seen[r.URL.Path] = r.Header.Get(tokenHeader)
		u.mu.Unlock()
	}
	header := w.Header()
	header["Content-Type"] = []string{"application/octet-stream"}
	header["Content-Length"] = []string{strconv.Itoa(answerBytes)}
	_, _ = w.Write(u.body) // an error here is a client that went away
}

// isExactly tells whether a field was sent once with this value; "" stands for
// not at all.
func isExactly(values []string, expected string) bool {
	if expected == "" {
		return len(values) == 0
	}
	return len(values) == 1 && values[0] == expected
}

// expect says what every request to path must come with.
func (u *upstream) expect(path, value string) {
	next := map[string]string{path: value}
	for p, v := range *u.expected.Load() {
		if p != path {
			next[p] = v
		}
	}
	u.expected.Store(&next)
}

// saw returns what a request to a path not expected came with.
func (u *upstream) saw(path string) (string, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	value, ok := u.seen[path]
	return value, ok
}

func (u *upstream) reset() {
	u.right.Store(0)
	u.wrong.Store(0)
}

// requests is how many came since reset.
func (u *upstream) requests() int { return int(u.right.Load() + u.wrong.Load()) }

// check tells whether exactly so many requests came since reset, each with the
// token it had to come with.
func (u *upstream) check(requests int) error {
	right, wrong := int(u.right.Load()), int(u.wrong.Load())
	if wrong > 0 || right != requests {
		return fmt.Errorf("of %d requests %d reached the upstream with the right token and %d with a wrong one", requests, right, wrong)
	}
	return nil
}

package osc

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnAnswerIsReadUpToItsLimit(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write([]byte(`{"access_token":"a","token_type":"Bearer","x":"`))
	for range 8 << 10 {
		_, _ = z.Write(bytes.Repeat([]byte("a"), 1<<10))
	}
	_, _ = z.Write([]byte(`"}`))
	_ = z.Close()
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for chunk := bytes.Repeat([]byte("a"), 64<<10); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	for name, handle := range map[string]http.HandlerFunc{
		"a body without end":                endless,
		"a body without end with an error":  func(w http.ResponseWriter, q *http.Request) { w.WriteHeader(500); endless(w, q) },
		"a body that grows when unpacked":   answer(200, bomb.String(), "Content-Encoding", "gzip"),
		"a body that is just too long":      answer(200, strings.Repeat(" ", 1<<20-len(goodAnswer)+1)+goodAnswer),
		"a header without end to it":        func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) },
		"a header line more than permitted": answer(200, goodAnswer, "X", strings.Repeat("x", 128<<10)),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.server.on(tokenPath, handle)
			_, err := r.trade(t.Context())
			asError(t, err)
			checkAsked(t, r.server, tokenPath, 1)
		})
	}
	t.Run("a body that is just short enough", func(t *testing.T) {
		r := newRig(t)
		r.server.on(tokenPath, answer(200, strings.Repeat(" ", 1<<20-len(goodAnswer))+goodAnswer))
		if _, err := r.trade(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestACompressedAnswerIsRead(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(goodAnswer))
	_ = z.Close()
	r := newRig(t)
	r.server.on(tokenPath, answer(200, packed.String(), "Content-Encoding", "gzip"))
	if _, err := r.trade(t.Context()); err != nil {
		t.Error(err)
	}
}

func drip(w http.ResponseWriter, r *http.Request) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-second.C:
			_, _ = io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func TestNoCallLastsLongerThanItsLimit(t *testing.T) {
	for name, handle := range map[string]http.HandlerFunc{"an answer that never begins": silent, "an answer that never ends": drip} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, end := newBubbleRig(t)
				defer end()
				r.server.on(tokenPath, handle)
				r.server.on(registerPath, handle)
				for _, call := range []func() error{
					func() error { _, err := r.trade(context.Background()); return err },
					func() error { _, err := r.renew(context.Background()); return err },
					func() error { _, err := r.Register(context.Background(), "app", redirectURI); return err },
				} {
					began := time.Now()
					if e := asError(t, call()); e.Status != 0 || e.Malformed {
						t.Errorf("error is %+v", e)
					}
					if took := time.Since(began); took != callTimeout {
						t.Errorf("gave up after %v, want %v", took, callTimeout)
					}
				}
			})
		})
	}
}

func TestTheCallersDeadlineAndCancellationEndACall(t *testing.T) {
	for name, handle := range map[string]http.HandlerFunc{"an answer that never begins": silent, "an answer that never ends": drip} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			begun := make(chan struct{}, 1)
			r.server.on(tokenPath, func(w http.ResponseWriter, q *http.Request) { begun <- struct{}{}; handle(w, q) })
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-begun; cancel() }()
			if _, err := r.trade(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v, want cancelled", err)
			}
			late, done := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer done()
			if _, err := r.trade(late); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error is %v, want deadline exceeded", err)
			}
		})
	}
}

func TestTheProviderIsNotFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := newBubbleRig(t)
		defer end()
		var under, most atomic.Int64
		release := make(chan struct{})
		good := answer(200, goodAnswer)
		r.server.on(tokenPath, func(w http.ResponseWriter, q *http.Request) {
			now := under.Add(1)
			defer under.Add(-1)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			<-release
			good(w, q)
		})
		r.endpoints(context.Background())
		var callers sync.WaitGroup
		for range 3 * maxCalls {
			callers.Go(func() {
				if _, err := r.trade(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if got := under.Load(); got != maxCalls {
			t.Errorf("%d calls are under way, want %d", got, maxCalls)
		}
		impatient, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := r.trade(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for a turn ended with %v", err)
		}
		close(release)
		callers.Wait()
		if got := most.Load(); got != maxCalls {
			t.Errorf("%d calls were under way at once, want %d", got, maxCalls)
		}
		checkAsked(t, r.server, tokenPath, 3*maxCalls)
	})
}

func TestWaitingForATurnCountsTowardsTheLimitOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := newBubbleRig(t)
		defer end()
		r.endpoints(context.Background())
		r.server.on(tokenPath, silent)
		began := time.Now()
		var callers sync.WaitGroup
		for range 4 * maxCalls {
			callers.Go(func() { _, _ = r.trade(context.Background()) })
		}
		callers.Wait()
		if took := time.Since(began); took > callTimeout {
			t.Errorf("the last call gave up after %v, want %v", took, callTimeout)
		}
	})
}

func TestRegistrationsAreBounded(t *testing.T) {
	r := newRig(t)
	c := clientsOf(r)
	r.server.on(registerPath, r.server.register(nothing))
	for i := range maxRegistrations {
		checkFor(t, c, fmt.Sprint(redirectURI, i), fmt.Sprint("dyn-", i+1))
	}
	if _, err := c.For(t.Context(), redirectURI); !errors.Is(err, ErrTooManyClients) {
		t.Errorf("one too many: %v", err)
	}
	checkFor(t, c, fmt.Sprint(redirectURI, 0), "dyn-1")
	checkAsked(t, r.server, registerPath, maxRegistrations)
	r.clock.Advance(unknownAge)
	checkFor(t, c, fmt.Sprint(redirectURI, 0), fmt.Sprint("dyn-", maxRegistrations+1))
}

func TestRegistrationsAreBoundedHoweverManyAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := newBubbleRig(t)
		defer end()
		c := clientsOf(r)
		release := make(chan struct{})
		give := r.server.register(nothing)
		r.server.on(registerPath, func(w http.ResponseWriter, q *http.Request) { <-release; give(w, q) })
		var callers sync.WaitGroup
		for i := range 2 * maxRegistrations {
			callers.Go(func() {
				if _, err := c.For(context.Background(), fmt.Sprint(redirectURI, i)); err != nil && !errors.Is(err, ErrTooManyClients) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(release)
		callers.Wait()
		if got := len(c.registered); got != maxRegistrations {
			t.Errorf("%d registrations are kept, want %d", got, maxRegistrations)
		}
	})
}

package stores

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// crowded is how many calls may be under way on a tracking connection. Its queue
// has places for four times as many: a call that waits for a place would not
// notice that its context ended.
const crowded = 512

var errCrowded = errors.New("too many calls are under way")

// redisCall makes one call: over the connection that announces changes while
// that is sound, so that reads, writes and announcements come from one and the
// same server; else over the store's other one. A read that failed there is
// tried here; a write is not, unless the server says that it did nothing. A call
// that is about no key goes over the other one too.
func redisCall[T any](ctx context.Context, r *Redis, op, key string, again bool, f func(context.Context, *redisClient) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	patient, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	if tracked := r.routes.Load().to(key); key != "" && tracked != nil && tracked.sound() {
		value, err := overTracked(patient, tracked, f)
		if err == nil || patient.Err() != nil || !elsewhere(err, again) {
			return value, r.failure(ctx, op, err)
		}
	}
	value, err := within(patient, func(detached context.Context) (T, error) {
		client, err := r.client(detached)
		if err != nil {
			return none, err
		}
		return f(detached, client)
	})
	return value, r.failure(ctx, op, err)
}

// overTracked makes a call in the caller's own goroutine; not at all if the
// connection is crowded.
func overTracked[T any](ctx context.Context, tracked *tracking, f func(context.Context, *redisClient) (T, error)) (T, error) {
	if tracked.calls.Add(1) > crowded {
		tracked.calls.Add(-1)
		var none T
		return none, errCrowded
	}
	value, err := f(ctx, tracked.client)
	if ctx.Err() != nil {
		tracked.abandoned.Add(1) // its place is taken until the answer comes
	} else {
		tracked.calls.Add(-1)
	}
	return value, err
}

// elsewhere tells whether a call that failed may be made again: a read whose
// connection broke, or anything that was not done: not sent, or sent away because
// the key has moved.
func elsewhere(err error, again bool) bool {
	switch {
	case errors.Is(err, errNoValue), errors.Is(err, errForeignValue):
		return false
	case errors.Is(err, errCrowded):
		return true
	}
	if reply, ok := errors.AsType[*replyError](err); ok {
		return reply.code() == "MOVED" || reply.code() == "ASK"
	}
	return again
}

// within returns f's answer, or the context's error when that ends, even if f
// does not heed it: the client connects in the call that needs the connection,
// and lets others wait for that. What f is given does not end with the caller,
// so that one who hangs up takes no connection away from the others.
func within[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), redisPatience)
	go func() {
		defer cancel()
		value, err := f(detached)
		done <- outcome{value, err}
	}()
	select {
	case out := <-done:
		return out.value, out.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// failure turns the outcome of a call into the store's error: the caller's own
// context error where that ended, else a text. It is not the library's error:
// that may be another caller's "context canceled", and it may quote.
func (r *Redis) failure(ctx context.Context, op string, err error) error {
	if err == nil || errors.Is(err, errNoValue) {
		return err
	}
	r.heed(err)
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	text := err.Error()
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		text = "no answer in time"
	}
	return fmt.Errorf("redis: %s: %s", op, r.censored(text))
}

// censored takes the password out of a text, should a server repeat it.
func (r *Redis) censored(text string) string {
	if password := r.options.url.Password.Reveal(); password != "" {
		text = strings.ReplaceAll(text, password, "REDACTED")
	}
	return text
}

// heed acts upon answers that say that this is the wrong server to ask.
func (r *Redis) heed(err error) {
	var reply *replyError
	if !errors.As(err, &reply) {
		return
	}
	switch reply.code() {
	case "READONLY", "MASTERDOWN":
		r.renew.Store(true)
		r.look()
	case "MOVED", "CLUSTERDOWN":
		r.look()
	}
}

// look has the servers looked at anew, soon.
func (r *Redis) look() {
	select {
	case r.wake <- struct{}{}:
	default: // is going to happen
	}
}

package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// TestChaos lets everything happen that can, in random order, and asks that
// every session that could have been kept is. OSC_GATEWAY_CHAOS=long makes it
// long; a run that fails names the seed that OSC_GATEWAY_CHAOS_SEED repeats.
func TestChaos(t *testing.T) {
	if given := os.Getenv("OSC_GATEWAY_CHAOS_SEED"); given != "" {
		seed, err := strconv.ParseUint(given, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		chaos(t, seed)
		return
	}
	length := 2 * time.Second
	if os.Getenv("OSC_GATEWAY_CHAOS") == "long" {
		length = 5 * time.Minute
	}
	runs, seed := uint64(0), rand.Uint64()>>16
	t.Logf("seeds from %d", seed)
	for begun := time.Now(); time.Since(begun) < length && !t.Failed(); runs++ {
		chaos(t, seed+runs)
	}
	t.Logf("%d runs", runs)
}

func chaos(t *testing.T, seed uint64) {
	t.Run(fmt.Sprintf("OSC_GATEWAY_CHAOS_SEED=%d", seed), func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, rand.New(rand.NewPCG(seed, seed)))
			for range 2 {
				for range 60 {
					w.step()
					if t.Failed() {
						return
					}
				}
				w.calm()
			}
			if w.served == 0 {
				t.Error("nobody was ever served")
			}
			if strings.Contains(w.log.String(), canary) {
				t.Error("a secret was logged")
			}
		})
	})
}

// steps is what may happen, and how often.
var steps = []struct {
	weight int
	name   string
	do     func(w *world, m *member, b *browser)
}{
	{30, "a request", func(w *world, m *member, b *browser) { _ = w.request(w.t.Context(), m, b) }},
	{10, "a request nobody waits for", func(w *world, m *member, b *browser) {
		w.busy.Go(func() { _ = w.request(w.t.Context(), m, b) })
	}},
	{8, "many requests", func(w *world, _ *member, b *browser) { w.many(b) }},
	{6, "a request that is cancelled", func(w *world, m *member, b *browser) { w.cancelled(m, b) }},
	{1, "a sign-out", func(w *world, m *member, b *browser) { w.signOut(m, b) }},
	{1, "an end by the operator", func(w *world, m *member, b *browser) { w.end(m, b) }},
	{4, "a sign-in of whoever is out", func(w *world, _ *member, _ *browser) { w.signInAll() }},
	{20, "seconds", func(w *world, _ *member, _ *browser) { pass(time.Duration(w.random.Int64N(int64(30 * time.Second)))) }},
	{15, "minutes", func(w *world, _ *member, _ *browser) { pass(time.Duration(w.random.Int64N(int64(30 * time.Minute)))) }},
	{5, "the time until a refresh", func(w *world, _ *member, b *browser) { w.untilDue(b) }},
	{1, "hours", func(w *world, _ *member, _ *browser) { pass(time.Duration(w.random.Int64N(int64(13 * time.Hour)))) }},
	{12, "fine weather", func(w *world, _ *member, _ *browser) { w.turn(fine) }},
	{3, "a provider that fails", func(w *world, _ *member, _ *browser) { w.turn(failing) }},
	{2, "a provider that hangs", func(w *world, _ *member, _ *browser) { w.turn(hung) }},
	{2, "a provider that is slow", func(w *world, _ *member, _ *browser) { w.turn(tardy) }},
	{1, "a provider whose replies are lost", func(w *world, _ *member, _ *browser) { w.turn(lost) }},
	{1, "a provider that refuses", func(w *world, _ *member, _ *browser) { w.turn(refuse) }},
	{10, "a healed store", func(w *world, m *member, _ *browser) { w.healStore(m) }},
	{3, "a store that is away", func(w *world, m *member, _ *browser) { w.breakStore(m, down, everyOperation...) }},
	{3, "a store that takes no writes", func(w *world, m *member, _ *browser) { w.breakStore(m, down, "create", "replace", "delete") }},
	{2, "a store whose answers are lost", func(w *world, m *member, _ *browser) {
		w.breakStore(m, answerLost, "create", "replace", "delete", "lease")
	}},
	{2, "a store without leases", func(w *world, m *member, _ *browser) { w.breakStore(m, down, "lease", "release") }},
	{2, "a store that is slow", func(w *world, m *member, _ *browser) {
		w.breakStore(m, func(do func() error) error { pass(time.Second); return do() }, everyOperation...)
	}},
	{2, "a crash", func(w *world, m *member, _ *browser) { w.crash(w.memberNumber(m)) }},
	{1, "a new key", func(w *world, _ *member, _ *browser) { w.rotate() }},
}

func (w *world) step() {
	w.noteUses(w.random.IntN(2) == 0)
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	at := w.random.IntN(total)
	for _, s := range steps {
		if at -= s.weight; at < 0 {
			i, j := w.random.IntN(2), w.random.IntN(len(w.browsers))
			w.note("%s (replica %d, %s)", s.name, i, w.browsers[j].user)
			s.do(w, w.member(i), w.browsers[j])
			return
		}
	}
}

func (w *world) turn(to weather) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.weather, w.trouble = to, time.Now()
}

func (w *world) many(b *browser) {
	done := make(chan struct{})
	for i := range 20 {
		m := w.member(i % 2)
		go func() {
			_ = w.request(w.t.Context(), m, b)
			done <- struct{}{}
		}()
	}
	for range 20 {
		<-done
	}
}

func (w *world) cancelled(m *member, b *browser) {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Duration(w.random.Int64N(int64(2*time.Second))))
	w.busy.Go(func() {
		defer cancel()
		_ = w.request(ctx, m, b)
	})
}

// untilDue brings a moment at which the token is about to end.
func (w *world) untilDue(b *browser) {
	_, issued := w.provider.fate(b.user)
	if left := time.Until(issued.Add(strictAccess)) - time.Duration(w.random.Int64N(int64(6*time.Minute))); left > 0 {
		pass(left)
	}
}

func (w *world) signInAll() {
	for _, b := range w.browsers {
		w.mu.Lock()
		out := b.gone == yes || b.revoked == yes || b.ended || b.isPastLifetime()
		w.mu.Unlock()
		if out {
			w.signIn(b)
		}
	}
}

// calm makes all well and asks that all be well.
func (w *world) calm() {
	w.note("calm")
	w.turn(fine)
	for _, m := range w.members {
		w.healStore(m)
	}
	w.busy.Wait()
	pass(3 * time.Minute)
	for _, b := range w.browsers {
		for i, m := range w.members {
			err := w.request(w.t.Context(), m, b)
			var ended *tokens.Ended
			switch {
			case err == nil, errors.Is(err, tokens.ErrAbsent), errors.As(err, &ended):
			default:
				w.failf("%s is not served by replica %d when all is well: %v", b.user, i, err)
			}
		}
	}
	w.signInAll()
}

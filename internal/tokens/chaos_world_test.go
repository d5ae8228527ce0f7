package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/stores"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// world is two replicas over one store, a strict provider, some browsers, and
// what must hold of them.
type world struct {
	t        *testing.T
	random   *rand.Rand
	store    *stores.Memory
	provider *strict
	log      *lockedBuffer
	busy     sync.WaitGroup // requests nobody waits for

	mu       sync.Mutex
	weather  weather
	trouble  time.Time // when anything was last out of order
	calls    []*call
	keys     []byte
	users    int
	members  [2]*member
	browsers []*browser
	uses     []use
	trace    []string
	served   int
}

type weather int

const (
	fine    weather = iota
	failing         // 500
	hung
	lost   // processed, and the reply is lost
	tardy  // takes longer than a lease holds
	refuse // invalid_grant, whatever is sent
)

// member is one replica, until it crashes.
type member struct {
	*tokens.Vault
	world *world
	store *faultyStore

	// Guarded by the world's lock.
	dead    bool
	faulty  bool
	failure time.Time // of the last store call that failed
}

// call is one call of the token endpoint.
type call struct {
	refresh string
	by      *member
	at      time.Time
	done    bool
	err     error
}

func newWorld(t *testing.T, random *rand.Rand) *world {
	w := &world{t: t, random: random, store: stores.NewMemory(0, nil), provider: newStrict(time.Now), log: &lockedBuffer{}, keys: []byte{1}}
	t.Cleanup(func() { _ = w.store.Close() })
	for i := range w.members {
		w.members[i] = w.newMember()
	}
	for range 4 {
		w.browsers = append(w.browsers, &browser{})
		w.signIn(w.browsers[len(w.browsers)-1])
	}
	return w
}

func (w *world) newMember() *member {
	m := &member{world: w, store: newFaultyStore(w.store)}
	m.Vault = tokens.NewVault(tokens.VaultConfig{
		Store: m.store, Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	m.Adopt(tokens.Policy{Limits: limits, Refresher: m, Ring: newRing(w.t, w.keys...)})
	m.KeepAlive()
	w.t.Cleanup(func() { _ = m.Close(context.Background()) })
	return m
}

func (w *world) failf(format string, args ...any) {
	w.t.Errorf("%v: %s\nafter:\n%s", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...), strings.Join(w.trace, "\n"))
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, time.Now().Format("02 15:04:05 ")+fmt.Sprintf(format, args...))
}

// Refresh is the member's way to the provider, through the weather there is.
func (m *member) Refresh(ctx context.Context, _ tokens.Client, refresh secret.String) (tokens.Set, error) {
	c, weather := m.world.begin(m, refresh.Reveal())
	if c == nil {
		return tokens.Set{}, errWeather
	}
	set, err := m.world.through(ctx, weather, c.refresh)
	m.world.finish(c, err)
	return set, err
}

func (w *world) through(ctx context.Context, now weather, refresh string) (tokens.Set, error) {
	trade := func() (tokens.Set, error) { return w.provider.trade(refresh) }
	switch now {
	case failing:
		return tokens.Set{}, errWeather
	case hung:
		return hanging(ctx, trade)
	case lost:
		_, _ = trade()
		return tokens.Set{}, errWeather
	case tardy:
		return slow(tokens.LeaseTTL+5*time.Second)(ctx, trade)
	case refuse:
		w.provider.refuse(refresh)
	}
	return trade()
}

// begin notes a call. A refresh token may be sent again only if what became of
// it before is not known to those who are left.
func (w *world) begin(m *member, refresh string) (*call, weather) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.dead {
		return nil, fine
	}
	for _, before := range w.calls {
		if before.refresh == refresh && !before.isUnknown() {
			w.failf("%q was sent again; it had been sent at %v (%v)", refresh, before.at.Format(time.TimeOnly), before.err)
		}
	}
	c := &call{refresh: refresh, by: m, at: time.Now()}
	w.calls = append(w.calls, c)
	w.trace = append(w.trace, time.Now().Format("02 15:04:05 ")+fmt.Sprintf("  %d sends %s", w.memberNumber(m), strings.TrimPrefix(refresh, canary)))
	return c, w.weather
}

func (w *world) memberNumber(m *member) int {
	if m == w.members[0] {
		return 0
	}
	return 1
}

func (w *world) finish(c *call, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.done, c.err = true, err
}

func (c *call) isUnknown() bool {
	weather := c.done && c.err != nil && !errors.Is(c.err, tokens.ErrRejected)
	return weather || c.by.dead || !c.by.failure.Before(c.at)
}

// refuse ends a family for the provider's own reasons.
func (p *strict) refuse(refresh string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	user, _, _ := strings.Cut(strings.TrimPrefix(refresh, canary+"refresh "), "/")
	if f := p.families[user]; f.ended == "" {
		f.ended = "the provider refused it"
	}
}

// breakStore puts a fault in a member's way to the store.
func (w *world) breakStore(m *member, f fault, operations ...string) {
	w.mu.Lock()
	m.faulty = true
	w.mu.Unlock()
	m.store.put(func(do func() error) error {
		err := f(do)
		if errors.Is(err, errDown) {
			w.mu.Lock()
			m.failure = time.Now()
			w.mu.Unlock()
		}
		return err
	}, operations...)
}

func (w *world) healStore(m *member) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.faulty, w.trouble = false, time.Now()
	m.store.heal()
}

// crash replaces a member. What it held in memory is gone.
func (w *world) crash(i int) {
	w.mu.Lock()
	old := w.members[i]
	old.dead, w.trouble = true, time.Now()
	w.mu.Unlock()
	old.store.put(down, everyOperation...)
	fresh := w.newMember()
	w.mu.Lock()
	w.members[i] = fresh
	w.mu.Unlock()
}

// rotate brings a new master key to everybody in two steps, as documented.
func (w *world) rotate() {
	key := byte(len(w.keys) + 1)
	for _, ring := range [][]byte{append(append([]byte(nil), w.keys...), key), append([]byte{key}, w.keys...)} {
		for _, m := range w.members {
			m.Adopt(tokens.Policy{Limits: limits, Refresher: m, Ring: newRing(w.t, ring...)})
		}
		w.keys = ring
	}
}

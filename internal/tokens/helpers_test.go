package tokens_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/stores"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	site = "app.example.com"
	// canary begins every secret of these tests, so that one search finds a leak.
	canary = "canary-"
)

var limits = tokens.Limits{Idle: 12 * time.Hour, Lifetime: 7 * 24 * time.Hour}

var client = tokens.Client{ID: "the-client", Secret: secret.New(canary + "client")}

// grant is the nth set of tokens, good for an hour.
func grant(n int) tokens.Set {
	return tokens.Set{
		Access: secret.New(fmt.Sprint(canary, "access-", n)), Refresh: secret.New(fmt.Sprint(canary, "refresh-", n)),
		Lifetime: time.Hour, User: "ada", Tenant: "acme",
	}
}

func access(n int) string { return grant(n).Access.Reveal() }

func refreshToken(n int) string { return grant(n).Refresh.Reveal() }

// clock is a clock in the test's hand. It stands still, or runs with the
// bubble's; moving it by hand is a jump.
type clock struct {
	base   func() time.Time
	mu     sync.Mutex
	offset time.Duration
}

func standing() *clock {
	now := time.Now()
	return &clock{base: func() time.Time { return now }}
}

func running() *clock { return &clock{base: time.Now} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base().Add(c.offset)
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// provider is a Refresher that answers as the test says and remembers what it
// was asked.
type provider struct {
	mu      sync.Mutex
	answer  func(ctx context.Context, refresh string) (tokens.Set, error)
	asked   []string
	clients []tokens.Client
}

func (p *provider) Refresh(ctx context.Context, client tokens.Client, refresh secret.String) (tokens.Set, error) {
	p.mu.Lock()
	p.asked = append(p.asked, refresh.Reveal())
	p.clients = append(p.clients, client)
	answer := p.answer
	p.mu.Unlock()
	return answer(ctx, refresh.Reveal())
}

func (p *provider) does(answer func(context.Context, string) (tokens.Set, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *provider) grants(set tokens.Set) {
	p.does(func(context.Context, string) (tokens.Set, error) { return set, nil })
}

func (p *provider) fails(err error) {
	p.does(func(context.Context, string) (tokens.Set, error) { return tokens.Set{}, err })
}

// holds makes the provider slow: it grants when the channel is closed, or gives
// up when its context ends.
func (p *provider) holds(set tokens.Set) (release chan struct{}) {
	release = make(chan struct{})
	p.whenReleased(release, func() (tokens.Set, error) { return set, nil })
	return release
}

func (p *provider) whenReleased(release <-chan struct{}, answer func() (tokens.Set, error)) {
	p.does(func(ctx context.Context, _ string) (tokens.Set, error) {
		select {
		case <-release:
			return answer()
		case <-ctx.Done():
			return tokens.Set{}, ctx.Err()
		}
	})
}

func (p *provider) calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

// lockedBuffer takes logs from many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// rig is a vault with everything around it in the test's hand.
type rig struct {
	*tokens.Vault
	clock    *clock
	store    *faultyStore
	provider *provider
	ring     *tokens.KeyRing
	log      *lockedBuffer
}

// newRig makes a vault over a memory store of so many sessions (0: no bound).
// At the end it looks for secrets in what was logged.
func newRig(t *testing.T, maxSessions int) *rig {
	t.Helper()
	return newRigBy(t, standing(), maxSessions)
}

func newRigBy(t *testing.T, clock *clock, maxSessions int) *rig {
	t.Helper()
	memory := stores.NewMemory(maxSessions, clock.Now)
	t.Cleanup(func() { _ = memory.Close() })
	r := &rig{clock: clock, store: newFaultyStore(memory), ring: newRing(t, 1), log: &lockedBuffer{}}
	t.Cleanup(func() {
		if logged := r.log.String(); strings.Contains(logged, canary) {
			t.Errorf("a secret was logged:\n%s", logged)
		}
	})
	r.open()
	return r
}

func (r *rig) open() {
	r.provider = &provider{}
	r.provider.grants(grant(2))
	r.Vault = tokens.NewVault(tokens.VaultConfig{
		Store: r.store, Ring: r.ring, Now: r.clock.Now,
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	r.Adopt(tokens.Policy{Limits: limits, Refresher: r.provider})
}

// adopt gives the vault another provider.
func (r *rig) adopt(refresher tokens.Refresher) {
	r.Adopt(tokens.Policy{Limits: limits, Refresher: refresher})
}

// replica is another gateway over the same store, by the same clock. It talks
// to the store directly, past the faults.
func (r *rig) replica() *rig {
	other := &rig{clock: r.clock, store: newFaultyStore(r.store.next), ring: r.ring, log: r.log}
	other.open()
	return other
}

// bubble runs a test where waiting for goroutines to settle needs no sleep,
// and where a goroutine that is left behind fails the test.
func bubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newRig(t, 0)) })
}

// runningBubble is a bubble whose rig goes by the time that passes in it, so
// that leases run out and the keeper has something to do.
func runningBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newRigBy(t, running(), 0)) })
}

// pass lets time pass in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// newRing is a ring of keys told apart by number.
func newRing(t *testing.T, numbers ...byte) *tokens.KeyRing {
	t.Helper()
	var keys []secret.String
	for _, n := range numbers {
		keys = append(keys, secret.New(base64.StdEncoding.EncodeToString(masterKey(n))))
	}
	ring, err := tokens.NewKeyRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func masterKey(n byte) []byte {
	key := make([]byte, tokens.KeySize)
	for i := range key {
		key[i] = byte(i)*7 + n
	}
	return key
}

// hides fails where shown tells raw in any common notation.
func hides(t *testing.T, shown string, raw []byte) {
	t.Helper()
	raw = raw[:9] // a part gives it away as well; 9 bytes are whole base64 groups
	decimal := strings.Trim(fmt.Sprint(raw), "[]")
	for _, form := range []string{
		string(raw), hex.EncodeToString(raw), decimal, strings.ReplaceAll(decimal, " ", ","), strings.Trim(fmt.Sprintf("%#v", raw), "[]byte{}"),
		base64.StdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw),
	} {
		if strings.Contains(strings.ToLower(shown), strings.ToLower(form)) {
			t.Errorf("the value shows as %q in %q", form, shown)
		}
	}
}

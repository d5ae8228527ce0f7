package integration

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A gateway that is killed while the provider answers it loses a session only
// where the provider gave a new pair, the pair died with the process, and the
// provider gives no second chance.
func TestAKilledGatewayKeepsItsSessions(t *testing.T) {
	t.Parallel()
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		killRounds(t, newChaos(t, chaosSpec{}), shortOrLong(3, 60))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		redis := newRedis(t, durable...)
		killRounds(t, newChaos(t, chaosSpec{global: redis.store()}), shortOrLong(2, 20))
	})
}

// killRound is what the provider did in one round.
type killRound struct {
	mu      sync.Mutex
	random  *rand.Rand
	waiting int
	open    chan struct{}
	granted map[string]bool      // pairs that were given
	told    map[string]time.Time // and when the gateway was told
}

// hold lets nobody through until the round is open, and then each refresh at a
// moment of its own: the kill hits all of them at different places.
func (k *killRound) hold(at stage, user string) {
	k.mu.Lock()
	pause := time.Duration(k.random.Int64N(int64(40 * time.Millisecond)))
	switch at {
	case arrived:
		k.waiting++
	case committed:
		k.granted[user] = true
	case replied:
		k.told[user] = time.Now()
	}
	k.mu.Unlock()
	if at == arrived {
		<-k.open
	}
	if at != replied {
		await(time.Now().Add(pause))
	}
}

// offset is when the gateway is killed: amid the answers, or when all have long
// been stored.
func (k *killRound) offset(round int) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	offset := time.Duration(k.random.Int64N(int64(90 * time.Millisecond)))
	if round%3 == 2 {
		offset += longStored + 90*time.Millisecond
	}
	return offset
}

// longStored is how long storing a pair takes at the very most.
const longStored = 2 * time.Second

// mayBeLost tells whether a pair was given, and the gateway killed before it
// can be asked to have stored it.
func (k *killRound) mayBeLost(user string, killed time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	told, there := k.told[user]
	return k.granted[user] && (!there || killed.Sub(told) < longStored)
}

func (k *killRound) all(n int) func() bool {
	return func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.waiting == n
	}
}

func killRounds(t *testing.T, c *chaos, rounds int) {
	const life, sessions = 6 * time.Second, 12 // no more than are refreshed behind requests at once
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c.lifetime(life)
	all := c.guests(sessions)
	c.signedIn(all)
	refused, unknown := 0, 0
	for round := range rounds {
		k := &killRound{open: make(chan struct{}), granted: map[string]bool{}, told: map[string]time.Time{}, random: random}
		c.provider.holdAt(k.hold)
		eventually(t, "every session is being refreshed", k.all(sessions))
		offset := k.offset(round)
		close(k.open)
		await(time.Now().Add(offset))
		killed := time.Now()
		c.kill(0)
		settled(t, c) // a provider finishes what it has begun
		c.provider.holdAt(nil)
		c.gateways[0].start()
		await(killed.Add(life)) // no token lives that this gateway did not fetch
		refused += c.survivors(t, all, func(g *guest) bool { return k.mayBeLost(g.user, killed) })
		unknown += len(k.granted)
		if t.Failed() {
			t.Fatalf("in round %d, killed %v after the provider began to answer", round, offset)
		}
	}
	counted := c.provider.Counters()
	if counted.ReuseDetected != refused || counted.MaxConcurrentRefreshesPerFamily > 1 {
		t.Errorf("reuse was detected %d times for %d lost sessions, %d refreshes at once of one",
			counted.ReuseDetected, refused, counted.MaxConcurrentRefreshesPerFamily)
	}
	t.Logf("%d kills during %d refreshes, of which %d had been granted: %d sessions refused by the provider, none lost otherwise",
		rounds, rounds*sessions, unknown, refused)
}

// settled waits until the provider is done with what it was asked.
func settled(t testing.TB, c *chaos) {
	t.Helper()
	eventually(t, "the provider is done", func() bool {
		for _, call := range c.provider.refreshes() {
			if call.lost {
				return false
			}
		}
		return true
	})
}

// survivors asks for every session once, and signs in whom the provider has
// refused. It returns how many those are.
func (c *chaos) survivors(t *testing.T, all []*guest, mayBeLost func(*guest) bool) (refused int) {
	t.Helper()
	var mu sync.Mutex
	crowd(t, "asking after the kill", len(all), len(all), func(i int) error {
		g := all[i]
		got, err := g.fetch(0)
		if err != nil {
			return err
		}
		if got.Status == http.StatusOK && got.Body == g.user {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if reasonOf(got) != "refresh_rejected" {
			t.Errorf("%s: %v", g.user, got)
		}
		if !mayBeLost(g) {
			t.Errorf("%s was lost, though its pair was not given, or stored: %v", g.user, got)
		}
		refused++
		if err := g.signIn(0); err != nil {
			return err
		}
		return g.visit(0)
	})
	return refused
}

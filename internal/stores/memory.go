// Package stores holds the places records are kept in. Each passes the suite
// in tokenstest; each is told apart by what it survives.
package stores

import (
	"context"
	"sync"
	"time"

	"github.com/patrickmn/go-cache"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// DefaultMaxSessions bounds a memory store that is not told otherwise: about
// 1.4 GB of sessions.
const DefaultMaxSessions = 1_000_000

// sweepEvery is how often expired records are dropped.
const sweepEvery = time.Minute

// Memory keeps records in this process and survives configuration reloads,
// nothing more. Records are sealed there too, so a heap dump shows no more
// than what requests are using at that moment.
type Memory struct {
	leases
	// go-cache neither bounds itself nor compares and swaps; writes says who may.
	cache  *cache.Cache
	writes sync.Mutex
	max    int
	stop   chan struct{}
	once   sync.Once
}

// NewMemory makes a memory store for at most maxSessions records (0: the
// default) and starts its janitor; Close ends it. now is the clock, nil for
// the real one.
func NewMemory(maxSessions int, now func() time.Time) *Memory {
	if maxSessions <= 0 {
		maxSessions = DefaultMaxSessions
	}
	if now == nil {
		now = time.Now
	}
	// No janitor of go-cache's: it ends only when the collector finds the cache.
	m := &Memory{leases: leases{now: now}, cache: cache.New(cache.NoExpiration, 0), max: maxSessions, stop: make(chan struct{})}
	go m.janitor()
	return m
}

// Close ends the janitor. What is stored stays readable for requests that are
// still being served.
func (m *Memory) Close() error {
	m.once.Do(func() { close(m.stop) })
	return nil
}

func (m *Memory) janitor() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-ticker.C:
			m.cache.DeleteExpired()
		}
	}
}

// Create stores a new record.
func (m *Memory) Create(ctx context.Context, name tokens.Name, record tokens.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.writes.Lock()
	defer m.writes.Unlock()
	if _, there := m.Recall(name); there {
		return tokens.ErrExists
	}
	if m.cache.ItemCount() >= m.max {
		m.cache.DeleteExpired()
		if m.cache.ItemCount() >= m.max {
			return tokens.ErrFull
		}
	}
	m.set(name, record)
	return nil
}

// Load returns a record.
func (m *Memory) Load(ctx context.Context, name tokens.Name) (tokens.Record, error) {
	if err := ctx.Err(); err != nil {
		return tokens.Record{}, err
	}
	record, there := m.Recall(name)
	if !there {
		return tokens.Record{}, tokens.ErrAbsent
	}
	return record, nil
}

// Replace stores the next generation of a record.
func (m *Memory) Replace(ctx context.Context, name tokens.Name, record tokens.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.writes.Lock()
	defer m.writes.Unlock()
	current, there := m.Recall(name)
	switch {
	case !there:
		return tokens.ErrAbsent
	case current.Generation+1 != record.Generation:
		return tokens.ErrConflict
	}
	m.set(name, record)
	return nil
}

// Delete forgets a record.
func (m *Memory) Delete(ctx context.Context, name tokens.Name) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.writes.Lock()
	defer m.writes.Unlock()
	m.cache.Delete(key(name))
	return nil
}

// Each visits all records. It works on a copy of the names' list, so that
// visiting may take its time.
func (m *Memory) Each(ctx context.Context, visit func(tokens.Name, tokens.Record) error) error {
	for key, item := range m.cache.Items() {
		if err := ctx.Err(); err != nil {
			return err
		}
		record, _ := decode(item.Object.([]byte))
		if !m.now().Before(record.Expires) {
			continue
		}
		if err := visit(tokens.Name([]byte(key)), record); err != nil {
			return err
		}
	}
	return nil
}

// Len is how many records there are, expired ones not yet swept among them.
func (m *Memory) Len() int { return m.cache.ItemCount() }

// Recall is Load of what is known without asking anybody: everything.
func (m *Memory) Recall(name tokens.Name) (tokens.Record, bool) {
	value, there := m.cache.Get(key(name))
	if !there {
		return tokens.Record{}, false
	}
	record, _ := decode(value.([]byte))
	// go-cache goes by the real clock; the record by ours.
	return record, m.now().Before(record.Expires)
}

func (m *Memory) set(name tokens.Name, record tokens.Record) {
	m.cache.Set(key(name), encode(record), max(time.Until(record.Expires), record.Expires.Sub(m.now())))
}

func key(name tokens.Name) string { return string(name[:]) }

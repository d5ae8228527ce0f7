package simulator

import (
	"slices"
	"time"
)

// ttlMap is a map whose entries expire and whose size is capped. Expired
// entries are dropped when the map has doubled since it was last swept, so a
// put costs constant time on average. It is not safe for concurrent use.
type ttlMap[V any] struct {
	limit   int
	sweepAt int
	next    uint64 // insertion order, for eviction
	items   map[string]ttlItem[V]
}

type ttlItem[V any] struct {
	value   V
	expires time.Time // zero: never
	order   uint64
}

const firstSweep = 64

func newTTLMap[V any](limit int) ttlMap[V] {
	return ttlMap[V]{limit: limit, sweepAt: firstSweep, items: make(map[string]ttlItem[V])}
}

func (i ttlItem[V]) dead(now time.Time) bool {
	return !i.expires.IsZero() && !now.Before(i.expires)
}

func (m *ttlMap[V]) get(key string, now time.Time) (V, bool) {
	item, ok := m.items[key]
	if !ok || item.dead(now) {
		delete(m.items, key)
		var zero V
		return zero, false
	}
	return item.value, true
}

// put adds or replaces; a replaced entry keeps its place in the order.
func (m *ttlMap[V]) put(key string, value V, expires, now time.Time) {
	order := m.next
	if old, ok := m.items[key]; ok {
		order = old.order
	} else {
		m.makeRoom(now)
		m.next++
	}
	m.items[key] = ttlItem[V]{value: value, expires: expires, order: order}
}

func (m *ttlMap[V]) delete(key string) { delete(m.items, key) }

// each visits live entries in insertion order; visit may delete.
func (m *ttlMap[V]) each(now time.Time, visit func(key string, value V)) {
	for _, key := range m.inOrder() {
		if item, ok := m.items[key]; ok && !item.dead(now) {
			visit(key, item.value)
		}
	}
}

func (m *ttlMap[V]) inOrder() []string {
	keys := make([]string, 0, len(m.items))
	for key := range m.items {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if m.items[a].order < m.items[b].order {
			return -1
		}
		return 1
	})
	return keys
}

func (m *ttlMap[V]) makeRoom(now time.Time) {
	if len(m.items) < min(m.sweepAt, m.limit) {
		return
	}
	for key, item := range m.items {
		if item.dead(now) {
			delete(m.items, key)
		}
	}
	if len(m.items) >= m.limit {
		// A sixteenth at a time, so that a full map is not sorted at every put.
		for _, key := range m.inOrder()[:max(1, m.limit/16)] {
			delete(m.items, key)
		}
	}
	m.sweepAt = max(firstSweep, 2*len(m.items))
}

// Package recent remembers the last few thousand of something: a bounded map
// that forgets what was not asked for lately, without a list to keep in order.
package recent

import "sync"

// Map holds between size and twice size entries. The zero value holds none; use
// New.
type Map[K comparable, V any] struct {
	size int
	mu   sync.RWMutex
	// Two halves: what is asked for moves to the young one, and when that is
	// full the old one is forgotten as a whole.
	young, old map[K]V
}

// New makes a map for about size entries.
func New[K comparable, V any](size int) *Map[K, V] {
	return &Map[K, V]{size: size, young: make(map[K]V), old: make(map[K]V)}
}

// Get returns what is remembered under a key.
func (m *Map[K, V]) Get(key K) (V, bool) {
	m.mu.RLock()
	value, there := m.young[key]
	if !there {
		value, there = m.old[key]
		m.mu.RUnlock()
		if there {
			m.Put(key, value)
		}
		return value, there
	}
	m.mu.RUnlock()
	return value, true
}

// Put remembers a value under a key.
func (m *Map[K, V]) Put(key K, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.young) >= m.size {
		m.old, m.young = m.young, make(map[K]V, m.size)
	}
	m.young[key] = value
}

// Forget drops a key.
func (m *Map[K, V]) Forget(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.young, key)
	delete(m.old, key)
}

// Clear drops everything.
func (m *Map[K, V]) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.young)
	clear(m.old)
}

// Each calls visit for everything that is remembered, in no order. It must not
// call the map.
func (m *Map[K, V]) Each(visit func(K, V)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for key, value := range m.young {
		visit(key, value)
	}
	for key, value := range m.old {
		if _, younger := m.young[key]; !younger {
			visit(key, value)
		}
	}
}

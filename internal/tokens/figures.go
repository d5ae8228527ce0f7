package tokens

import "time"

// Figures say how this process is doing, for metrics.
type Figures struct {
	Sessions int // living ones it has seen and looks after
	Overdue  int // of these, those whose background refresh is due and has not begun
	Paused   int // sessions whose refresh failed and that wait before the next try
	Unsaved  int // sessions whose token the store did not take yet
	Streams  int // open WebSockets and the like
}

// Figures counts. It holds no lock for longer than a count takes.
func (v *Vault) Figures() Figures {
	now := v.now()
	f := Figures{Sessions: v.Sessions(), Overdue: v.keeper.overdue(now), Paused: v.pauses.count(now)}
	v.unsaved.mu.Lock()
	f.Unsaved = len(v.unsaved.pairs)
	v.unsaved.mu.Unlock()
	v.streams.mu.Lock()
	for _, known := range v.streams.sessions {
		f.Streams += len(known.open)
	}
	v.streams.mu.Unlock()
	return f
}

// overdue looks at those that are due alone: the queue is a heap.
func (k *keeper) overdue(now time.Time) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	count, next := 0, []int{0}
	for len(next) > 0 {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		if i >= len(k.queue) || k.queue[i].due > instantOf(now) {
			continue
		}
		count++
		next = append(next, 2*i+1, 2*i+2)
	}
	return count
}

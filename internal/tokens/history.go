package tokens

import (
	"slices"
	"sync"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/recent"
)

const (
	// maxHistories is about how many sessions this process remembers what
	// happened to, and maxEvents how much of each: the first and the latest.
	maxHistories = 2048
	maxEvents    = 16
)

// What can happen to a session.
const (
	HappenedSignIn  = "signed_in"
	HappenedRefresh = "refreshed"
	HappenedFailure = "refresh_failed"
	HappenedUnsaved = "token_not_stored"
	HappenedEnd     = "ended"
)

// Event is one thing that happened to a session in this process.
type Event struct {
	At   time.Time
	What string
	Why  string // the reason of an end, the error of a failure; else ""
}

// histories are what happened to sessions in this process, for whoever asks why
// one ended. They are gone with it, and hold no token.
type histories struct {
	mu   sync.Mutex
	kept *recent.Map[Name, []Event]
}

func newHistories() histories {
	return histories{kept: recent.New[Name, []Event](maxHistories)}
}

func (h *histories) add(name Name, e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before, _ := h.kept.Get(name)
	if len(before) >= maxEvents {
		before = slices.Delete(slices.Clone(before), 1, 2)
	}
	h.kept.Put(name, append(slices.Clip(before), e))
}

func (h *histories) of(name Name) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	events, _ := h.kept.Get(name)
	return slices.Clone(events)
}

func (h *histories) names() []Name {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []Name
	h.kept.Each(func(name Name, _ []Event) { names = append(names, name) })
	return names
}

// happened remembers an event.
func (v *Vault) happened(name Name, what, why string) {
	v.histories.add(name, Event{At: v.now(), What: what, Why: why})
}

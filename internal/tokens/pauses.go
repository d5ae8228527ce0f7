package tokens

import (
	"math/rand/v2"
	"sync"
	"time"
)

// pauses remembers, per session, when the token endpoint may be asked again.
type pauses struct {
	mu    sync.Mutex
	until map[Name]pause
}

type pause struct {
	begun, until time.Time
	failures     int
}

// left is how long a session still has to wait, 0 if not at all. A clock that
// was set back does not make a pause any longer: it is over.
func (p *pauses) left(name Name, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	pause := p.until[name]
	if now.Before(pause.begun) {
		return 0
	}
	return max(0, pause.until.Sub(now))
}

// of is a session's pause after failures; zero where there is none.
func (p *pauses) of(name Name, now time.Time) (until time.Time, failures int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pause := p.until[name]
	if pause.failures == 0 {
		return time.Time{}, 0
	}
	if pause.until.After(now) {
		until = pause.until
	}
	return until, pause.failures
}

func (p *pauses) count(now time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := 0
	for _, pause := range p.until {
		if pause.failures > 0 && pause.until.After(now) {
			count++
		}
	}
	return count
}

// failed makes the session wait: as long as the provider asked for, else twice
// as long each time, with jitter so that a fleet does not come back at once.
func (p *pauses) failed(name Name, now time.Time, asked time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	failures := p.until[name].failures + 1
	wait := asked
	if wait <= 0 {
		wait = min(maxPause, minPause<<min(failures-1, 10))
		wait += rand.N(wait / 4)
	}
	wait = max(wait, minPause)
	p.set(name, now, pause{begun: now, until: now.Add(wait), failures: failures})
	return wait
}

// succeeded keeps a provider that grants next to no lifetime from being asked
// for every request.
func (p *pauses) succeeded(name Name, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(name, now, pause{begun: now, until: now.Add(minPause)})
}

// set stores a pause and drops those that are long over, now and then, so that
// the map stays as small as what is going on.
func (p *pauses) set(name Name, now time.Time, next pause) {
	if len(p.until) >= 1024 && len(p.until)&(len(p.until)-1) == 0 {
		for other, old := range p.until {
			if now.Sub(old.until) > maxPause {
				delete(p.until, other)
			}
		}
	}
	p.until[name] = next
}

func (p *pauses) forget(name Name) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.until, name)
}

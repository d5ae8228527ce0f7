package integration

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// person is a visitor with what must hold of them. Whatever is broken around
// them, they get their own page, are told to come back, or have no connection;
// and they are signed out when they said so, or the provider refused them.
type person struct {
	*guest
	m        *model
	signedIn bool
	since    time.Time // they signed in
	doubtful bool      // a sign-in or sign-out whose answer they did not get
}

// model is what is known of a world of people.
type model struct {
	c *chaos

	mu       sync.Mutex
	kills    []time.Time
	requests int
	refused  int // sessions the provider ended
	outcomes map[string]int
}

// killed notes that a gateway is being killed.
func (m *model) killed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kills = append(m.kills, time.Now())
}

func (m *model) note(outcome string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests++
	m.outcomes[outcome]++
}

// mayBeRefused tells whether a pair of a user's may have been lost: its answer
// did not arrive, or a gateway was killed after it was given.
func (m *model) mayBeRefused(user string, since time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, call := range m.c.provider.refreshes() {
		if call.user != user || call.at.Before(since) {
			continue
		}
		if call.lost {
			return true
		}
		for _, kill := range m.kills {
			if kill.After(call.at) {
				return true
			}
		}
	}
	return false
}

// look asks for a page and judges the answer. An error is a broken promise.
func (p *person) look(door int) error {
	got, err := p.fetch(door)
	if err != nil {
		p.m.note("no connection")
		return nil // gateways are killed and reloaded: the model's own doing
	}
	switch reason := reasonOf(got); {
	case got.Status == http.StatusOK && got.Body == p.user:
		p.m.note("served")
		if !p.signedIn && !p.doubtful {
			return fmt.Errorf("%s was served after signing out", p.user)
		}
		return nil
	case got.Status == http.StatusOK:
		return fmt.Errorf("%s was served the page of %q", p.user, got.Body)
	case reason == "provider_unavailable", reason == "store_unavailable":
		p.m.note(reason)
		return unavailable(got, nil, reason)
	case got.Status == http.StatusBadGateway:
		return fmt.Errorf("%s: %v", p.user, got)
	default:
		return p.refused(got, reason)
	}
}

// refused judges an answer to somebody who is not signed in.
func (p *person) refused(got answer, reason string) error {
	p.m.note(reason)
	switch {
	case got.Status != http.StatusUnauthorized || reason == "":
		return fmt.Errorf("%s: %v", p.user, got)
	case !p.signedIn || p.doubtful:
		p.signedIn, p.doubtful = false, false
		return nil
	case reason == "refresh_rejected" && p.m.mayBeRefused(p.user, p.since):
		p.signedIn = false
		p.m.mu.Lock()
		p.m.refused++
		p.m.mu.Unlock()
		return nil
	}
	return fmt.Errorf("%s lost the session of %v ago: %v", p.user, time.Since(p.since).Round(time.Millisecond), got)
}

// come signs in, as far as that is possible.
func (p *person) come(door int) {
	p.guest.jar = p.c.guest("").jar // a new browser
	p.since, p.doubtful = time.Now(), false
	callback, err := p.begin(door)
	if err == nil {
		err = p.finish(door, callback)
	}
	p.signedIn = err == nil && p.session() != ""
	if p.signedIn {
		p.m.note("signed in")
	} else {
		p.m.note("not signed in")
	}
}

// leave signs out, and keeps the cookie to see that it is of no use.
func (p *person) leave(door int) error {
	kept := p.twin()
	got, err := p.signOut(door)
	switch {
	case err != nil || got.Status == http.StatusServiceUnavailable:
		p.doubtful = true
		p.m.note("sign-out in doubt")
		return nil
	case got.Status != http.StatusSeeOther:
		return fmt.Errorf("signing out: %v", got)
	}
	p.m.note("signed out")
	p.signedIn, p.doubtful = false, false
	p.guest = kept
	await(time.Now().Add(atOnce))
	return nil
}

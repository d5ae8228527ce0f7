package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// browser is one that signed in, and what is certain of its session.
type browser struct {
	user    string
	ticket  tokens.Ticket
	created time.Time
	asked   time.Time // when a request began
	noted   time.Time // its last use that was certainly written down
	gone    certainty // signed out
	revoked certainty
	ended   bool // was told so
}

type certainty int

const (
	no certainty = iota
	maybe
	yes
)

func (w *world) member(i int) *member {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.members[i]
}

// signIn gives the browser a new session, once the store lets it.
func (w *world) signIn(b *browser) {
	w.mu.Lock()
	w.users++
	user := fmt.Sprint("user", w.users)
	w.mu.Unlock()
	ticket, _, err := w.member(w.random.IntN(2)).Create(w.t.Context(), site, client, w.provider.authorize(user))
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	*b = browser{user: user, ticket: ticket, created: time.Now(), noted: time.Now()}
}

// request is one of a browser, judged by what was certain when it began.
func (w *world) request(ctx context.Context, m *member, b *browser) error {
	w.mu.Lock()
	before, healthy := *b, !m.faulty && !m.dead
	before.asked = time.Now()
	w.mu.Unlock()
	session, err := m.Fresh(ctx, site, before.ticket)
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.dead {
		return nil // nobody is there to hear it
	}
	if b.user != before.user { // signed in anew meanwhile
		b = &before
		b.gone, b.revoked = max(b.gone, maybe), max(b.revoked, maybe)
	}
	var ended *tokens.Ended
	var unavailable *tokens.Unavailable
	switch {
	case err == nil:
		w.served++
		w.judgeToken(&before, session.Access.Reveal())
		if healthy && !m.faulty {
			w.uses = append(w.uses, use{b, m, before})
		}
	case errors.Is(err, tokens.ErrAbsent):
		if b.gone == no && !b.isPastLifetime() {
			w.failf("%s is absent", b.user)
		}
	case errors.As(err, &ended):
		b.ended = true
		w.judgeEnd(b, ended.Reason)
	case errors.As(err, &unavailable), ctx.Err() != nil:
	default:
		w.failf("%s: %v", b.user, err)
	}
	return err
}

// use is one that will have been written down once all has settled.
type use struct {
	of     *browser
	by     *member
	before browser
}

// noteUses notes what is certain: once what goes on behind requests has come to
// its end, or else nothing.
func (w *world) noteUses(settled bool) {
	if settled {
		settle()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range w.uses {
		if settled && u.of.user == u.before.user && !u.by.dead && !u.by.faulty && u.by.failure.Before(u.before.asked) {
			u.of.noted = u.before.asked
		}
	}
	w.uses = nil
}

func (b *browser) isPastLifetime() bool { return time.Since(b.created) >= limits.Lifetime }

func (w *world) judgeToken(b *browser, access string) {
	if b.gone == yes || b.revoked == yes || b.ended {
		w.failf("%s is back: signed out %v, revoked %v, ended %v", b.user, b.gone, b.revoked, b.ended)
	}
	if wrong := w.provider.faultOf(access, b.user); wrong != "" {
		w.failf("%s", wrong)
	}
}

func (w *world) judgeEnd(b *browser, reason tokens.EndReason) {
	idle := time.Since(b.noted) > limits.Idle
	switch reason {
	case tokens.EndExpired:
		if !idle && !b.isPastLifetime() {
			w.failf("%s expired, used %v ago", b.user, time.Since(b.noted))
		}
	case tokens.EndRevoked:
		if b.revoked == no {
			w.failf("%s was revoked by nobody", b.user)
		}
	case tokens.EndRejected:
		switch why, issued := w.provider.fate(b.user); {
		case why == "":
			w.failf("%s was rejected, not by the provider", b.user)
		case why == diedOfAge && !idle && w.hasBeenFineSince(issued):
			w.failf("%s's refresh token died unused, without need", b.user)
		}
	}
}

// hasBeenFineSince tells whether nothing was in the way of keeping sessions.
func (w *world) hasBeenFineSince(when time.Time) bool {
	return w.weather == fine && !w.members[0].faulty && !w.members[1].faulty && w.trouble.Before(when)
}

// fate tells why a user's family ended, and when its last pair was issued.
func (p *strict) fate(user string) (why string, issued time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.families[user].ended, p.families[user].issued
}

func (w *world) signOut(m *member, b *browser) {
	w.attempt(b, func(b *browser) *certainty { return &b.gone }, func(ticket tokens.Ticket) error { return m.Revoke(w.t.Context(), ticket) })
}

func (w *world) end(m *member, b *browser) {
	w.attempt(b, func(b *browser) *certainty { return &b.revoked }, func(ticket tokens.Ticket) error {
		err := m.End(w.t.Context(), ticket.Name(), tokens.EndRevoked)
		if errors.Is(err, tokens.ErrAbsent) {
			return nil
		}
		return err
	})
}

// attempt does what may fail with its outcome unknown.
func (w *world) attempt(b *browser, what func(*browser) *certainty, do func(tokens.Ticket) error) {
	w.mu.Lock()
	known := what(b)
	*known = max(*known, maybe)
	ticket := b.ticket
	w.mu.Unlock()
	err := do(ticket)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		*known = yes
	}
}

package tokens

import (
	"context"
	"slices"
	"time"
)

const (
	// maxWatches bounds those who watch one session in a process: a browser's tabs.
	maxWatches = 32
	// maxUnread is how many changes may wait for somebody who watches. They come
	// minutes apart; who has left that many unread is not there.
	maxUnread = 8
)

// nearEnds is how long before the end of a session those who watch it are told:
// in time to save something, and once more.
var nearEnds = [...]time.Duration{5 * time.Minute, time.Minute}

// ChangeKind says what became of a session.
type ChangeKind string

// What becomes of sessions.
const (
	Refreshed ChangeKind = "refreshed" // its token is another
	Expiring  ChangeKind = "expiring"  // its end is near
	Extended  ChangeKind = "extended"  // it was used, and its end is less near
	Over      ChangeKind = "over"
	// Displaced says that too many watch the session, and that others are told
	// from now on.
	Displaced ChangeKind = "displaced"
)

// Change is something that became of a session.
type Change struct {
	Kind    ChangeKind
	Session *Session  // as Peek tells it; nil where the kind is Over or Displaced
	Reason  EndReason // why it is over
}

// watch is somebody who watches a session.
type watch struct {
	changes      chan Change
	tokenExpires time.Time
	passed       int // of nearEnds
}

// Watch tells of the changes of a session since Peek told of it, on whatever
// replica they come about, until closed is called. The channel is closed behind
// the last one, without any where the process is about to end or nobody reads.
// However many watch a session, the store is asked for it as often as for one.
// To watch a session neither counts as use of it nor renews anything.
func (v *Vault) Watch(site string, ticket Ticket, session *Session) (changes <-chan Change, closed func()) {
	w := &watch{changes: make(chan Change, maxUnread), tokenExpires: session.TokenExpires}
	v.streams.mu.Lock()
	defer v.streams.mu.Unlock()
	if v.streams.closing {
		close(w.changes)
		return w.changes, func() {}
	}
	known := v.follow(handle{ticket: ticket, site: site}, session)
	if len(known.watches) == maxWatches {
		known.watches[0].last(Change{Kind: Displaced})
		known.watches = known.watches[1:]
	}
	known.watches = append(known.watches, w)
	return w.changes, func() { v.streams.unwatch(known, w) }
}

// view is a session as those are told of it who do not use it.
func (v *Vault) view(name Name, r *record) *Session {
	session := *r.session(name)
	session.Ends = v.endOf(r.usedAt(v.keeper.lastUse(name)))
	return &session
}

// watchOver tells those who watch a session what became of it, where nothing
// else follows it.
func (v *Vault) watchOver(ctx context.Context, known *streaming, r *record, now time.Time) {
	h := known.handle
	isOver := func(r *record) bool { return v.isOver(r.usedAt(v.keeper.lastUse(h.name())), now) }
	if !isOver(r) {
		v.streams.tell(known, v.view(h.name(), r), now)
		return
	}
	// Another replica may have seen a use since: only the record as it is when
	// the end is written down decides, and until then nobody is told.
	if _, err := v.conclude(ctx, h, EndExpired, isOver); err != nil {
		v.log.Warn("ending a session was not stored", "session", h.name().Digest(), "reason", EndExpired, "error", err)
	}
}

// tell tells those who watch a session how it stands.
func (s *streams) tell(known *streaming, session *Session, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known.watches = slices.DeleteFunc(known.watches, func(w *watch) bool {
		isThere := w.see(session, now)
		if !isThere {
			close(w.changes)
		}
		return !isThere
	})
	s.letGo(known)
}

// tellOver tells those who watch a session that it is over. Its absolute end is
// told as such, by whatever it is noticed.
func (s *streams) tellOver(name Name, reason EndReason, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.sessions[name]
	if known == nil {
		return
	}
	if !now.Before(known.expires) {
		reason = EndExpired
	}
	for _, w := range known.watches {
		w.last(Change{Kind: Over, Reason: reason})
	}
	known.watches = nil
	s.letGo(known)
}

func (s *streams) unwatch(known *streaming, w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known.watches = slices.DeleteFunc(known.watches, func(other *watch) bool { return other == w })
	s.letGo(known)
}

// close ends all watching for good. It returns the sessions there were.
func (s *streams) close() []*streaming {
	all := s.snapshot()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for _, known := range s.sessions {
		for _, w := range known.watches {
			close(w.changes)
		}
		known.watches = nil
		s.letGo(known)
	}
	return all
}

// see tells of what is different from what was told last, and whether there is
// room for it.
func (w *watch) see(session *Session, now time.Time) (isThere bool) {
	isThere = true
	// A record holds milliseconds, and what is not written down yet more.
	if session.TokenExpires.UnixMilli() != w.tokenExpires.UnixMilli() {
		w.tokenExpires = session.TokenExpires
		isThere = w.send(Change{Kind: Refreshed, Session: session})
	}
	passed := 0
	for _, near := range nearEnds {
		if session.Ends.Sub(now) <= near {
			passed++
		}
	}
	before := w.passed
	w.passed = passed
	switch {
	case passed > before:
		return w.send(Change{Kind: Expiring, Session: session}) && isThere
	case passed < before:
		return w.send(Change{Kind: Extended, Session: session}) && isThere
	}
	return isThere
}

// last tells the last there is to tell, where somebody is there.
func (w *watch) last(change Change) {
	w.send(change)
	close(w.changes)
}

func (w *watch) send(change Change) (isThere bool) {
	select {
	case w.changes <- change:
		return true
	default:
		return false
	}
}

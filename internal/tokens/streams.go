package tokens

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// streamLook is how often the sessions of open streams are looked at, and so
	// how long after its session a stream ends at most when another replica ended
	// that: well within a second.
	streamLook = 500 * time.Millisecond
	// maxStreamLooks bounds the looks under way.
	maxStreamLooks = 32
)

// Stream is an answer that goes on, such as a WebSocket or server-sent events.
type Stream struct {
	Kind  string        // what it is: websocket, sse, …
	Path  string        // where it was asked for, without query
	Most  time.Duration // how long it may last; 0: as long as its session
	Begun time.Time     // set by the vault
	// End breaks it off. It is called from any goroutine, maybe more than once,
	// and must return soon.
	End func()
}

// OpenStream is what operating may know of a stream.
type OpenStream struct {
	Name         Name // its session's
	Site         string
	User, Tenant string
	Kind, Path   string
	Begun        time.Time
}

// streams are those that are open, by session, and those who watch sessions.
type streams struct {
	mu       sync.Mutex
	sessions map[Name]*streaming
	watching bool
	closing  bool // nobody begins to watch any more
}

// streaming is a session with open streams, or watched, or both.
type streaming struct {
	handle       handle
	user, tenant string
	expires      time.Time // the absolute end; it never moves
	open         map[*Stream]struct{}
	watches      []*watch // oldest first
}

// Stream notes that a stream was opened for a session, until closed is called.
// The stream is ended when the session is, wherever that happens, and counts
// as use of the session as long as it is open.
func (v *Vault) Stream(site string, ticket Ticket, session *Session, stream *Stream) (closed func()) {
	stream.Begun = v.now()
	v.streams.mu.Lock()
	defer v.streams.mu.Unlock()
	known := v.follow(handle{ticket: ticket, site: site}, session)
	known.open[stream] = struct{}{}
	return func() { v.streams.closed(known, stream) }
}

// follow has a session looked at from now on. It is called with the streams'
// lock held.
func (v *Vault) follow(h handle, session *Session) *streaming {
	if v.streams.sessions == nil {
		v.streams.sessions = map[Name]*streaming{}
	}
	known := v.streams.sessions[session.Name]
	if known == nil {
		known = &streaming{
			handle: h, user: session.User, tenant: session.Tenant, expires: session.Expires, open: map[*Stream]struct{}{},
		}
		v.streams.sessions[session.Name] = known
	}
	if !v.streams.watching {
		v.streams.watching = true
		go v.watchStreams()
	}
	return known
}

// Streams lists the open streams of this process.
func (v *Vault) Streams() []OpenStream {
	v.streams.mu.Lock()
	defer v.streams.mu.Unlock()
	var list []OpenStream
	for name, known := range v.streams.sessions {
		for stream := range known.open {
			list = append(list, OpenStream{
				Name: name, Site: known.handle.site, User: known.user, Tenant: known.tenant,
				Kind: stream.Kind, Path: stream.Path, Begun: stream.Begun,
			})
		}
	}
	return list
}

func (s *streams) closed(known *streaming, stream *Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(known.open, stream)
	s.letGo(known)
}

// letGo forgets a session that has no streams and that nobody watches. It is
// called with the lock held.
func (s *streams) letGo(known *streaming) {
	if name := known.handle.name(); len(known.open) == 0 && len(known.watches) == 0 && s.sessions[name] == known {
		delete(s.sessions, name)
	}
}

// end ends the streams of a session that is over, and tells those who watch it.
func (s *streams) end(name Name, reason EndReason, now time.Time) {
	s.tellOver(name, reason, now)
	s.endThose(name, func(*Stream) bool { return true })
}

func (s *streams) endThose(name Name, chosen func(*Stream) bool) {
	s.mu.Lock()
	var over []*Stream
	if known := s.sessions[name]; known != nil {
		for stream := range known.open {
			if chosen(stream) {
				over = append(over, stream)
			}
		}
	}
	s.mu.Unlock()
	for _, stream := range over {
		stream.End()
	}
}

// EndStreams ends all streams there are, and all watching, for good: the process
// is about to end, and waits for the requests under way.
func (v *Vault) EndStreams() {
	for _, known := range v.streams.close() {
		v.streams.endThose(known.handle.name(), func(*Stream) bool { return true })
	}
}

// snapshot lists the sessions that have streams open, or are watched.
func (s *streams) snapshot() []*streaming {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*streaming, 0, len(s.sessions))
	for _, known := range s.sessions {
		list = append(list, known)
	}
	return list
}

// idle tells the watcher to go where there is nothing to watch.
func (s *streams) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) == 0 {
		s.watching = false
	}
	return !s.watching
}

// watchStreams looks at the sessions of open streams for as long as there are
// any. A sign-out in this process ends streams at once, without it.
func (v *Vault) watchStreams() {
	ticker := time.NewTicker(streamLook)
	defer ticker.Stop()
	looked := make(chan struct{}, 1)
	looked <- struct{}{}
	for !v.streams.idle() {
		<-ticker.C
		v.endOverdue()
		select {
		case <-looked:
			go func() {
				v.lookAround()
				looked <- struct{}{}
			}()
		default: // a slow store is not asked again before it has answered, and keeps no stream open
		}
	}
}

// lookAround looks after every session that is followed once.
func (v *Vault) lookAround() {
	slots := make(chan struct{}, maxStreamLooks)
	var round sync.WaitGroup
	for _, known := range v.streams.snapshot() {
		slots <- struct{}{}
		round.Go(func() {
			defer func() { <-slots }()
			v.lookAfter(known)
		})
	}
	round.Wait()
}

// endOverdue ends the streams whose time is up, whatever the store says.
func (v *Vault) endOverdue() {
	now := v.now()
	for _, known := range v.streams.snapshot() {
		if !now.Before(known.expires) {
			v.streams.end(known.handle.name(), EndExpired, now)
			continue
		}
		v.streams.endThose(known.handle.name(), func(s *Stream) bool { return s.Most > 0 && now.Sub(s.Begun) >= s.Most })
	}
}

// lookAfter ends the streams of a session that is over, and notes that one with
// open streams is in use. Those who watch it are told, and use nothing. A store
// that does not answer ends nothing.
func (v *Vault) lookAfter(known *streaming) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	h, inUse := known.handle, v.streams.hasOpen(known)
	r, err := v.look(ctx, h)
	switch now := v.now(); {
	case errors.Is(err, ErrAbsent):
		v.streams.end(h.name(), EndRevoked, now)
	case err != nil:
	case r.ended != "":
		v.streams.end(h.name(), r.ended, now)
	case inUse && v.isOver(r.usedAt(now), now):
		v.streams.end(h.name(), EndExpired, now)
		v.end(ctx, h, EndExpired)
	case inUse:
		v.keep(h, r, now)
		v.touch(ctx, h, r, now)
		v.streams.tell(known, v.view(h.name(), r), now)
	default:
		v.watchOver(ctx, known, r, now)
	}
}

// hasOpen tells whether a session has streams open.
func (s *streams) hasOpen(known *streaming) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(known.open) > 0
}

func (s *streams) count(name Name) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.sessions[name]; known != nil {
		return len(known.open)
	}
	return 0
}

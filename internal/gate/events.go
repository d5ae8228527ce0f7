package gate

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/browser"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	// heartbeat is how often something is sent on a stream with nothing to tell,
	// so that no proxy on the way takes it for dead.
	heartbeat = 20 * time.Second
	// eventTimeout is how long a client may take to read what is sent.
	eventTimeout = 30 * time.Second
	// displacedRetry is how long a client keeps away that made place for another.
	displacedRetry = time.Minute
)

// The events of a session.
const (
	eventSession   = "session" // how it stands
	eventRefreshed = "refreshed"
	eventExpiring  = "expiring"
	eventEnded     = "ended"
)

// events tells a page of the site's own what becomes of its session, for as long
// as it listens: GET /auth/events. Listening neither refreshes anything nor
// counts as use.
func (g *Gate) events(w http.ResponseWriter, r *http.Request) error {
	site, desk, refused := g.at(r)
	if refused != nil {
		return g.refuse(w, r, *refused)
	}
	if browser.Cross(r, site.Origin, nil) != browser.SameOrigin {
		return g.refuse(w, r, refusal{reason: pages.CrossOrigin})
	}
	ticket, session, refused := g.glance(r, desk, site)
	switch {
	case refused == nil:
	case !refused.challenge:
		return g.refuse(w, r, *refused)
	case r.Header.Get("Last-Event-ID") != "":
		// It was told already. This is what keeps an EventSource from coming back
		// (HTML §9.2.3).
		ownHeaders(w.Header())
		w.WriteHeader(http.StatusNoContent)
		return nil
	default:
		_ = g.openEvents(w).send(eventSession, g.signedOutAnswer(refused.reason))
		return nil
	}
	changes, closed := desk.vault.Watch(g.realm(site), ticket, session)
	defer closed()
	stream := g.openEvents(w)
	if stream.send(eventSession, g.signedInAnswer(session)) == nil {
		g.follow(r, stream, changes)
	}
	return nil
}

// follow passes changes on until there are no more, or nobody listens.
func (g *Gate) follow(r *http.Request, stream *eventStream, changes <-chan tokens.Change) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case change, more := <-changes:
			if !more {
				return
			}
			err = g.tell(stream, change)
		case <-beat.C:
			err = stream.write(":\n\n")
		}
		if err != nil {
			return
		}
	}
}

// tell sends a change as an event.
func (g *Gate) tell(stream *eventStream, change tokens.Change) error {
	switch change.Kind {
	case tokens.Refreshed:
		return stream.send(eventRefreshed, g.signedInAnswer(change.Session))
	case tokens.Expiring:
		return stream.send(eventExpiring, g.signedInAnswer(change.Session))
	case tokens.Over:
		return stream.send(eventEnded, g.signedOutAnswer(pages.Reason(change.Reason)))
	case tokens.Displaced:
		return stream.write(fmt.Sprintf("retry: %d\n\n", displacedRetry.Milliseconds()))
	default:
		return stream.send(eventSession, g.signedInAnswer(change.Session))
	}
}

// eventStream is an answer of server-sent events (HTML §9.2).
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	now     func() time.Time
}

// openEvents begins a stream.
func (g *Gate) openEvents(w http.ResponseWriter) *eventStream {
	stream := &eventStream{w: w, control: http.NewResponseController(w), now: g.cfg.Now}
	h := w.Header()
	ownHeaders(h)
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform") // compressed, events would wait for each other
	h.Set("X-Accel-Buffering", "no")                 // the same, for nginx
	w.WriteHeader(http.StatusOK)
	return stream
}

// event is what an event says: the answer of /session, and which event it is.
type event struct {
	Type string `json:"type"`
	sessionAnswer
}

func (s *eventStream) send(kind string, answer sessionAnswer) error {
	data, err := json.Marshal(event{kind, answer})
	if err != nil {
		return err
	}
	id := strconv.FormatInt(s.now().UnixMilli(), 10)
	return s.write("id: " + id + "\nevent: " + kind + "\ndata: " + string(data) + "\n\n")
}

func (s *eventStream) write(text string) error {
	// A server that has no deadlines has no limit either. What it allows for a
	// request as a whole ends the stream, and the client comes back.
	_ = s.control.SetWriteDeadline(s.now().Add(eventTimeout))
	if _, err := io.WriteString(s.w, text); err != nil {
		return err
	}
	return s.control.Flush()
}

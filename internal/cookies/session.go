package cookies

import (
	"net/http"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// sessionVersion begins the value of a session cookie, before the ticket.
const sessionVersion = 1

// Session returns the ticket of a request. presented says that something of
// the cookie's name came along, be it worth anything or not; without a ticket
// the request is signed out, and why is nobody's business. Two cookies of the
// name are none: one of them is not ours.
func (j *Jar) Session(r *http.Request, site Site) (ticket tokens.Ticket, presented bool) {
	name := j.sessionNames.on(site)
	value, count := sent(r, name)
	if count != 1 {
		return tokens.Ticket{}, count > 0
	}
	return j.decodeSession(name, value, site), true
}

// Sessions is how many cookies of the session's name came along. More than one
// are of two gateways, or of a neighbour.
func (j *Jar) Sessions(r *http.Request, site Site) int {
	_, count := sent(r, j.sessionNames.on(site))
	return count
}

const (
	// A cookie that was found good is taken at its word for goodFor, so that a
	// browser's every request does not cost the same arithmetic. Its age is
	// that much less exact; how long a session lives is decided by its record.
	goodFor = time.Minute
	maxGood = 4096
)

// goodSession is a cookie's ticket, at the one site it is good for.
type goodSession struct {
	ticket tokens.Ticket
	origin string
	until  time.Time
}

func (j *Jar) decodeSession(name, encoded string, site Site) tokens.Ticket {
	now := j.cfg.Now()
	if known, there := j.good.Get(encoded); there && known.origin == site.Origin && now.Before(known.until) {
		return known.ticket
	}
	var value []byte
	if err := securecookie.DecodeMulti(bound(name, site), encoded, &value, j.session...); err != nil {
		return tokens.Ticket{}
	}
	if len(value) == 0 || value[0] != sessionVersion {
		return tokens.Ticket{}
	}
	ticket, ok := tokens.TicketFrom(value[1:])
	if ok {
		j.good.Put(encoded, goodSession{ticket: ticket, origin: site.Origin, until: now.Add(goodFor)})
	}
	return ticket
}

// SetSession hands the ticket to the browser, to keep for as long as the
// session can live.
func (j *Jar) SetSession(h http.Header, site Site, ticket tokens.Ticket, age time.Duration) error {
	name := j.sessionNames.on(site)
	value := append([]byte{sessionVersion}, ticket.Bytes()...)
	encoded, err := securecookie.EncodeMulti(bound(name, site), value, j.session[0])
	if err != nil {
		return err
	}
	set(h, j.base(j.cfg.Name, site, j.cfg.SameSite), encoded, age)
	return nil
}

// ClearSession takes the session cookie away.
func (j *Jar) ClearSession(h http.Header, site Site) {
	set(h, j.base(j.cfg.Name, site, j.cfg.SameSite), "", 0)
}

// NeedsContinuePage tells that the session cookie would not come along on a
// redirect out of the provider's page: SameSite=Strict takes the whole chain
// for cross-site (RFC 6265bis §5.2), so the browser must start anew from here.
func (j *Jar) NeedsContinuePage() bool { return j.cfg.SameSite == http.SameSiteStrictMode }

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
	name := j.sessionName(site)
	found := values(r, name)
	if len(found) != 1 {
		return tokens.Ticket{}, len(found) > 0
	}
	var value []byte
	if err := securecookie.DecodeMulti(bound(name, site), found[0], &value, j.session...); err != nil {
		return tokens.Ticket{}, true
	}
	if len(value) == 0 || value[0] != sessionVersion {
		return tokens.Ticket{}, true
	}
	ticket, _ = tokens.TicketFrom(value[1:])
	return ticket, true
}

// SetSession hands the ticket to the browser, to keep for as long as the
// session can live.
func (j *Jar) SetSession(h http.Header, site Site, ticket tokens.Ticket, age time.Duration) error {
	name := j.sessionName(site)
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

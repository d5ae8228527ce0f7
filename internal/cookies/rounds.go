package cookies

import (
	"encoding/binary"
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
)

// roundsAge is how long finished sign-ins count against each other.
const roundsAge = time.Minute

func (c Config) roundsName() string { return c.Name + afterRounds }

// Rounds is what a browser has been through lately: enough to tell that it goes
// round, and why.
type Rounds struct {
	// Finished is how many sign-ins it finished that no request with the session
	// has come after. One that is sent to sign in again after several did not keep
	// its session, or is not given it back.
	Finished int
	// Asked is how many times the site sent it to sign in, signed in as it was.
	Asked int
	// OtherHost and OtherScheme say that a sign-in began on another host, or by
	// another scheme, than it came back to.
	OtherHost, OtherScheme bool
	// Last is when the latest of these was noted.
	Last time.Time
}

const (
	roundsVersion = 1

	flagOtherHost   = 1
	flagOtherScheme = 2
)

// Rounds is what the browser brings of that; nothing where there was nothing
// within the last minute.
func (j *Jar) Rounds(r *http.Request, site Site) Rounds {
	name := j.roundsNames.on(site)
	encoded, count := sent(r, name)
	if count != 1 {
		return Rounds{}
	}
	var value []byte
	if securecookie.DecodeMulti(bound(name, site), encoded, &value, j.flow...) != nil || len(value) < 4 || value[0] != roundsVersion {
		return Rounds{}
	}
	last, n := binary.Varint(value[4:])
	if n <= 0 {
		return Rounds{}
	}
	return Rounds{
		Finished: int(value[1]), Asked: int(value[2]), Last: time.UnixMilli(last),
		OtherHost: value[3]&flagOtherHost != 0, OtherScheme: value[3]&flagOtherScheme != 0,
	}
}

// SetRounds notes what there was; where that is nothing, it is forgotten.
func (j *Jar) SetRounds(h http.Header, site Site, rounds Rounds) error {
	cookie := j.base(j.cfg.roundsName(), site, http.SameSiteLaxMode)
	if rounds.Finished <= 0 && rounds.Asked <= 0 {
		set(h, cookie, "", 0)
		return nil
	}
	var flags byte
	if rounds.OtherHost {
		flags |= flagOtherHost
	}
	if rounds.OtherScheme {
		flags |= flagOtherScheme
	}
	value := []byte{roundsVersion, byte(min(rounds.Finished, 255)), byte(min(rounds.Asked, 255)), flags}
	value = binary.AppendVarint(value, rounds.Last.UnixMilli())
	encoded, err := securecookie.EncodeMulti(bound(cookie.Name, site), value, j.flow[0])
	if err != nil {
		return err
	}
	set(h, cookie, encoded, roundsAge)
	return nil
}

package cookies

import (
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
)

// roundsAge is how long finished sign-ins count against each other.
const roundsAge = time.Minute

func (c Config) roundsName() string { return c.Name + "_rounds" }

// Rounds is how many sign-ins this browser has finished within the last
// minute. One that is sent to sign in again after several did not keep its
// session, or is not given it back.
func (j *Jar) Rounds(r *http.Request, site Site) int {
	name := j.roundsNames.on(site)
	encoded, count := sent(r, name)
	if count != 1 {
		return 0
	}
	var value []byte
	if securecookie.DecodeMulti(bound(name, site), encoded, &value, j.flow...) != nil || len(value) != 1 {
		return 0
	}
	return int(value[0])
}

// SetRounds notes how many there were; 0 forgets it.
func (j *Jar) SetRounds(h http.Header, site Site, rounds int) error {
	cookie := j.base(j.cfg.roundsName(), site, http.SameSiteLaxMode)
	if rounds <= 0 {
		set(h, cookie, "", 0)
		return nil
	}
	encoded, err := securecookie.EncodeMulti(bound(cookie.Name, site), []byte{byte(min(rounds, 255))}, j.flow[0])
	if err != nil {
		return err
	}
	set(h, cookie, encoded, roundsAge)
	return nil
}

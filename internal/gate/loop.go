package gate

import (
	"net/http"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/browser"
	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/pages"
)

const (
	// askedSoon is how young a session is that somebody is sent to sign in with, so
	// that it looks like going round.
	askedSoon = time.Minute
	// maxRounds is how many sign-ins within a minute may each end where the next
	// one begins.
	maxRounds = 3
	// Browsers forget the rounds after a minute of their own clock. Where they seem
	// much older, or from the future, the server's clock was set, or two servers
	// have two.
	oldestRound   = 2 * time.Minute
	fromTheFuture = -5 * time.Second
)

// stopLoop ends a round trip that would go on forever. Trying again by hand
// starts afresh.
func (g *Gate) stopLoop(w http.ResponseWriter, r *http.Request, desk *desk, site cookies.Site, diagnosis pages.Diagnosis) error {
	if err := desk.jar.SetRounds(w.Header(), site, cookies.Rounds{}); err != nil {
		return err
	}
	return g.refuse(w, r, refusal{reason: pages.RedirectLoop, diagnosis: diagnosis})
}

// diagnose tells why a browser that finished several sign-ins is sent to sign in
// once more, for a reason.
func (g *Gate) diagnose(r *http.Request, desk *desk, site cookies.Site, rounds cookies.Rounds, because pages.Reason) pages.Diagnosis {
	if diagnosis := elsewhereDiagnosis(rounds.OtherHost, rounds.OtherScheme); diagnosis != "" {
		return diagnosis
	}
	age := g.cfg.Now().Sub(rounds.Last)
	ticket, _ := desk.jar.Session(r, site)
	switch sessions := desk.jar.Sessions(r, site); {
	case age > oldestRound || age < fromTheFuture || because == pages.SessionExpired:
		return pages.LoopClock
	case sessions == 0:
		return pages.LoopCookieMissing
	case sessions > 1:
		return pages.LoopCookieTwice
	case ticket.IsZero():
		return pages.LoopCookieUnreadable
	case because == pages.NoSession:
		return pages.LoopSessionUnknown
	default:
		return pages.LoopSessionEnded
	}
}

func elsewhereDiagnosis(otherHost, otherScheme bool) pages.Diagnosis {
	switch {
	case otherHost:
		return pages.LoopOtherHost
	case otherScheme:
		return pages.LoopOtherScheme
	default:
		return ""
	}
}

// diagnoseLostFlow tells why the cookie of a second attempt is not there.
func diagnoseLostFlow(r *http.Request, desk *desk, site cookies.Site, state string) pages.Diagnosis {
	if desk.jar.HasFlow(r, site, state) {
		return pages.LoopCookieUnreadable
	}
	return pages.LoopCookieMissing
}

// homeAfterStray sends somebody who is signed in on from a callback that is none
// of theirs. Where the pages are on another host, or scheme, than the callback,
// all callbacks are like that, and the page they end at begins the next one. So
// those count, and no others: anybody's link can lead to a callback.
func (g *Gate) homeAfterStray(w http.ResponseWriter, r *http.Request, desk *desk, site cookies.Site, state string) error {
	if !hasElsewhereMark(state) {
		redirect(w, "/", http.StatusFound)
		return nil
	}
	rounds := desk.jar.Rounds(r, site)
	otherHost, otherScheme := g.beganElsewhere(r, site, state)
	rounds.OtherHost, rounds.OtherScheme = rounds.OtherHost || otherHost, rounds.OtherScheme || otherScheme
	if rounds.Finished >= maxRounds {
		diagnosis := elsewhereDiagnosis(rounds.OtherHost, rounds.OtherScheme)
		if diagnosis == "" { // a proxy tells the gateway neither host nor scheme
			diagnosis = pages.LoopOtherHost
		}
		return g.stopLoop(w, r, desk, site, diagnosis)
	}
	rounds.Finished, rounds.Last = rounds.Finished+1, g.cfg.Now()
	if err := desk.jar.SetRounds(w.Header(), site, rounds); err != nil {
		return err
	}
	redirect(w, "/", http.StatusFound)
	return nil
}

// countAsked stops an app that sends people to sign in who are signed in: each
// comes back as they were, and is sent again. What people do by hand is theirs.
func (g *Gate) countAsked(w http.ResponseWriter, r *http.Request) (stopped bool, err error) {
	site, desk, refused := g.at(r)
	if refused != nil || browser.IsByHand(r) {
		return false, nil
	}
	_, session, refused := g.glance(r, desk, site)
	if refused != nil || g.cfg.Now().Sub(session.Created) > askedSoon {
		return false, nil
	}
	rounds := desk.jar.Rounds(r, site)
	if rounds.Asked, rounds.Last = rounds.Asked+1, g.cfg.Now(); rounds.Asked >= maxRounds {
		return true, g.stopLoop(w, r, desk, site, pages.LoopApp)
	}
	return false, desk.jar.SetRounds(w.Header(), site, rounds)
}

package gate

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/pkce"
)

// A flow's state goes to the provider and comes back, whatever becomes of the
// flow's cookie. So it ends with what a callback has to know even then:
//
//	43 characters [h] [s] [.2]
//
// h and s say that the page was asked for on another host, or by another scheme,
// than the callback is going to be: a cookie that was set there does not arrive
// here. ".2" is a second attempt. When its callback comes back without its cookie
// there is no third: the cookie does not come back at all.
const (
	stateLength     = 43 // of pkce.Deriver.State
	otherHostMark   = "h"
	otherSchemeMark = "s"
	againMark       = ".2"
)

// flowState is the state a flow goes to the provider with.
func flowState(deriver pkce.Deriver, flow cookies.Flow) string {
	state := deriver.State(flow.ID)
	if flow.OtherHost {
		state += otherHostMark
	}
	if flow.OtherScheme {
		state += otherSchemeMark
	}
	if flow.Again {
		state += againMark
	}
	return state
}

// isState tells whether a value could be a state of ours.
func isState(state string) bool {
	if len(state) < stateLength {
		return false
	}
	state, marks := state[:stateLength], state[stateLength:]
	marks = strings.TrimSuffix(marks, againMark)
	marks = strings.TrimSuffix(marks, otherSchemeMark)
	marks = strings.TrimSuffix(marks, otherHostMark)
	return marks == "" && strings.Trim(state, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// isAgain tells whether a state is of a second attempt.
func isAgain(state string) bool { return strings.HasSuffix(state, againMark) }

// hasElsewhereMark tells whether a state says anything of where its page was.
func hasElsewhereMark(state string) bool {
	return strings.TrimSuffix(state, againMark)[stateLength:] != ""
}

// beganElsewhere is where a state says that its page was, compared to a callback
// that came to the site as it should.
func (g *Gate) beganElsewhere(r *http.Request, site cookies.Site, state string) (otherHost, otherScheme bool) {
	marks := strings.TrimSuffix(state[stateLength:], againMark)
	host, scheme := g.elsewhere(r, site)
	return strings.Contains(marks, otherHostMark) && !host, strings.Contains(marks, otherSchemeMark) && !scheme
}

// elsewhere tells whether a request came to another host, or by another scheme,
// than the site's. Behind a proxy that passes on neither all of them do, so it
// is evidence and no more.
func (g *Gate) elsewhere(r *http.Request, site cookies.Site) (otherHost, otherScheme bool) {
	own, err := url.Parse(site.Origin)
	if err != nil {
		return false, false
	}
	scheme, host := g.cfg.Asked(r)
	asked := url.URL{Host: host}
	return host != "" && !strings.EqualFold(asked.Hostname(), own.Hostname()), scheme != "" && scheme != own.Scheme
}

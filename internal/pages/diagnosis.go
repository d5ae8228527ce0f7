package pages

// Diagnosis says what is wrong where a sign-in does not hold: the same code on
// the page, in the JSON and in the log line.
type Diagnosis string

// The diagnoses. docs/reasons.md says what to do about each.
const (
	LoopCookieMissing    Diagnosis = "cookie_missing"
	LoopCookieTwice      Diagnosis = "cookie_twice"
	LoopCookieUnreadable Diagnosis = "cookie_unreadable"
	LoopSessionUnknown   Diagnosis = "session_unknown"
	LoopSessionEnded     Diagnosis = "session_ended"
	LoopClock            Diagnosis = "clock"
	LoopOtherHost        Diagnosis = "other_host"
	LoopOtherScheme      Diagnosis = "other_scheme"
	LoopApp              Diagnosis = "app_redirect"
)

// finding is what the gateway says about a diagnosis.
type finding struct {
	diagnosis Diagnosis
	text      string // for the visitor, in place of the reason's
	hint      string // for whoever runs the site
}

// notYours tells visitors that it is not for them to mend.
const notYours = "Signing in worked, but the site is set up in a way that does not let it last. It is nothing you did. Please tell the people who run this site, with the code below."

var findings = []finding{
	{
		diagnosis: LoopCookieMissing,
		text:      "Signing in worked, but the browser came back without the cookie it was given. Allow cookies for this site, then try again. A private window or an extension that removes cookies can also be the cause.",
		hint:      "The session cookie was set and not sent back. If it happens to everybody, something in front of the gateway drops or rewrites Set-Cookie, its Path or Domain.",
	},
	{
		diagnosis: LoopCookieTwice,
		text:      "Signing in worked, but the browser holds two cookies where one belongs. Delete the cookies of this site, then try again.",
		hint:      "Two cookies of the session's name came back, and one is not the gateway's. Give each gateway of a host a name of its own with `cookie`, and look for a proxy that sets a Path or Domain.",
	},
	{
		diagnosis: LoopCookieUnreadable,
		text:      notYours,
		hint:      "The cookie comes back, but was sealed with another key. Replicas must share `key`, or one Caddy storage. Two gateways on one host need different names in `cookie`.",
	},
	{
		diagnosis: LoopSessionUnknown,
		text:      notYours,
		hint:      "The cookie comes back and opens, but the store does not have its session. Replicas must share one store: `store redis`, not `file` or `memory`.",
	},
	{
		diagnosis: LoopSessionEnded,
		text:      "Signing in worked, but the session ended at once, each time. Wait a minute and try again; if it goes on, tell the people who run this site the code below.",
		hint:      "Sessions end as soon as they are made. The log says why, one line for each: the provider refuses to renew their tokens, or something revokes them.",
	},
	{
		diagnosis: LoopClock,
		text:      notYours,
		hint:      "Sessions are over as soon as they are made: a clock is wrong. Compare the clocks of all replicas and of the store, and look at `session_lifetime` and `idle_timeout`.",
	},
	{
		diagnosis: LoopOtherHost,
		text:      notYours,
		hint:      "Pages are asked for on another host than public_url, so their cookies do not reach each other. Send visitors of the other host to public_url, never the other way round, or list both hosts in `public_url`.",
	},
	{
		diagnosis: LoopOtherScheme,
		text:      notYours,
		hint:      "Pages are asked for over http and public_url is https: browsers neither take nor send its cookies there. Redirect http to https, and name the proxy in `trusted_proxies`.",
	},
	{
		diagnosis: LoopApp,
		text:      "You are signed in, but this site keeps asking you to sign in again. It is nothing you did. Please tell the people who run this site, with the code below.",
		hint:      "The app redirects visitors to the sign-in who are signed in already. It has to take their token from the request, or send only those there who have none; a workspace it refuses is a 403.",
	},
}

// finding is what there is to say, nil where that is nothing.
func (d Diagnosis) finding() *finding {
	for i := range findings {
		if findings[i].diagnosis == d {
			return &findings[i]
		}
	}
	return nil
}

// words are what v says to the person, and to whoever runs the site.
func (v View) words() (text, hint string) {
	text, hint = v.Reason.entry().text, v.Hint
	found := v.Diagnosis.finding()
	if found == nil {
		return text, hint
	}
	if v.Reason == RedirectLoop {
		text = found.text
	}
	if hint == "" {
		hint = found.hint + " Diagnosis: " + string(found.diagnosis) + "."
	}
	return text, hint
}

// Package pages is what a person, or a program, sees when the gateway answers a
// request itself: one HTML template, one table of reasons, and the same as JSON.
//
// Nothing a visitor sent is ever shown. All words are in the table; what varies
// is written by the gateway: paths on its own site, a reference, a fixed hint,
// and whose session it is. A site may give the pages its own looks.
package pages

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// View is one refusal.
type View struct {
	// Reason is why.
	Reason Reason
	// Status is the HTTP status where it differs from Reason.Status(), such as
	// 405 for a bad_request; 0 otherwise.
	Status int
	// SignInURL is the path on our own site that starts a sign-in; "" offers none.
	SignInURL string
	// SignOutURL is the path that a POST signs out at, for somebody who is
	// signed in with the wrong account; "" offers none.
	SignOutURL string
	// User and Tenant are whose request it was, for a page about who may not go
	// on; Tenants are those who may.
	User, Tenant string
	Tenants      []string
	// RetryAfter, when above zero, tells programs when to ask again
	// (RFC 9110 §10.2.3) and makes a page load itself again by then. It is
	// rounded up to seconds.
	RetryAfter time.Duration
	// RetryURL is the path a page loads after RetryAfter; "" is the page's own
	// address, which must then be one that can be asked for twice.
	RetryURL string
	// Diagnosis says what is wrong, where that could be found out.
	Diagnosis Diagnosis
	// Hint is a fixed sentence of the gateway's for the people who run the site.
	Hint string
	// Reference is a short code that finds the log line.
	Reference string
}

func (v View) status() int {
	if v.Status != 0 {
		return v.Status
	}
	return v.Reason.Status()
}

// Pages writes the gateway's own answers for one site. It is safe for
// concurrent use and renders once what does not depend on the request: these
// answers are at their hottest while something else is down.
type Pages struct {
	refusals  map[Reason]frame
	loops     map[Diagnosis]frame
	unknown   frame
	signedOut frame
	switching frame
	confirm   frame
	goOn      frame
	leave     frame
	kept      keptFrames
}

// New returns the pages of the app of that name; "" names none.
func New(appName string) *Pages { return Branded(Brand{Name: appName}) }

// Branded returns the pages of a site that looks like brand.
func Branded(brand Brand) *Pages {
	look := newLook(brand)
	p := &Pages{
		refusals:  make(map[Reason]frame, len(table)),
		loops:     make(map[Diagnosis]frame, len(findings)),
		unknown:   look.frame(unknown.title, unknown.text),
		signedOut: look.frame("You are signed out", "This site has forgotten your session."),
		switching: look.frame("You are signed out", "Taking you to sign in with another account."),
		confirm:   look.frame("Sign out?", "You will be signed out of this site in this browser."),
		goOn:      look.frame("You are signed in", "Taking you back to where you were going."),
		leave:     look.frame("Taking you to sign in", "This page is for people who are signed in with Open Source Cloud. You come back here afterwards."),
		kept:      newKeptFrames(look),
	}
	for _, e := range table {
		p.refusals[e.reason] = look.frame(e.title, e.text)
	}
	for _, found := range findings {
		p.loops[found.diagnosis] = look.frame(RedirectLoop.entry().title, found.text)
	}
	return p
}

// Refuse answers w with v: a page for a person who navigates, otherwise a
// problem document (RFC 9457) for a program.
func (p *Pages) Refuse(w http.ResponseWriter, v View, page bool) {
	v.SignInURL, v.SignOutURL, v.RetryURL = local(v.SignInURL), local(v.SignOutURL), local(v.RetryURL)
	if v.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(seconds(v.RetryAfter), 10))
	}
	if v.status() == http.StatusUnauthorized {
		// A 401 must carry a challenge (RFC 9110 §11.6.1), and HTTP clients
		// exist that fail without one. Browsers ask for a password for the
		// schemes they know; this is none of them.
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if !page {
		send(w, v.status(), "application/problem+json", newProblem(v))
		return
	}
	f, ok := p.refusals[v.Reason]
	if !ok {
		f = p.unknown
	}
	if diagnosed, ok := p.loops[v.Diagnosis]; ok && v.Reason == RedirectLoop {
		f = diagnosed
	}
	send(w, v.status(), contentTypeHTML, f.render(refusalParts(v)))
}

// SignedOut answers 200 and says what signing out here did and did not do.
// signInURL is the path that starts a sign-in; "" offers none.
func (p *Pages) SignedOut(w http.ResponseWriter, signInURL string) {
	send(w, http.StatusOK, contentTypeHTML, p.signedOut.render(parts{
		Notes: []string{
			"An access token this site was given before can stay valid for up to an hour.",
			"This browser may still be signed in to Open Source Cloud itself. On a shared computer, sign out there too.",
		},
		Link:  local(signInURL),
		Label: "Sign in again",
	}))
}

// SwitchAccount answers 200 to somebody who has just signed out so as to come
// back as somebody else, and has the browser load signInURL by itself. A
// redirect would not do: it would be part of the form's submission, which may
// go to our own site only (CSP Level 3 §6.4.1).
func (p *Pages) SwitchAccount(w http.ResponseWriter, signInURL string) {
	w.Header().Set("Refresh", "0; url="+local(signInURL))
	send(w, http.StatusOK, contentTypeHTML, p.switching.render(parts{Link: local(signInURL), Label: "Sign in"}))
}

// ConfirmSignOut answers 200 with one button that posts to action, a path on
// our own site. Following a link must not sign anybody out.
func (p *Pages) ConfirmSignOut(w http.ResponseWriter, action string) {
	send(w, http.StatusOK, contentTypeHTML, p.confirm.render(parts{Post: local(action), PostLabel: "Sign out"}))
}

const (
	contentTypeHTML = "text/html; charset=utf-8"
	challenge       = "OSC-Session"
)

// send writes an answer that no cache keeps, no page frames and no browser
// reads as another type.
func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	sendUnder(w, policy{}, status, contentType, body)
}

// sendUnder is send with a policy of the page's own.
func sendUnder(w http.ResponseWriter, p policy, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", p.of(body))
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A client that went away is nobody's concern, and HEAD discards the body.
	_, _ = w.Write(body)
}

// local returns path if it can only lead to our own site, otherwise "".
func local(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\t\r\n") {
		return ""
	}
	return path
}

// seconds rounds d up, so that nobody comes back too early.
func seconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

// Continue answers 200 and has the browser load path, a path on our own site,
// by itself: after a sign-in whose session cookie is SameSite=Strict, which a
// redirect would arrive without.
func (p *Pages) Continue(w http.ResponseWriter, path string) {
	w.Header().Set("Refresh", "0; url="+local(path))
	send(w, http.StatusOK, contentTypeHTML, p.goOn.render(parts{Link: local(path), Label: "Continue"}))
}

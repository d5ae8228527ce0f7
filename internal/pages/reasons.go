package pages

import "net/http"

// Reason is the one code that says why the gateway refused a request. The same
// code stands on the page, in the JSON, in the log line and in the metric.
type Reason string

// The reasons. docs/reasons.md explains each of them to the people who meet it.
const (
	NoSession           Reason = "no_session"
	SessionExpired      Reason = "session_expired"
	SessionRevoked      Reason = "session_revoked"
	RefreshRejected     Reason = "refresh_rejected"
	TenantForbidden     Reason = "tenant_forbidden"
	CrossOrigin         Reason = "cross_origin"
	FlowExpired         Reason = "flow_expired"
	StateMismatch       Reason = "state_mismatch"
	ConsentDenied       Reason = "consent_denied"
	ProviderError       Reason = "provider_error"
	ProviderUnavailable Reason = "provider_unavailable"
	StoreUnavailable    Reason = "store_unavailable"
	RedirectLoop        Reason = "redirect_loop"
	TooManySessions     Reason = "too_many_sessions"
	AppUnavailable      Reason = "app_unavailable"
	TokenRejected       Reason = "token_rejected"
	BadRequest          Reason = "bad_request"
)

// entry is what the gateway says about a reason.
type entry struct {
	reason Reason
	status int
	title  string // what happened, as a heading
	text   string // what that means for the person, in calm words
	note   string // what else they may need to know; "" = nothing
	action string // what the button to SignInURL says; "" = none is offered
	retry  bool   // asking for the same address again may well work
}

// table holds every word that differs between reasons.
var table = []entry{
	{
		reason: NoSession, status: http.StatusUnauthorized,
		title:  "Sign in to continue",
		text:   "This page is for people who are signed in with Open Source Cloud.",
		action: "Sign in",
	},
	{
		reason: SessionExpired, status: http.StatusUnauthorized,
		title:  "Your session has ended",
		text:   "You have been signed in for as long as this site allows, or were away for too long. Sign in again to go on where you were.",
		action: "Sign in again",
	},
	{
		reason: SessionRevoked, status: http.StatusUnauthorized,
		title:  "You were signed out",
		text:   "This session was ended from elsewhere, by you or by somebody who runs this site. Sign in again to go on.",
		action: "Sign in again",
	},
	{
		reason: RefreshRejected, status: http.StatusUnauthorized,
		title:  "Please sign in again",
		text:   "Open Source Cloud no longer accepts this session, so it could not be kept going.",
		action: "Sign in again",
	},
	{
		reason: TenantForbidden, status: http.StatusForbidden,
		title:  "Your workspace has no access here",
		text:   "You are signed in, but this page is open to other Open Source Cloud workspaces only. Use an account in one of them, or ask the people who run this site.",
		note:   "If you come back as the same person, sign out of Open Source Cloud itself first.",
		action: "Sign in with another account",
	},
	{
		reason: CrossOrigin, status: http.StatusForbidden,
		title: "This request came from another site",
		text:  "Another website may not act here in your name, so nothing was done. If it was you, open this site itself and try again there.",
	},
	{
		reason: FlowExpired, status: http.StatusBadRequest,
		title:  "Signing in took too long",
		text:   "A sign-in has to be finished within a few minutes. Nothing is lost, just start again.",
		action: "Start again",
	},
	{
		// A 4xx of its own would be 403, but nothing is forbidden: the request
		// does not fit anything this browser began.
		reason: StateMismatch, status: http.StatusBadRequest,
		title:  "This sign-in was not started here",
		text:   "The answer does not belong to a sign-in of this browser. That happens when a link is opened in another browser, when cookies are blocked, or when an old page is loaded again.",
		action: "Start again",
	},
	{
		reason: ConsentDenied, status: http.StatusForbidden,
		title:  "Access was not granted",
		text:   "Open Source Cloud was told not to give this site access, so you are not signed in. You can still change your mind.",
		action: "Sign in",
	},
	{
		// We are the gateway, and the server behind the sign-in gave an invalid
		// response (RFC 9110 §15.6.3).
		reason: ProviderError, status: http.StatusBadGateway,
		title:  "Signing in did not work",
		text:   "Open Source Cloud gave an unexpected answer. It is nothing you did. Please try again; if it goes on, tell the people who run this site the code below.",
		action: "Try again",
		retry:  true,
	},
	{
		// 503, not 504: the condition is temporary and worth a Retry-After
		// (RFC 9110 §15.6.4).
		reason: ProviderUnavailable, status: http.StatusServiceUnavailable,
		title:  "Open Source Cloud cannot be reached",
		text:   "It does not answer right now. If you were signed in, you still are.",
		action: "Try again",
		retry:  true,
	},
	{
		reason: StoreUnavailable, status: http.StatusServiceUnavailable,
		title: "One moment, please",
		text:  "This site cannot look up your session right now. You have not been signed out.",
		retry: true,
	},
	{
		// 508 (RFC 5842 §7.2), because a 4xx would blame a request that is in
		// order, and because proxies repeat a 502, 503 or 504 by themselves:
		// another round is the one thing that does not help here.
		reason: RedirectLoop, status: http.StatusLoopDetected,
		title:  "Signing in keeps starting over",
		text:   "Signing in worked, but the browser came back without the cookie it was given. Allow cookies for this site, then try again. A private window or an extension that removes cookies can also be the cause.",
		action: "Try again",
	},
	{
		reason: TooManySessions, status: http.StatusServiceUnavailable,
		title:  "Too many people are signed in",
		text:   "There is no room for another session at the moment. Please try again in a little while.",
		action: "Try again",
		retry:  true,
	},
	{
		// 503 rather than the 502 of a gateway whose upstream fails: this one is
		// not there yet, which passes.
		reason: AppUnavailable, status: http.StatusServiceUnavailable,
		title: "The app is not ready yet",
		text:  "It may be starting, or being updated, and should answer in a moment.",
		retry: true,
	},
	{
		reason: TokenRejected, status: http.StatusUnauthorized,
		title: "This token is not accepted",
		text:  "The request brought a token of its own, and Open Source Cloud does not accept it: it may have expired or been revoked.",
	},
	{
		reason: BadRequest, status: http.StatusBadRequest,
		title: "This request cannot be answered",
		text:  "The address or the way it was asked for is not one this site understands.",
	},
}

// unknown answers for a code that is not in the table: a fault of the caller's,
// which must still end in a well-formed refusal.
var unknown = entry{
	status: http.StatusInternalServerError,
	title:  "Something went wrong",
	text:   "This site could not answer the request.",
	retry:  true,
}

// Status returns the HTTP status of a refusal for r.
func (r Reason) Status() int { return r.entry().status }

func (r Reason) entry() *entry {
	for i := range table {
		if table[i].reason == r {
			return &table[i]
		}
	}
	return &unknown
}

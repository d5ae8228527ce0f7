// Package osc speaks to OSC's authorization server as an OAuth client:
// discovery (RFC 8414), dynamic registration (RFC 7591), the authorization URL
// with PKCE (RFC 7636), the code exchange and the refresh (RFC 6749).
//
// Only what those standards say is assumed of the provider. What is optional in
// them may be absent or present; what OSC's discovery document leaves out is
// filled with what OSC is known to do. Answers are taken apart strictly, since
// everything after trusts what comes out of here, and nothing of an answer is
// ever shown or logged but a status and a known error code.
package osc

package osc

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// Endpoint names one of the provider's endpoints in errors, logs and metrics.
type Endpoint string

// The endpoints of an authorization server.
const (
	EndpointDiscovery     Endpoint = "discovery"
	EndpointRegistration  Endpoint = "registration"
	EndpointAuthorization Endpoint = "authorization"
	EndpointToken         Endpoint = "token"
)

// Error is a call to the provider that did not give what it should. It never
// holds anything of the answer's text.
type Error struct {
	Endpoint Endpoint
	Status   int    // of the answer; 0 where there was none
	Code     string // of RFC 6749 §5.2 or RFC 7591 §3.2.2; "" unless a known one
	// Malformed says that an answer of success is not what the standard asks
	// for: trying again will not help.
	Malformed bool
	retry     time.Duration
	cause     error
}

// Error names endpoint, status and code.
func (e *Error) Error() string {
	switch {
	case e.Code != "":
		return fmt.Sprintf("%s endpoint: %s (status %d)", e.Endpoint, e.Code, e.Status)
	case e.Status != 0 && e.cause != nil:
		return fmt.Sprintf("%s endpoint: status %d: %v", e.Endpoint, e.Status, e.cause)
	case e.Status != 0:
		return fmt.Sprintf("%s endpoint: status %d", e.Endpoint, e.Status)
	default:
		return fmt.Sprintf("%s endpoint: %v", e.Endpoint, e.cause)
	}
}

// Unwrap gives the cause, tokens.ErrRejected and tokens.ErrClientUnknown among them.
func (e *Error) Unwrap() error {
	switch e.Code {
	case "invalid_grant":
		return tokens.ErrRejected
	case "invalid_client", "unauthorized_client":
		return tokens.ErrClientUnknown
	default:
		return e.cause
	}
}

// RetryAfter is how long the provider asked to be left alone, 0 if it did not.
func (e *Error) RetryAfter() time.Duration { return e.retry }

// IsMalformed tells whether the provider answered, but not as the standard says.
func IsMalformed(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Malformed
}

// knownCodes are the error codes that may be repeated (RFC 6749 §5.2,
// RFC 7591 §3.2.2). Anything else a provider writes there stays unsaid.
var knownCodes = map[string]bool{
	"invalid_request": true, "invalid_client": true, "invalid_grant": true, "unauthorized_client": true,
	"unsupported_grant_type": true, "invalid_scope": true, "server_error": true, "temporarily_unavailable": true,
	"slow_down": true, "invalid_redirect_uri": true, "invalid_client_metadata": true,
	"invalid_software_statement": true, "unapproved_software_statement": true,
}

// failure reads an answer that is not a success. Only a JSON object with a
// known error code is taken at its word; everything else is weather.
func failure(endpoint Endpoint, answer *http.Response, body []byte, now time.Time) *Error {
	e := &Error{Endpoint: endpoint, Status: answer.StatusCode, retry: parseRetryAfter(answer.Header.Get("Retry-After"), now)}
	// RFC 6749 §5.2: error answers are 400, or 401 for the client's
	// authentication. A code in a 5xx page of some proxy decides nothing.
	if answer.StatusCode != http.StatusBadRequest && answer.StatusCode != http.StatusUnauthorized {
		return e
	}
	object, err := parseObject(body)
	if err != nil {
		return e
	}
	if code, ok := object.text("error"); ok && knownCodes[code] {
		e.Code = code
	}
	return e
}

// maxRetryAfter bounds what a provider can ask for.
const maxRetryAfter = 15 * time.Minute

// parseRetryAfter reads both forms of RFC 9110 §10.2.3.
func parseRetryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if isDigits(value) {
		seconds, _ := strconv.ParseFloat(value, 64) // too many digits are infinity
		return clampSeconds(seconds, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(now)), maxRetryAfter)
	}
	return 0
}

// RetryAfter is how long the provider asked to be left alone, as far as err
// says so.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter()
	}
	return 0
}

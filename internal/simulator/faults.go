package simulator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Scopes of a fault at the token endpoint.
const (
	ScopeBoth    = "both"
	ScopeCode    = "code"
	ScopeRefresh = "refresh"
)

// Kinds of faults. Those marked "after" let the call take effect first, so
// that, for example, a refresh token has been rotated when the reply is lost.
const (
	FaultDelay            = "delay"              // nothing but DelayMS
	Fault500              = "500"                // JSON server_error
	Fault502HTML          = "502_html"           // a gateway's page
	Fault503              = "503"                // plain text
	Fault429              = "429"                // with RetryAfterSeconds
	Fault401Empty         = "401_empty"          // no body
	FaultFastify404       = "fastify_404"        // a route that is not there
	FaultHTML             = "html"               // 200 with a page
	FaultInvalidClient    = "invalid_client"     // RFC 6749 §5.2, 401
	FaultInvalidGrant     = "invalid_grant"      // RFC 6749 §5.2, 400
	FaultRedirect307      = "redirect_307"       // to Location, default the canary
	FaultReply            = "reply"              // Status, Headers and Body as given
	FaultHang             = "hang"               // never answers
	FaultCloseBefore      = "close_before"       // connection closed, nothing done
	FaultHugeBody         = "huge_body"          // a JSON string of SizeBytes, default 64 MiB
	FaultCloseAfterCommit = "close_after_commit" // after: the reply is lost
	FaultCloseMidBody     = "close_mid_body"     // after: half of the reply, then closed
	FaultSlowBody         = "slow_body"          // after: a byte per DelayMS, default 1000
	FaultTruncatedJSON    = "truncated_json"     // after: half of the body, cleanly ended
	FaultWrongTokenType   = "wrong_token_type"   // after: token_type is mac
)

// Fault is a misbehaviour of one endpoint.
type Fault struct {
	// Kind is one of the Fault constants.
	Kind string `json:"kind"`
	// Endpoint is one of the Endpoint constants; default token.
	Endpoint string `json:"endpoint"`
	// Scope is both, code or refresh; it matters at the token endpoint only.
	Scope string `json:"scope"`
	// Count is how many calls are hit before the fault is gone; 0 is all.
	Count int `json:"count"`
	// DelayMS comes before the fault, or between the bytes of slow_body.
	DelayMS int `json:"delay_ms,omitempty"`
	// RetryAfterSeconds is sent with 429, 503 and reply; 0 sends none.
	RetryAfterSeconds int `json:"retry_after_seconds,omitempty"`
	// Status, Headers and Body are the answer of a reply fault.
	Status  int               `json:"status,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	// Location is where redirect_307 points.
	Location string `json:"location,omitempty"`
	// SizeBytes is the length of huge_body.
	SizeBytes int `json:"size_bytes,omitempty"`
}

// FaultKinds lists all kinds.
func FaultKinds() []string {
	return []string{
		FaultDelay, Fault500, Fault502HTML, Fault503, Fault429, Fault401Empty, FaultFastify404, FaultHTML,
		FaultInvalidClient, FaultInvalidGrant, FaultRedirect307, FaultReply, FaultHang, FaultCloseBefore,
		FaultHugeBody, FaultCloseAfterCommit, FaultCloseMidBody, FaultSlowBody, FaultTruncatedJSON, FaultWrongTokenType,
	}
}

func knownFault(kind string) bool { return slices.Contains(FaultKinds(), kind) }

func scopeOf(grantType string) string {
	switch grantType {
	case "authorization_code":
		return ScopeCode
	case "refresh_token":
		return ScopeRefresh
	}
	return ""
}

// takeFaults uses up what hits this call: all delays up to the first fault of
// another kind.
func (s *Server) takeFaults(endpoint, scope string) []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var hit []Fault
	kept := make([]Fault, 0, len(s.knobs.Faults))
	done := false
	for _, f := range s.knobs.Faults {
		matches := f.Endpoint == endpoint && (f.Scope == ScopeBoth || f.Scope == scope)
		if matches && !done {
			hit = append(hit, f)
			done = f.Kind != FaultDelay
			s.counters.Faults++
			if f.Count--; f.Count == 0 {
				continue
			}
			f.Count = max(f.Count, 0)
		}
		kept = append(kept, f)
	}
	s.knobs.Faults = kept
	return hit
}

func (s *Server) withFaults(w http.ResponseWriter, r *http.Request, endpoint, scope string, next http.HandlerFunc) {
	for _, f := range s.takeFaults(endpoint, scope) {
		s.log.Info("fault injected", slog.String("endpoint", endpoint), slog.String("kind", f.Kind))
		if f.DelayMS > 0 && f.Kind != FaultSlowBody {
			if s.pause(r, time.Duration(f.DelayMS)*time.Millisecond) != nil {
				abort()
			}
		}
		if f.Kind != FaultDelay {
			s.inject(w, r, f, next)
			return
		}
	}
	next(w, r)
}

// inject answers with the fault, after the real handler where the kind says so.
func (s *Server) inject(w http.ResponseWriter, r *http.Request, f Fault, next http.HandlerFunc) {
	switch f.Kind {
	case FaultHang:
		s.hang(r)
	case FaultCloseBefore:
		abort()
	case FaultHugeBody:
		s.hugeBody(w, r, f)
	case FaultCloseAfterCommit, FaultCloseMidBody, FaultSlowBody, FaultTruncatedJSON, FaultWrongTokenType:
		real := &recorder{header: make(http.Header), status: http.StatusOK}
		next(real, r)
		s.distort(w, r, f, real)
	default:
		s.reply(w, r, f)
	}
}

// reply is an answer that needs no state.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, f Fault) {
	if f.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfterSeconds))
	}
	switch f.Kind {
	case Fault500:
		writeOAuthError(w, oauthErrorf(http.StatusInternalServerError, "server_error", "Something went wrong"))
	case Fault502HTML:
		writeHTML(w, http.StatusBadGateway, gatewayPage("502 Bad Gateway"))
	case Fault503:
		http.Error(w, "no healthy upstream", http.StatusServiceUnavailable)
	case Fault429:
		writeFastify(w, http.StatusTooManyRequests, "", "Rate limit exceeded, retry later")
	case Fault401Empty:
		w.WriteHeader(http.StatusUnauthorized)
	case FaultFastify404:
		writeFastify(w, http.StatusNotFound, "", fmt.Sprintf("Route %s:%s not found", r.Method, r.URL.Path))
	case FaultHTML:
		writeHTML(w, http.StatusOK, "<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>\n")
	case FaultInvalidClient:
		writeOAuthError(w, oauthErrorf(http.StatusUnauthorized, "invalid_client", "Client authentication failed"))
	case FaultInvalidGrant:
		writeOAuthError(w, oauthErrorf(http.StatusBadRequest, "invalid_grant", "The grant is no longer valid"))
	case FaultRedirect307:
		location := f.Location
		orElse(&location, s.base(r)+"/_simulator/canary")
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusTemporaryRedirect)
	case FaultReply:
		for name, value := range f.Headers {
			w.Header().Set(name, value)
		}
		status := f.Status
		orElse(&status, http.StatusOK)
		w.WriteHeader(status)
		io.WriteString(w, f.Body)
	}
}

// distort sends the real answer, damaged.
func (s *Server) distort(w http.ResponseWriter, r *http.Request, f Fault, real *recorder) {
	if f.Kind == FaultCloseAfterCommit {
		abort()
	}
	body := real.body.Bytes()
	maps.Copy(w.Header(), real.header)
	switch f.Kind {
	case FaultTruncatedJSON:
		body = body[:len(body)/2]
	case FaultWrongTokenType:
		body = bytes.Replace(body, []byte(`"token_type":"Bearer"`), []byte(`"token_type":"mac"`), 1)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(real.status)
	switch f.Kind {
	case FaultCloseMidBody:
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		abort()
	case FaultSlowBody:
		s.drip(w, r, f, body)
	default:
		w.Write(body)
	}
}

func (s *Server) drip(w http.ResponseWriter, r *http.Request, f Fault, body []byte) {
	gap := f.DelayMS
	orElse(&gap, 1000)
	flusher := http.NewResponseController(w)
	for i := range body {
		if i > 0 && s.pause(r, time.Duration(gap)*time.Millisecond) != nil {
			abort()
		}
		w.Write(body[i : i+1])
		flusher.Flush()
	}
}

func (s *Server) hugeBody(w http.ResponseWriter, r *http.Request, f Fault) {
	size := f.SizeBytes
	orElse(&size, 64<<20)
	w.Header().Set("Content-Type", "application/json")
	controller := http.NewResponseController(w)
	// A write to a client that reads nothing would outlive Close.
	defer context.AfterFunc(s.closed, func() { controller.SetWriteDeadline(time.Unix(1, 0)) })()
	io.WriteString(w, `{"access_token":"`)
	chunk := strings.Repeat("a", 32<<10)
	for sent := 0; sent < size && r.Context().Err() == nil && s.closed.Err() == nil; sent += len(chunk) {
		if _, err := io.WriteString(w, chunk[:min(len(chunk), size-sent)]); err != nil {
			return
		}
	}
	io.WriteString(w, `","token_type":"Bearer"}`)
}

// recorder keeps an answer so that it can be damaged before it is sent.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

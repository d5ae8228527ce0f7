package simulator

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// authorizeRequest is a checked authorization request (RFC 6749 §4.1.1,
// RFC 7636 §4.3). Parameters OSC does not know are tolerated (RFC 6749 §3.1).
type authorizeRequest struct {
	client      Client
	redirectURI string
	challenge   string
	state       string
	hasState    bool
}

// s256 is the only form an S256 challenge has: 32 bytes in base64url.
var s256 = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// authorize shows the sign-in or consent page on GET, and on POST takes what
// was filled in. The request itself stays in the query both times, so that
// state comes back byte for byte: form fields would be normalised.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	req, stranded, problem := s.parseAuthorize(r.URL.RawQuery)
	switch {
	case stranded != "":
		// With the client or its redirect URI in doubt, redirecting would make
		// this an open redirector (RFC 6749 §4.1.2.1).
		s.page(w, http.StatusBadRequest, "problem", problemPage{Title: "This sign-in link does not work", Text: stranded})
	case problem != nil:
		s.answerClient(w, r, req, url.Values{"error": {problem.Code}, "error_description": {problem.Description}})
	case r.Method == http.MethodPost:
		s.authorizeForm(w, r, req)
	default:
		s.countAuthorization(req)
		s.authorizePage(w, r, req)
	}
}

// parseAuthorize checks the request. stranded is for the page when the client
// cannot be told; problem is for the client.
func (s *Server) parseAuthorize(rawQuery string) (req authorizeRequest, stranded string, problem *oauthError) {
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		return req, "The request is malformed.", nil
	}
	if len(q["client_id"]) != 1 || len(q["redirect_uri"]) != 1 {
		return req, "The request must name client_id and redirect_uri once each.", nil
	}
	client, _, alive := s.client(q.Get("client_id"))
	if !alive {
		return req, "The application is not known here: its client_id is wrong or has expired.", nil
	}
	req.client, req.redirectURI = client, q.Get("redirect_uri")
	if !client.allowsRedirect(req.redirectURI) {
		return req, "The redirect_uri is not one the application has registered.", nil
	}
	if len(q["state"]) == 1 {
		req.state, req.hasState = q.Get("state"), true
	}
	for _, values := range q {
		if len(values) > 1 {
			return req, "", invalidRequest("a parameter is included more than once") // RFC 6749 §3.1
		}
	}
	req.challenge = q.Get("code_challenge")
	switch {
	case q.Get("response_type") == "":
		problem = invalidRequest("response_type is missing")
	case q.Get("response_type") != "code":
		problem = oauthErrorf(http.StatusBadRequest, "unsupported_response_type", "response_type must be code")
	case req.challenge == "":
		problem = invalidRequest("code_challenge is missing")
	case q.Get("code_challenge_method") != "S256":
		problem = invalidRequest("code_challenge_method must be S256")
	case !s256.MatchString(req.challenge):
		problem = invalidRequest("code_challenge is not an S256 challenge")
	}
	return req, "", problem
}

// countAuthorization counts a request once, however often its page is loaded
// on the way through the sign-in.
func (s *Server) countAuthorization(req authorizeRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, now := req.client.ID+"\x00"+req.challenge+"\x00"+req.state, s.now()
	if _, ok := s.seen.get(key, now); !ok {
		s.counters.Authorizations++
	}
	s.seen.put(key, struct{}{}, now.Add(keepCodes), now)
}

func invalidRequest(why string) *oauthError {
	return oauthErrorf(http.StatusBadRequest, "invalid_request", "%s", why)
}

// answerClient sends the browser back with the outcome.
func (s *Server) answerClient(w http.ResponseWriter, r *http.Request, req authorizeRequest, outcome url.Values) {
	k := s.Knobs().Authorize
	if req.hasState && !k.DropState {
		outcome.Set("state", req.state)
	}
	switch k.Iss {
	case "on":
		outcome.Set("iss", s.base(r))
	case "wrong":
		outcome.Set("iss", wrongIssuer)
	}
	// A query the redirect URI already has must be kept (RFC 6749 §3.1.2).
	separator := "?"
	if strings.Contains(req.redirectURI, "?") {
		separator = "&"
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", req.redirectURI+separator+outcome.Encode())
	w.WriteHeader(http.StatusFound)
}

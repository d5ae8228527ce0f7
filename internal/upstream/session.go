package upstream

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strings"
)

// Session is what an Injection's token belongs to. Its methods may be called
// from any goroutine.
type Session interface {
	// Renew is called when the upstream refused the token. It returns what to
	// send in its place, nil where there is nothing else. With wait false it
	// returns nil at once and sees to it that later requests have another.
	Renew(ctx context.Context, wait bool) *Injection

	// Stream is called when an answer turns out to go on and on, of a kind such
	// as websocket or sse. Calling end breaks it off; closed is called when it is
	// over.
	Stream(kind string, end func()) (closed func())
}

// refusesToken tells whether an answer refuses the token that was sent, as far
// as that can be told: a 401 that asks for something else than a bearer token
// (RFC 9110 §11.6.1, RFC 6750 §3) is between the application and its client.
func refusesToken(status int, header http.Header) bool {
	if status != http.StatusUnauthorized {
		return false
	}
	challenges := header.Values("WWW-Authenticate")
	if len(challenges) == 0 {
		return true
	}
	for _, line := range challenges {
		for challenge := range strings.SplitSeq(line, ",") {
			scheme, _, _ := strings.Cut(strings.TrimSpace(challenge), " ")
			if strings.EqualFold(scheme, "Bearer") {
				return true
			}
		}
	}
	return false
}

// isReplayable tells whether a request can be sent twice: it is safe (RFC 9110
// §9.2.1) and has no body that would be gone.
func isReplayable(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return (req.Body == nil || req.Body == http.NoBody) && len(req.Trailer) == 0
	default:
		return false
	}
}

// streamKind is the kind of stream an answer is, "" for one that is none.
func streamKind(status int, header http.Header) string {
	if status == http.StatusSwitchingProtocols {
		return strings.ToLower(cmp.Or(header.Get("Upgrade"), "upgrade"))
	}
	media, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	switch media = strings.TrimSpace(media); {
	case strings.EqualFold(media, "text/event-stream"):
		return "sse"
	case strings.EqualFold(media, "multipart/x-mixed-replace"):
		return "mixed-replace"
	default:
		return ""
	}
}

// watch lets the session of inj end the answer where it is a stream.
func watch(resp *http.Response, inj *Injection) {
	if inj == nil || inj.Session == nil {
		return
	}
	kind := streamKind(resp.StatusCode, resp.Header)
	if kind == "" {
		return
	}
	body := &streamBody{ReadCloser: resp.Body}
	if conn, ok := resp.Body.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body = &streamConn{streamBody: body, conn: conn}
	} else {
		resp.Body = body
	}
	body.closed = inj.Session.Stream(kind, body.end)
}

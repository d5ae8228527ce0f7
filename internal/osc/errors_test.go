package osc

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func TestOnlyAVerdictOfTheStandardEndsAGrant(t *testing.T) {
	grant := func(name string) string { return `{"error":"` + name + `","error_description":"` + marker + `"}` }
	for name, test := range map[string]struct {
		status int
		body   string
		is     error
		code   string
	}{
		"invalid_grant":                          {400, grant("invalid_grant"), tokens.ErrRejected, "invalid_grant"},
		"invalid_grant with 401":                 {401, grant("invalid_grant"), tokens.ErrRejected, "invalid_grant"},
		"invalid_client":                         {401, grant("invalid_client"), tokens.ErrClientUnknown, "invalid_client"},
		"invalid_client with 400":                {400, grant("invalid_client"), tokens.ErrClientUnknown, "invalid_client"},
		"unauthorized_client":                    {400, grant("unauthorized_client"), tokens.ErrClientUnknown, "unauthorized_client"},
		"another error of the standard":          {400, grant("invalid_request"), nil, "invalid_request"},
		"an error nobody knows":                  {400, grant(marker), nil, ""},
		"an error of another case":               {400, grant("INVALID_GRANT"), nil, ""},
		"an error member of another case":        {400, `{"Error":"invalid_grant"}`, nil, ""},
		"an error given twice":                   {400, `{"error":"invalid_grant","error":"server_error"}`, nil, ""},
		"an error that is a list":                {400, `{"error":["invalid_grant"]}`, nil, ""},
		"invalid_grant on a server error":        {500, grant("invalid_grant"), nil, ""},
		"invalid_grant of a proxy":               {503, grant("invalid_grant"), nil, ""},
		"invalid_grant on 403":                   {403, grant("invalid_grant"), nil, ""},
		"invalid_grant on 429":                   {429, grant("invalid_grant"), nil, ""},
		"a page that mentions invalid_grant":     {400, `<html>{"error":"invalid_grant"}` + marker, nil, ""},
		"nothing":                                {500, ``, nil, ""},
		"a token with the status of a creation":  {201, goodAnswer, nil, ""},
		"a token with the status of an error":    {500, goodAnswer, nil, ""},
		"no content":                             {204, ``, nil, ""},
		"not modified":                           {304, ``, nil, ""},
		"a token next to invalid_grant's status": {400, goodAnswer, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.server.on(tokenPath, answer(test.status, test.body))
			set, err := r.renew(t.Context())
			e := asError(t, err)
			if e.Status != test.status || e.Code != test.code || e.Malformed || set != (tokens.Set{}) {
				t.Errorf("error is %+v, want status %d, code %q", e, test.status, test.code)
			}
			for _, verdict := range []error{tokens.ErrRejected, tokens.ErrClientUnknown} {
				if errors.Is(err, verdict) != (verdict == test.is) {
					t.Errorf("%v is %q: %t", err, verdict, verdict != test.is)
				}
			}
			checkQuiet(t, err.Error(), r.logged.String())
			checkAsked(t, r.server, tokenPath, 1)
		})
	}
}

func TestRetryAfterIsReadInBothFormsAndBounded(t *testing.T) {
	now := newClock().Now()
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for name, test := range map[string]struct {
		value string
		want  time.Duration
	}{
		"seconds":                    {"30", 30 * time.Second},
		"no seconds":                 {"0", 0},
		"the most there is":          {"900", maxRetryAfter},
		"too many seconds":           {"86400", maxRetryAfter},
		"more seconds than 32 bits":  {"4294967296", maxRetryAfter},
		"more seconds than 64 bits":  {strings.Repeat("9", 40), maxRetryAfter},
		"a date":                     {at(time.Minute), time.Minute},
		"a date in the past":         {at(-time.Minute), 0},
		"a date in the far future":   {at(48 * time.Hour), maxRetryAfter},
		"a negative number":          {"-5", 0},
		"a sign":                     {"+5", 0},
		"a fraction":                 {"1.5", 0},
		"a word":                     {"soon", 0},
		"nothing":                    {"", 0},
		"a date nobody writes today": {"2026-03-01", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.server.on(tokenPath, answer(503, "", "Retry-After", test.value))
			_, err := r.trade(t.Context())
			if got := asError(t, err).RetryAfter(); got != test.want {
				t.Errorf("Retry-After %q is %v, want %v", test.value, got, test.want)
			}
		})
	}
}

func TestAnErrorSaysNothingOfABrokenAnswer(t *testing.T) {
	for name, raw := range map[string]string{
		"a redirect to no URL":       "HTTP/1.1 302 Found\r\nLocation: http://[" + marker + "\r\nContent-Length: 0\r\n\r\n",
		"a body without a head":      `{"access_token":"` + marker + `"}` + "\r\n\r\n",
		"a status that is no number": "HTTP/1.1 " + marker + " x\r\n\r\n",
		"a header without a colon":   "HTTP/1.1 200 OK\r\n" + marker + "\r\n\r\n",
		"a length that is no number": "HTTP/1.1 200 OK\r\nContent-Length: " + marker + "\r\n\r\n",
		"an unknown encoding":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + marker + "\r\n\r\n",
		"a chunk that is none":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + marker + "\r\n",
		"no gzip":                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 18\r\n\r\n" + marker,
		"half a body":                "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + marker,
		"nothing":                    "",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.server.on(tokenPath, func(w http.ResponseWriter, _ *http.Request) { writeRaw(w, raw) })
			_, err := r.trade(t.Context())
			asError(t, err)
			checkQuiet(t, err.Error(), errors.Unwrap(err).Error())
			checkAsked(t, r.server, tokenPath, 1)
		})
	}
}

func writeRaw(w http.ResponseWriter, raw string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(conn, raw)
	_ = conn.Close()
}

func TestAnErrorOfAProviderThatIsAwayShowsNoSecret(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newAuthServer()
	server.URL = "http://" + listener.Addr().String()
	_ = listener.Close()
	r := rigFor(t, server, server.URL)
	_, err = r.trade(t.Context())
	if e := asError(t, err); e.Status != 0 || e.Malformed {
		t.Errorf("error is %+v", e)
	}
	if strings.Contains(err.Error(), tokenPath) {
		t.Errorf("%q shows the URL", err)
	}
	checkQuiet(t, err.Error(), r.logged.String())
}

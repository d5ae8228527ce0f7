package caddymodule

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/Eyevinn/osc-gateway/internal/gate"
)

// Caddy takes what it logs of a request before any handler sees it: the address
// with its query, and all header fields but four that it knows to hold
// credentials. So a request whose address or fields hold one that Caddy does not
// know is kept out of Caddy's lines, and these are written here instead, alike
// but without it.

// discreet writes the lines about requests that hold secrets.
type discreet struct {
	access, failed *zap.Logger
	fields         []string // canonical names of the fields that hold tokens
}

func newDiscreet(ctx caddy.Context, tokenFields []string) discreet {
	logger := ctx.Logger(new(caddyhttp.App)).Named("log")
	fields := slices.DeleteFunc(tokenFields, func(name string) bool { return name == "Authorization" }) // Caddy knows that one
	return discreet{access: logger.Named("access"), failed: logger.Named("error"), fields: append(fields, gate.JobHeader)}
}

// holdsSecret tells whether Caddy's lines about a request would give one away.
func (d *discreet) holdsSecret(r *http.Request, isCallback bool) bool {
	if isCallback {
		return true
	}
	for _, name := range d.fields {
		if _, there := r.Header[name]; there {
			return true
		}
	}
	return false
}

const redactedValue = "REDACTED"

// redacted is the request as it may be logged.
func (d *discreet) redacted(r *http.Request, isCallback bool) *http.Request {
	shown := r.Clone(r.Context())
	for _, name := range d.fields {
		if _, there := shown.Header[name]; there {
			shown.Header[name] = []string{redactedValue}
		}
	}
	if path, _, query := strings.Cut(shown.RequestURI, "?"); query && isCallback {
		shown.RequestURI = path + "?" + redactedValue
	}
	return shown
}

// serve has a request served and writes the lines about it. An error is answered
// here: further up, Caddy would log it with the request.
func (d *discreet) serve(w http.ResponseWriter, r *http.Request, isCallback bool, next caddyhttp.HandlerFunc) error {
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if server == nil { // in a test
		return next(w, r)
	}
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	line := accessLine{request: d.redacted(r, isCallback), server: server, begun: time.Now(), log: d}
	line.recorder = caddyhttp.NewResponseRecorder(w, nil, nil)
	defer line.write() // also when the client is gone, which panics
	if err := next(line.recorder, r); err != nil {
		line.fail(r, err)
	}
	return nil
}

// accessLine is what is logged of one request.
type accessLine struct {
	log      *discreet
	server   *caddyhttp.Server
	request  *http.Request
	recorder caddyhttp.ResponseRecorder
	begun    time.Time
}

// fail handles an error as a server does: by the site's own error routes if it
// has some, else with the status alone.
func (l *accessLine) fail(r *http.Request, err error) {
	status := http.StatusInternalServerError
	var failure caddyhttp.HandlerError
	if errors.As(err, &failure) && failure.StatusCode != 0 {
		status = failure.StatusCode
	}
	handled := l.server.Errors != nil && len(l.server.Errors.Routes) > 0
	level := zapcore.DebugLevel
	if !handled && status >= http.StatusInternalServerError {
		level = zapcore.ErrorLevel
	}
	if entry := l.log.failed.Check(level, err.Error()); entry != nil {
		entry.Write(l.loggable(), zap.Int("status", status), zap.Duration("duration", time.Since(l.begun)))
	}
	if handled {
		l.handle(r, err, status)
	} else {
		l.recorder.WriteHeader(status)
	}
}

// handle runs the error routes, for the request as it was asked.
func (l *accessLine) handle(r *http.Request, err error, status int) {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		r.Method, r.RequestURI, *r.URL = original.Method, original.RequestURI, *original.URL
	}
	unhandled := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(status)
		return nil
	})
	again := l.server.Errors.Routes.Compile(unhandled).ServeHTTP(l.recorder, l.server.Errors.WithError(r, err))
	if again == nil {
		return
	}
	if entry := l.log.failed.Check(zapcore.ErrorLevel, "error handling handler error"); entry != nil {
		entry.Write(l.loggable(), zap.NamedError("error", again), zap.NamedError("first_error", err))
	}
	l.recorder.WriteHeader(status)
}

func (l *accessLine) loggable() zap.Field {
	return zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: l.request, ShouldLogCredentials: l.credentials()})
}

// credentials tells whether the operator wants to see those Caddy knows of.
func (l *accessLine) credentials() bool {
	return l.server.Logs != nil && l.server.Logs.ShouldLogCredentials
}

// write writes the access log's line, where the server has such a log.
func (l *accessLine) write() {
	if !isLogged(l.server, l.request.Host) {
		return
	}
	level := zapcore.InfoLevel
	if l.recorder.Status() >= http.StatusInternalServerError {
		level = zapcore.ErrorLevel
	}
	user := ""
	if replacer, ok := l.request.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		user, _ = replacer.GetString("http.auth.user.id")
	}
	for _, name := range loggerNames(l.server.Logs, l.request.Host) {
		logger := l.log.access
		if name != "" {
			logger = logger.Named(name)
		}
		if entry := logger.Check(level, "handled request"); entry != nil {
			entry.Write(l.loggable(), zap.String("user_id", user), zap.Duration("duration", time.Since(l.begun)),
				zap.Int("size", l.recorder.Size()), zap.Int("status", l.recorder.Status()),
				zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{
					Header: l.recorder.Header(), ShouldLogCredentials: l.credentials(),
				}))
		}
	}
}

// isLogged tells whether a server has an access log for a host, as Caddy's own
// servers do.
func isLogged(server *caddyhttp.Server, hostport string) bool {
	if server.Logs == nil {
		return false
	}
	host := withoutPort(hostport)
	for name := range server.Logs.LoggerNames {
		if certmagic.MatchWildcard(host, name) {
			return true
		}
	}
	for _, skipped := range server.Logs.SkipHosts {
		if certmagic.MatchWildcard(host, skipped) {
			return false
		}
	}
	return !server.Logs.SkipUnmappedHosts
}

// loggerNames are the names of the loggers for a host, below that of access logs.
func loggerNames(logs *caddyhttp.ServerLogConfig, hostport string) []string {
	host := strings.ToLower(withoutPort(hostport))
	if names, there := logs.LoggerNames[host]; there {
		return names
	}
	labels := strings.Split(host, ".")
	for i := range labels {
		if labels[i] == "" {
			continue
		}
		labels[i] = "*"
		if names, there := logs.LoggerNames[strings.Join(labels, ".")]; there {
			return names
		}
	}
	return []string{logs.DefaultLoggerName}
}

func withoutPort(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return hostport
	}
	return host
}

package gate

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	// JobHeader is the field a route's upstream is given a job's handle in, and
	// hands it back in.
	JobHeader = "X-Osc-Job"
	// JobPath is where handles are traded.
	JobPath = "/token"

	maxJobBody = 4 << 10
)

// JobVault opens handles; tokens.Vault does.
type JobVault interface {
	OpenJob(handle string) (tokens.JobTicket, error)
	Lasting(ctx context.Context, site string, ticket tokens.Ticket) (*tokens.Session, error)
}

// Jobs trades the handles of jobs for fresh tokens, for upstreams whose work
// outlives the request. It answers with tokens, so it belongs where no browser
// comes.
type Jobs struct {
	Open     func(ctx context.Context) (JobVault, error)
	Services Services
	Pages    *pages.Pages
	Now      func() time.Time
	Log      *slog.Logger
}

// jobAnswer is that of a token endpoint (RFC 6749 §5.1).
type jobAnswer struct {
	Token     string `json:"access_token"`
	Type      string `json:"token_type"`
	ExpiresIn int64  `json:"expires_in,omitempty"` // seconds
	Service   string `json:"service,omitempty"`
	User      string `json:"user,omitempty"`
	Tenant    string `json:"tenant,omitempty"`
}

// ServeHTTP answers one trade.
func (j *Jobs) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return j.refuse(w, r, &refusal{reason: pages.BadRequest, status: http.StatusMethodNotAllowed})
	}
	handle, ok := jobHandle(w, r)
	if !ok {
		return j.refuse(w, r, &refusal{
			reason: pages.BadRequest, hint: "Send the job's handle in " + JobHeader + ", just as it was received.",
		})
	}
	session, token, service, refused := j.trade(r.Context(), handle)
	if refused != nil {
		return j.refuse(w, r, refused)
	}
	j.Log.Debug("gave a job a token", "session", session.Name.Digest(), "user", session.User, "tenant", session.Tenant, "service", service)
	return writeJSON(w, http.StatusOK, jobAnswer{
		Token: token.Reveal(), Type: "Bearer", Service: service, User: session.User, Tenant: session.Tenant,
		ExpiresIn: int64(j.lifetime(session, token) / time.Second),
	})
}

func (j *Jobs) trade(ctx context.Context, handle string) (session *tokens.Session, token secret.String, service string, refused *refusal) {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	vault, err := j.Open(ctx)
	if err != nil {
		return nil, token, "", unavailable(err)
	}
	job, err := vault.OpenJob(handle)
	if err == nil {
		session, err = vault.Lasting(ctx, job.Site, job.Ticket)
	}
	if err != nil {
		return nil, token, "", sessionRefusal(err)
	}
	if job.Service == "" {
		return session, session.Access, "", nil
	}
	if token, err = j.Services.Token(ctx, session, job.Service); err != nil {
		return nil, token, "", serviceRefusal(err, session)
	}
	return session, token, job.Service, nil
}

// lifetime is how long a token lives on, 0 where that is not known.
func (j *Jobs) lifetime(session *tokens.Session, token secret.String) time.Duration {
	if token.Equal(session.Access) {
		return session.TokenExpires.Sub(j.Now())
	}
	return osc.TokenLifetime(token, j.Now())
}

func (j *Jobs) refuse(w http.ResponseWriter, r *http.Request, why *refusal) error {
	attrs := []any{"reason", why.reason, "method", r.Method}
	for _, attr := range why.identity() {
		attrs = append(attrs, attr)
	}
	if why.cause != nil {
		attrs = append(attrs, "error", why.cause)
	}
	j.Log.Info("a job got no token", attrs...)
	j.Pages.Refuse(w, why.view(), false)
	return nil
}

// jobHandle takes the handle out of a request: of the field it was received in,
// or as "job" of a form or a JSON object.
func jobHandle(w http.ResponseWriter, r *http.Request) (string, bool) {
	if lines := r.Header[JobHeader]; len(lines) > 0 {
		return strings.TrimSpace(lines[0]), len(lines) == 1
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJobBody))
	if err != nil {
		return "", false
	}
	handle, err := jobOf(r.Header.Get("Content-Type"), body)
	return handle, err == nil && handle != ""
}

var errMedia = errors.New("neither a form nor JSON")

func jobOf(contentType string, body []byte) (string, error) {
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return "", err
	case media == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil || len(form["job"]) != 1 {
			return "", errMedia
		}
		return form.Get("job"), nil
	case media == "application/json":
		var object struct {
			Job string `json:"job"`
		}
		err := json.Unmarshal(body, &object)
		return object.Job, err
	default:
		return "", errMedia
	}
}

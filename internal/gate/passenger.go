package gate

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
	"github.com/Eyevinn/osc-gateway/internal/upstream"
)

// Services trades a session's token for that of one OSC service; osc.Services
// is one.
type Services interface {
	Token(ctx context.Context, session *tokens.Session, service string) (secret.String, error)
	// Renew is Token where an upstream refused the one given.
	Renew(ctx context.Context, session *tokens.Session, service string, refused secret.String) (secret.String, error)
}

// passenger is who a request goes on for, and with what. All that is said of
// them lies in here, so that a request costs one allocation and not ten.
type passenger struct {
	*tokens.Session
	credential secret.String
	job        secret.String // the handle; empty for none

	gate     *Gate
	route    *Route
	path     string
	isCaller bool // with a token of its own, and no session of ours
	vault    Vault
	ticket   tokens.Ticket // zero for a caller
	realm    string

	injection     upstream.Injection
	fields        [4]upstream.Field
	token, handle string // values of fields
	cookies       []string
	room          [2]string // for cookies
}

// equip gives a passenger what the route sends: the user's token, or that of
// the service the route names, and a job's handle. Where that can't be had the
// request goes no further: the user's own token would open far more than the
// route was given.
func (g *Gate) equip(ctx context.Context, p *passenger) *refusal {
	p.credential = p.Access
	if p.route.Service != "" && p.route.Token.Name != "" {
		token, err := g.cfg.Services.Token(ctx, p.Session, p.route.Service)
		if err != nil {
			return serviceRefusal(err, p.Session)
		}
		p.credential = token
	}
	if p.route.Jobs > 0 && !p.ticket.IsZero() {
		job, err := p.vault.Job(ctx, p.realm, p.ticket, p.route.Service, p.route.Jobs)
		if err != nil {
			return sessionRefusal(err)
		}
		p.job = job
	}
	return nil
}

func serviceRefusal(err error, session *tokens.Session) *refusal {
	if osc.IsRefusal(err) {
		return &refusal{reason: pages.ProviderError, session: session, cause: err}
	}
	return &refusal{reason: pages.ProviderUnavailable, retryAfter: osc.RetryAfter(err), session: session, cause: err}
}

// injection is what the upstream is told of a passenger; of nobody, nothing.
func (g *Gate) injection(route *Route, p *passenger) *upstream.Injection {
	if p == nil { // somebody signed in gets another answer
		return &upstream.Injection{Hygiene: g.cfg.Hygiene, Vary: route.Mode == Optional}
	}
	fields := p.fields[:0]
	if route.Token.Name != "" {
		p.token = p.value()
		fields = append(fields, upstream.NewField(route.Token.Name, &p.token, len(p.token)-len(p.credential.Reveal())))
	}
	if route.Identity && p.User != "" {
		fields = append(fields, upstream.NewIdentity("X-Osc-User", &p.User))
	}
	if route.Identity && p.Tenant != "" {
		fields = append(fields, upstream.NewIdentity("X-Osc-Tenant", &p.Tenant))
	}
	if !p.job.IsEmpty() {
		p.handle = p.job.Reveal()
		fields = append(fields, upstream.NewHandle(JobHeader, &p.handle))
	}
	p.injection = upstream.Injection{Hygiene: g.cfg.Hygiene, Private: true, Required: route.Token.Name != "", Fields: fields}
	if !p.ticket.IsZero() {
		p.injection.Session = p
	}
	return &p.injection
}

// value is what the token's field says. The user's own token is at hand in the
// usual form, and long.
func (p *passenger) value() string {
	if header := p.route.Token; header.Raw || p.route.Service != "" || p.Bearer.IsEmpty() {
		return header.value(p.credential.Reveal())
	}
	return p.Bearer.Reveal()
}

// sentBy is who sent a request with these Cookie lines, before they are cut.
func (p *passenger) sentBy(lines []string) upstream.Client {
	if p == nil {
		return &nobody{slices.Clone(lines)}
	}
	p.cookies = append(p.room[:0], lines...)
	return p
}

// Cookies implements upstream.Client.
func (p *passenger) Cookies() []string { return p.cookies }

// Renew implements upstream.Session: the upstream refused the token, so it is
// renewed, which the vault and the services do seldom enough.
func (p *passenger) Renew(ctx context.Context, wait bool) *upstream.Injection {
	if p.route.Token.Name == "" {
		return nil // none of ours was sent
	}
	if !wait {
		go p.renewed(context.WithoutCancel(ctx))
		return nil
	}
	next := p.renewed(ctx)
	if next == nil {
		return nil
	}
	return p.gate.injection(p.route, next)
}

// renewed is the passenger with another credential, nil where there is none.
func (p *passenger) renewed(ctx context.Context) *passenger {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	next := *p
	var err error
	if p.route.Service != "" && p.route.Token.Name != "" {
		next.credential, err = p.gate.cfg.Services.Renew(ctx, p.Session, p.route.Service, p.credential)
	} else if next.Session, err = p.vault.Renew(ctx, p.realm, p.ticket, p.credential); err == nil {
		next.credential = next.Access
	}
	if err != nil {
		p.gate.cfg.Log.Info("the upstream refused a token, and there is no other", "session", p.Name.Digest(), "user", p.User, "tenant", p.Tenant, "error", err)
		return nil
	}
	if next.credential.Equal(p.credential) {
		return nil
	}
	return &next
}

// renewTimeout bounds how long an upstream's refusal waits for another token.
const renewTimeout = 20 * time.Second

// Stream implements upstream.Session.
func (p *passenger) Stream(kind string, end func()) (closed func()) {
	return p.vault.Stream(p.realm, p.ticket, p.Session, &tokens.Stream{Kind: kind, Path: p.path, Most: p.route.Streams, End: end})
}

// wantsStream tells whether a request asks for an answer that goes on on the
// token it begins with.
func wantsStream(r *http.Request) bool {
	return r.Header.Get("Upgrade") != "" || slices.ContainsFunc(r.Header["Accept"], func(line string) bool {
		return strings.Contains(line, "text/event-stream")
	})
}

var (
	_ upstream.Session = (*passenger)(nil)
	_ upstream.Client  = (*passenger)(nil)
)

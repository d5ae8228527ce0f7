package gate

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// Callers finds out whose token a caller brought; osc.Callers is one.
type Callers interface {
	// Identify returns who a token is of. osc.ErrTokenRefused is certain.
	Identify(ctx context.Context, token secret.String) (*tokens.Session, error)
}

// brought returns the lines of the token field of a request, where the route
// takes tokens that callers bring; nil where it does not or there are none.
// Other spellings of the field's name are nobody's token: they are stripped.
func (r *Route) brought(request *http.Request) []string {
	if !r.Passthrough || r.Token.Name == "" {
		return nil
	}
	return request.Header[r.Token.Name]
}

// admitCaller is for a program that brings its own token. Its word counts alone:
// no cookie is looked at, so neither the browser's session nor the caller's
// token ever stands in for the other.
func (g *Gate) admitCaller(r *http.Request, p *passenger, lines []string) *refusal {
	p.isCaller = true
	token, ok := p.route.Token.read(lines)
	if !ok {
		return &refusal{reason: pages.TokenRejected}
	}
	session, err := g.cfg.Callers.Identify(r.Context(), token)
	switch {
	case errors.Is(err, osc.ErrTokenRefused):
		return &refusal{reason: pages.TokenRejected, cause: err}
	case err != nil:
		return &refusal{reason: pages.ProviderUnavailable, retryAfter: osc.RetryAfter(err), cause: err}
	}
	p.Session = session
	return nil
}

// maxBrought is the longest token that is looked at, in bytes.
const maxBrought = 8 << 10

// read takes the token out of the one line of its field.
func (h TokenHeader) read(lines []string) (secret.String, bool) {
	if len(lines) != 1 || len(lines[0]) > maxBrought {
		return secret.String{}, false
	}
	token := lines[0]
	if !h.Raw {
		scheme, rest, _ := strings.Cut(token, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return secret.String{}, false
		}
		token = strings.TrimLeft(rest, " ")
	}
	return secret.New(token), osc.IsToken(token)
}

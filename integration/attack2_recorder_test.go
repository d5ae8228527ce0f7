package integration

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// attack2Call is a request to the provider.
type attack2Call struct {
	path   string
	header http.Header
	body   string
}

func (c attack2Call) form() url.Values {
	values, _ := url.ParseQuery(c.body)
	return values
}

// attack2Provider is the simulator, with everything written down that the
// gateway asks it, and with answers of one's own in place of its.
type attack2Provider struct {
	next http.Handler

	mu      sync.Mutex
	calls   []attack2Call
	answers []attack2Instead
}

// attack2Instead answers a call, or says that it does not want to.
type attack2Instead func(http.ResponseWriter, *http.Request, attack2Call) bool

func (p *attack2Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	call := attack2Call{path: r.URL.Path, header: r.Header.Clone(), body: string(body)}
	p.mu.Lock()
	if r.Method == http.MethodPost || strings.HasPrefix(r.URL.Path, "/.well-known/") {
		p.calls = append(p.calls, call)
	}
	answers := p.answers
	p.mu.Unlock()
	for _, answer := range answers {
		if answer(w, r, call) {
			return
		}
	}
	p.next.ServeHTTP(w, r)
}

// also has a function answer in place of the simulator, where it wants to.
func (p *attack2Provider) also(answer attack2Instead) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = append(slices.Clip(p.answers), answer)
}

// at returns the calls of a path.
func (p *attack2Provider) at(path string) (found []attack2Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, call := range p.calls {
		if call.path == path {
			found = append(found, call)
		}
	}
	return found
}

const (
	attack2Token    = "/api/connect/token"
	attack2Register = "/api/connect/register"
)

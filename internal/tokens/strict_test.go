package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// strict is a provider of the least forgiving kind: a refresh token is good
// once and for two hours, and one that comes back ends all that came of it.
type strict struct {
	now func() time.Time

	mu       sync.Mutex
	mood     mood
	families map[string]*family   // by user
	alive    map[string]time.Time // until when each access token lives
	sent     []sending
}

const (
	strictAccess  = time.Hour
	strictRefresh = 2 * time.Hour

	diedOfAge = "the refresh token died of age"
)

// mood stands around a trade: it may refuse it, delay it, or lose its answer.
type mood func(ctx context.Context, trade func() (tokens.Set, error)) (tokens.Set, error)

// family is what came of one sign-in.
type family struct {
	generation int
	issued     time.Time
	ended      string // why, "" while it is good
}

// sending is one call of the token endpoint.
type sending struct {
	refresh string
	at      time.Time
}

func newStrict(now func() time.Time) *strict {
	return &strict{now: now, families: map[string]*family{}, alive: map[string]time.Time{}}
}

// authorize is a user's sign-in.
func (p *strict) authorize(user string) tokens.Set {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.families[user] = &family{}
	return p.issue(user)
}

func (p *strict) issue(user string) tokens.Set {
	f := p.families[user]
	f.generation++
	f.issued = p.now()
	access := fmt.Sprint(canary, "access ", user, "/", f.generation)
	p.alive[access] = f.issued.Add(strictAccess)
	return tokens.Set{
		Access: secret.New(access), Refresh: secret.New(p.current(user)), Lifetime: strictAccess, User: user, Tenant: "acme",
	}
}

func (p *strict) current(user string) string {
	return fmt.Sprint(canary, "refresh ", user, "/", p.families[user].generation)
}

// Refresh answers as the token endpoint would.
func (p *strict) Refresh(ctx context.Context, _ tokens.Client, refresh secret.String) (tokens.Set, error) {
	p.mu.Lock()
	p.sent = append(p.sent, sending{refresh.Reveal(), p.now()})
	mood := p.mood
	p.mu.Unlock()
	trade := func() (tokens.Set, error) { return p.trade(refresh.Reveal()) }
	if mood == nil {
		return trade()
	}
	return mood(ctx, trade)
}

func (p *strict) trade(refresh string) (tokens.Set, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	user, _, _ := strings.Cut(strings.TrimPrefix(refresh, canary+"refresh "), "/")
	f := p.families[user]
	switch {
	case f == nil || f.ended != "":
		return tokens.Set{}, tokens.ErrRejected
	case refresh != p.current(user):
		f.ended = "a refresh token came back"
		return tokens.Set{}, tokens.ErrRejected
	case p.now().Sub(f.issued) >= strictRefresh:
		f.ended = diedOfAge
		return tokens.Set{}, tokens.ErrRejected
	}
	return p.issue(user), nil
}

func (p *strict) feels(m mood) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mood = m
}

// whyEnded tells why a user's family ended, "" while it is good.
func (p *strict) whyEnded(user string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.families[user].ended
}

func (p *strict) sends() []sending {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sent)
}

// Moods.
func outage(context.Context, func() (tokens.Set, error)) (tokens.Set, error) {
	return tokens.Set{}, errWeather
}

func hanging(ctx context.Context, _ func() (tokens.Set, error)) (tokens.Set, error) {
	<-ctx.Done()
	return tokens.Set{}, ctx.Err()
}

func replyLost(_ context.Context, trade func() (tokens.Set, error)) (tokens.Set, error) {
	_, err := trade()
	return tokens.Set{}, errors.Join(errWeather, err)
}

func slow(d time.Duration) mood {
	return func(ctx context.Context, trade func() (tokens.Set, error)) (tokens.Set, error) {
		select {
		case <-time.After(d):
			return trade()
		case <-ctx.Done():
			return tokens.Set{}, ctx.Err()
		}
	}
}

// wantNoneTwice fails where a refresh token was sent more than once.
func (p *strict) wantNoneTwice(t *testing.T) {
	t.Helper()
	seen := map[string]bool{}
	for _, s := range p.sends() {
		if seen[s.refresh] {
			t.Errorf("%q was sent twice", s.refresh)
		}
		seen[s.refresh] = true
	}
}

// wantServed fails unless the answer is a living token of the user.
func (p *strict) wantServed(t *testing.T, a answer, user string) {
	t.Helper()
	if a.err != nil {
		t.Fatalf("%s is not served: %v (at the provider: %q)", user, a.err, p.whyEnded(user))
	}
	if wrong := p.faultOf(a.session.Access.Reveal(), user); wrong != "" {
		t.Fatal(wrong)
	}
}

// faultOf says what is wrong with a token served to a user.
func (p *strict) faultOf(access, user string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, known := p.alive[access]
	switch {
	case !known, !strings.HasPrefix(access, canary+"access "+user+"/"):
		return fmt.Sprintf("%s was served %q", user, access)
	case !p.now().Before(until):
		return fmt.Sprintf("%s was served %q, which died %v ago", user, access, p.now().Sub(until))
	}
	return ""
}

// strictBubble is a bubble where time passes and the provider is strict.
func strictBubble(t *testing.T, test func(t *testing.T, r *rig, p *strict)) {
	t.Helper()
	runningBubble(t, func(t *testing.T, r *rig) {
		p := newStrict(r.clock.Now)
		r.adopt(p)
		test(t, r, p)
	})
}

// twin is a replica with the same provider.
func (r *rig) twin(p *strict) *rig {
	other := r.replica()
	other.adopt(p)
	return other
}

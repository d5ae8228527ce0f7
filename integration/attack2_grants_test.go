package integration

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// attack2Reply is an answer of the token endpoint as it is sent.
type attack2Reply struct {
	status int // 0: 200
	header http.Header
	body   string
}

func (r attack2Reply) send(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	maps.Copy(w.Header(), r.header)
	w.WriteHeader(max(r.status, http.StatusOK))
	fmt.Fprint(w, r.body)
}

// attack2Grant is one sign-in whose tokens are made up here: what it begins
// with, and what each refresh of it is answered.
type attack2Grant struct {
	name    string // begins its refresh tokens
	begin   attack2Reply
	refresh func(n int) attack2Reply

	mu    sync.Mutex
	asked []string // the refresh tokens that came, in order
}

func (g *attack2Grant) refreshes() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.asked...)
}

// usedOnce checks that no refresh token came twice.
func (g *attack2Grant) usedOnce(t testing.TB) {
	t.Helper()
	seen := map[string]bool{}
	for _, token := range g.refreshes() {
		if seen[token] {
			t.Errorf("the refresh token %s came again: %q", token, g.refreshes())
		}
		seen[token] = true
	}
}

// attack2Pair is a token response with members of one's own: "" leaves one out,
// all else is JSON as it is.
func attack2Pair(grant string, n int, members ...string) attack2Reply {
	all := [][2]string{
		{"access_token", fmt.Sprintf(`"opaque-token-of-%s-%d"`, grant, n)}, {"token_type", `"Bearer"`},
		{"refresh_token", fmt.Sprintf(`"%s.refresh-token-%d"`, grant, n)}, {"expires_in", "3600"},
	}
	for i := 0; i < len(members); i += 2 {
		for k := range all {
			if all[k][0] == members[i] {
				all[k][1] = members[i+1]
			}
		}
	}
	var parts []string
	for _, member := range all {
		if member[1] != "" {
			parts = append(parts, `"`+member[0]+`":`+member[1])
		}
	}
	return attack2Reply{body: "{" + strings.Join(parts, ",") + "}"}
}

// attack2Grants answer the token endpoint of a world.
type attack2Grants struct {
	mu     sync.Mutex
	next   *attack2Grant // for the exchange to come
	byName map[string]*attack2Grant
}

func (a *attack2) grants() *attack2Grants {
	g := &attack2Grants{byName: map[string]*attack2Grant{}}
	a.asked.also(g.answer)
	return g
}

func (g *attack2Grants) answer(w http.ResponseWriter, _ *http.Request, call attack2Call) bool {
	if call.path != attack2Token {
		return false
	}
	form := call.form()
	if form.Get("grant_type") == "authorization_code" {
		g.mu.Lock()
		next := g.next
		g.mu.Unlock()
		if next == nil {
			return false
		}
		next.begin.send(w)
		return true
	}
	token := form.Get("refresh_token")
	name, _, _ := strings.Cut(token, ".")
	g.mu.Lock()
	grant := g.byName[name]
	g.mu.Unlock()
	if grant == nil {
		return false
	}
	grant.mu.Lock()
	grant.asked = append(grant.asked, token)
	reply := grant.refresh(len(grant.asked))
	grant.mu.Unlock()
	reply.send(w)
	return true
}

// signIn has a visitor come back from the provider and be given the grant.
func (g *attack2Grants) signIn(a *attack2, v *visitor, grant *attack2Grant) answer {
	a.t.Helper()
	if grant.refresh == nil {
		grant.refresh = func(n int) attack2Reply { return attack2Pair(grant.name, n) }
	}
	callback := v.toCallback(v.open("/" + grant.name))
	g.mu.Lock()
	g.next = grant
	g.byName[grant.name] = grant
	g.mu.Unlock()
	got := v.open(callback)
	g.mu.Lock()
	g.next = nil
	g.mu.Unlock()
	return got
}

// tokensOf are the tokens that requests for a path brought the app, in order.
func (a *attack2) tokensOf(path string) (found []string) {
	for _, got := range a.app.all() {
		if token, ok := got.token(); ok && got.URI == path {
			found = append(found, token)
		}
	}
	return found
}

// tokenLife is how long the gateway believes a visitor's token lives.
func (a *attack2) tokenLife(t testing.TB, v *visitor) time.Duration {
	t.Helper()
	got := v.fetch(http.MethodGet, "/auth/session")
	var said struct {
		SignedIn bool      `json:"signed_in"`
		Expires  time.Time `json:"token_expires_at"`
	}
	if err := json.Unmarshal([]byte(got.Body), &said); err != nil || !said.SignedIn {
		t.Fatalf("%v: %v", err, got)
	}
	return time.Until(said.Expires)
}

// attack2JWT has the shape of a JWT around any payload.
func attack2JWT(payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return `"` + encode([]byte(`{"alg":"HS256"}`)) + "." + encode([]byte(payload)) + "." + encode([]byte("nobody signed this")) + `"`
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/simulator"
	"github.com/Eyevinn/osc-gateway/internal/stores"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// redirectURI is where the client of ours that signs people in would be.
const redirectURI = "http://127.0.0.1:1/auth/callback"

// grants makes the provider grant tokens to somebody without a browser. They
// can be refreshed, unlike those of a population that is only there.
type grants struct {
	l      *lab
	client tokens.Client
}

func (l *lab) grants() *grants {
	c := l.provider.osc.AddClient(simulator.Client{RedirectURIs: []string{redirectURI}})
	return &grants{l, tokens.Client{ID: c.ID, Secret: secret.New(c.Secret)}}
}

// verifier is a fixed one (RFC 7636 §4.1): nobody is to be kept out.
var verifier = strings.Repeat("v", 43)

func (g *grants) get(ctx context.Context, user string) (tokens.Set, error) {
	sum := sha256.Sum256([]byte(verifier))
	code, err := g.l.provider.osc.IssueCode(g.client.ID, redirectURI, base64.RawURLEncoding.EncodeToString(sum[:]), user, "tenant")
	if err != nil {
		return tokens.Set{}, err
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
		"client_id": {g.client.ID}, "client_secret": {g.client.Secret.Reveal()},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.l.provider.issuer+"/api/connect/token", strings.NewReader(form.Encode()))
	if err != nil {
		return tokens.Set{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return tokens.Set{}, err
	}
	defer response.Body.Close()
	var granted struct {
		Access    string `json:"access_token"`
		Refresh   string `json:"refresh_token"`
		ExpiresIn int    `json:"expires_in"`
	}
	if err := json.NewDecoder(response.Body).Decode(&granted); err != nil {
		return tokens.Set{}, err
	}
	if response.StatusCode != http.StatusOK || granted.Refresh == "" {
		return tokens.Set{}, fmt.Errorf("the provider granted no tokens: %d", response.StatusCode)
	}
	return tokens.Set{
		Access: secret.New(granted.Access), Refresh: secret.New(granted.Refresh),
		Lifetime: time.Duration(granted.ExpiresIn) * time.Second, User: user, Tenant: "tenant",
	}, nil
}

// lifetime is how long tokens live that are granted from now on.
func (g *grants) lifetime(d time.Duration) {
	g.l.provider.osc.SetKnobs(func(k *simulator.Knobs) { k.Token.AccessLifetimeSeconds = int(d / time.Second) })
}

// slowly makes refreshes take their time; 0 makes them quick again.
func (g *grants) slowly(d time.Duration) {
	g.l.provider.osc.SetKnobs(func(k *simulator.Knobs) {
		k.Faults = nil
		if d > 0 {
			k.Faults = []simulator.Fault{{
				Kind: simulator.FaultDelay, Endpoint: simulator.EndpointToken, Scope: simulator.ScopeRefresh, DelayMS: int(d.Milliseconds()),
			}}
		}
	})
}

// aged puts sessions into a store that each began as long ago as ages says, and
// returns the tokens they have.
func (g *grants) aged(ctx context.Context, p *population, store tokens.Store, n int, ages func(i int) time.Duration) (map[string]bool, error) {
	var age time.Duration
	vault := g.l.vault(store, func() time.Time { return time.Now().Add(-age) })
	realm, had := g.l.realm(p.address), map[string]bool{}
	for i := range n {
		set, err := g.get(ctx, fmt.Sprintf("user-%d", i))
		if err != nil {
			return nil, err
		}
		age = ages(i)
		ticket, _, err := vault.Create(ctx, realm, g.client, set)
		if err != nil {
			return nil, err
		}
		p.tickets, had["Bearer "+set.Access.Reveal()] = append(p.tickets, ticket), true
	}
	return had, nil
}

// agedFile is aged in a file.
func (g *grants) agedFile(ctx context.Context, n int, ages func(i int) time.Duration) (p *population, had map[string]bool, err error) {
	address, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp(g.l.dir, "aged-")
	if err != nil {
		return nil, nil, err
	}
	p = g.l.newPopulation(address)
	p.path = filepath.Join(dir, "sessions.db")
	store, err := stores.OpenFile(p.path, stores.FileConfig{})
	if err != nil {
		return nil, nil, err
	}
	had, err = g.aged(ctx, p, store, n, ages)
	if closed := store.Close(); err == nil {
		err = closed
	}
	return p, had, err
}

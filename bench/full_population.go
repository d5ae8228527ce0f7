package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/stores"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// population are sessions in a store that nobody signed in to.
type population struct {
	path    string // of the file
	address string // of the gateway they are for
	tickets []tokens.Ticket
	jar     *cookies.Jar
}

// limits are the gateway's defaults.
var limits = tokens.Limits{Idle: 12 * time.Hour, Lifetime: 7 * 24 * time.Hour}

// origin is the site that a gateway at an address has.
func origin(address string) cookies.Site { return cookies.Site{Origin: "http://" + address} }

// realm is what a gateway binds the sessions of that site to.
func (l *lab) realm(address string) string { return origin(address).Origin + " " + l.provider.issuer }

// vault makes sessions as a gateway with our key would.
func (l *lab) vault(store tokens.Store, now func() time.Time) *tokens.Vault {
	v := tokens.NewVault(tokens.VaultConfig{Store: store, Ring: l.ring, Now: now})
	v.Adopt(tokens.Policy{Limits: limits})
	return v
}

func (l *lab) newPopulation(address string) *population {
	return &population{address: address, jar: cookies.New(l.ring, cookies.Config{
		Name: "osc_session", SameSite: http.SameSiteLaxMode, Lifetime: limits.Lifetime, FlowAge: time.Hour,
	})}
}

// accessToken is the token of the session of that number, of the usual length
// and make: a JWT's three parts.
func (l *lab) accessToken(i int) string {
	parts := strings.Split(l.provider.token(), ".")
	claims := fmt.Appendf(nil, `{"session":"%010d"}`, i)
	claims = append(claims, bytes.Repeat([]byte(" "), base64.RawURLEncoding.DecodedLen(len(parts[1]))-len(claims))...)
	signature := sha256.Sum256(claims)
	return parts[0] + "." + base64.RawURLEncoding.EncodeToString(claims) + "." + base64.RawURLEncoding.EncodeToString(signature[:])
}

// set is what a provider would have granted it.
func (l *lab) set(i int) tokens.Set {
	return tokens.Set{
		Access: secret.New(l.accessToken(i)), Refresh: secret.New(fmt.Sprintf("osc_refresh_%043d", i)),
		Lifetime: lifetime * time.Second, User: fmt.Sprintf("user-%010d", i), Tenant: "tenant",
	}
}

// registered is a client as long as those the provider registers.
var registered = tokens.Client{ID: "osc_" + strings.Repeat("c", 24), Secret: secret.New("osc_secret_" + strings.Repeat("s", 64)), Dynamic: true}

// settle puts so many sessions into the store of a vault, many at a time.
func (l *lab) settle(ctx context.Context, p *population, vault *tokens.Vault, n, writers int) error {
	p.tickets = make([]tokens.Ticket, n)
	realm := l.realm(p.address)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				ticket, _, err := vault.Create(ctx, realm, registered, l.set(i))
				if err != nil {
					cancel(err)
					return
				}
				p.tickets[i] = ticket
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// file is a file of so many sessions for a gateway that is yet to be started.
// It is made once.
func (l *lab) file(ctx context.Context, n int) (*population, error) {
	if p := l.crowds[n]; p != nil {
		return p, nil
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p := l.newPopulation(address)
	dir, err := os.MkdirTemp(l.dir, "sessions-")
	if err != nil {
		return nil, err
	}
	p.path = filepath.Join(dir, "sessions.db")
	begun := time.Now()
	err = l.freely(ctx, func() error {
		store, err := stores.OpenFile(p.path, stores.FileConfig{})
		if err != nil {
			return err
		}
		err = l.settle(ctx, p, l.vault(store, nil), n, 1024)
		if closed := store.Close(); err == nil {
			err = closed
		}
		return err
	})
	debug.FreeOSMemory() // this process looks after nobody's sessions
	say(fmt.Sprintf("scale: wrote %d sessions within %v", n, time.Since(begun).Round(time.Second)))
	l.crowds[n] = p
	return p, err
}

// cookie is what the browser of the session of that number sends.
func (p *population) cookie(i int) (string, error) {
	header := http.Header{}
	if err := p.jar.SetSession(header, origin(p.address), p.tickets[i], limits.Lifetime); err != nil {
		return "", err
	}
	pair, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	return pair, nil
}

// moveIn makes the crowd of a house of the population's sessions, evenly all
// over it; the upstream knows their tokens.
func (h *house) moveIn(p *population) error {
	h.crowd = nil
	for i := range visitors {
		number := i * len(p.tickets) / visitors
		cookie, err := p.cookie(number)
		if err != nil {
			return err
		}
		h.lab.upstream.expect(h.path(i), "Bearer "+h.lab.accessToken(number))
		h.crowd = append(h.crowd, newVisitor(h.address, h.path(i), cookie))
	}
	return nil
}

// moveInto fills a house that knows no users.
func (h *house) moveInto() {
	h.crowd = nil
	for i := range visitors {
		h.lab.upstream.expect(h.path(i), "")
		h.crowd = append(h.crowd, newVisitor(h.address, h.path(i), ""))
	}
}

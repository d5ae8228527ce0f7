package main

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// lifetime of every token: nothing is refreshed while measuring.
const lifetime = 24 * 60 * 60 // seconds

// provider is an OSC whose users sign in without being asked.
type provider struct {
	issuer string
	osc    *simulator.Server
	server *http.Server
	whose  atomic.Pointer[string]
}

// newProvider starts one that hands out tokens of so many bytes.
func newProvider(tokenBytes int) (*provider, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &provider{issuer: "http://" + listener.Addr().String()}
	p.osc = simulator.New(simulator.Config{Issuer: p.issuer})
	p.osc.SetKnobs(func(k *simulator.Knobs) {
		k.Token.AccessLifetimeSeconds, k.Token.RefreshLifetimeSeconds = lifetime, lifetime
	})
	p.server = &http.Server{Handler: p.osc}
	go p.server.Serve(listener) // ends with close
	if err := p.pad(tokenBytes); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// pad finds the padding with which a token is as long as wanted. The padding
// is a claim, which base64 makes a third longer, so not every length can be
// had; a longer one is never taken.
func (p *provider) pad(size int) error {
	for bytes := size; bytes > 0; bytes-- {
		p.osc.SetKnobs(func(k *simulator.Knobs) { k.PAT.PadBytes = bytes })
		if len(p.token()) <= size {
			return nil
		}
	}
	return fmt.Errorf("tokens are %d bytes at least", len(p.token()))
}

// token issues one as a sign-in would.
func (p *provider) token() string { return p.osc.IssuePAT(userName(0), userName(0)) }

// next is who the next authorization request is answered for.
func (p *provider) next(user string) {
	p.whose.Store(&user)
	p.osc.SetKnobs(func(k *simulator.Knobs) { k.Authorize.AutoUser, k.Authorize.AutoApprove = user, true })
}

// user is who is next, "" before anybody.
func (p *provider) user() string {
	if user := p.whose.Load(); user != nil {
		return *user
	}
	return ""
}

func (p *provider) close() {
	p.osc.Close()
	p.server.Close()
}

// userName is a visitor's name; all are of one length, and so are their tokens.
func userName(visitor int) string { return fmt.Sprintf("visitor-%02d", visitor) }

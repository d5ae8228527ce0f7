package gate

import (
	"context"
	"net/http"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/pkce"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// desk is what requests are handled with once the safe is open.
type desk struct {
	vault Vault
	keys  *tokens.KeyRing
	jar   *cookies.Jar
}

// openTimeout bounds how long a request waits for the safe to open.
const openTimeout = 5 * time.Second

// open returns the desk. The safe is asked until it opens the first time;
// after that the desk is the gate's for good.
func (g *Gate) open(ctx context.Context) (*desk, error) {
	if ready := g.desk.Load(); ready != nil {
		return ready, nil
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	vault, keys, err := g.cfg.Safe.Open(ctx)
	if err != nil {
		return nil, &tokens.Unavailable{Part: tokens.PartStore, Err: err}
	}
	g.desk.CompareAndSwap(nil, &desk{vault: vault, keys: keys, jar: cookies.New(keys, g.cfg.Cookies)})
	return g.desk.Load(), nil
}

// at returns what an endpoint needs: where the site is and what it is run with.
func (g *Gate) at(r *http.Request) (cookies.Site, *desk, *refusal) {
	site, err := g.cfg.Origins.Origin(r)
	if err != nil {
		return cookies.Site{}, nil, &refusal{reason: pages.BadRequest, hint: err.Error()}
	}
	ready, err := g.open(r.Context())
	if err != nil {
		return cookies.Site{}, nil, unavailable(err)
	}
	return site, ready, nil
}

// deriver makes a flow's state and verifier, with the key of that id; the
// newest where the id is empty.
func (d *desk) deriver(keyID string) (pkce.Deriver, string, bool) {
	key, id, ok := d.keys.FlowKey(keyID)
	return pkce.NewDeriver(key), id, ok
}

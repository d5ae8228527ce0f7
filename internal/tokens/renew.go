package tokens

import (
	"context"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

const (
	// renewEvery is how far apart the refreshes of a session are at least that
	// upstreams ask for by refusing its token: one that refuses everything must
	// not have the provider called all the time.
	renewEvery = time.Minute
	// maxRenewed is about how many sessions' attempts are remembered.
	maxRenewed = 4096
)

// Renew is called when an upstream refused a session's access token: it may have
// been revoked before its time. The session is refreshed, unless it has another
// token by now, and returned as it stands then: with the token that was refused
// where refreshing again would be too soon. Errors are those of Fresh.
func (v *Vault) Renew(ctx context.Context, site string, ticket Ticket, refused secret.String) (*Session, error) {
	h := handle{ticket: ticket, name: ticket.Name(), site: site}
	r, err := v.load(ctx, h)
	switch {
	case err != nil:
		return nil, err
	case r.ended != "":
		return nil, &Ended{r.ended}
	case !v.mayRenew(h.name, r, refused, v.now()):
		return r.session(h.name), nil
	}
	v.renewed.Put(h.name, v.now())
	// A refresh that was under way already may find nothing to do: then this one
	// is next.
	for range 2 {
		if r, err = v.renewOnce(ctx, h, r, refused); err != nil || !r.access.Equal(refused) {
			break
		}
	}
	switch {
	case err != nil:
		return v.makeDo(h, r, err)
	case r.ended != "":
		return nil, &Ended{r.ended}
	default:
		return r.session(h.name), nil
	}
}

// renewOnce returns the record there was together with an error.
func (v *Vault) renewOnce(ctx context.Context, h handle, r *record, refused secret.String) (*record, error) {
	done := v.behind(ctx, "refresh", h, func(ctx context.Context) (*record, error) {
		return v.refresh(ctx, h, func(r *record, now time.Time) bool {
			return r.needs(now, 0) || isRenewable(r, refused, now)
		})
	})
	select {
	case <-ctx.Done():
		return r, ctx.Err()
	case result := <-done:
		if fresh, _ := result.Val.(*record); fresh != nil && result.Err == nil {
			return fresh, nil
		}
		return r, result.Err
	}
}

// mayRenew limits what one process does; what isRenewable says holds for all
// replicas together.
func (v *Vault) mayRenew(name Name, r *record, refused secret.String, now time.Time) bool {
	last, before := v.renewed.Get(name)
	return isRenewable(r, refused, now) && (!before || now.Sub(last) >= renewEvery || now.Before(last))
}

// isRenewable tells whether the session still has the token that was refused,
// and that is not one it was refreshed to a moment ago.
func isRenewable(r *record, refused secret.String, now time.Time) bool {
	return r.access.Equal(refused) && !r.refresh.IsEmpty() &&
		(r.tokenIssued.Equal(r.created) || now.Sub(r.tokenIssued) >= renewEvery)
}

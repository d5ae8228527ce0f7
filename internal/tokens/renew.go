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
	h := handle{ticket: ticket, site: site}
	r, err := v.load(ctx, h)
	switch {
	case err != nil:
		return nil, err
	case r.ended != "":
		return nil, &Ended{Reason: r.ended, User: r.user}
	case !isRenewable(r, refused, v.now()):
		return r.session(h.name()), nil
	}
	// A refresh that was under way already may find nothing to do: then this one
	// is next.
	for tries, own := 0, false; tries < 2 && !own && err == nil && r.access.Equal(refused); tries++ {
		r, own, err = v.renewOnce(ctx, h, r, refused)
	}
	switch {
	case err != nil:
		return v.makeDo(h, r, err)
	case r.ended != "":
		return nil, &Ended{Reason: r.ended, User: r.user}
	default:
		return r.session(h.name()), nil
	}
}

// renewOnce waits for a refresh and tells whether it was its own. It returns the
// record there was together with an error.
func (v *Vault) renewOnce(ctx context.Context, h handle, r *record, refused secret.String) (*record, bool, error) {
	own := false
	done := v.behind(ctx, "refresh", h, func(ctx context.Context) (*record, error) {
		own = true
		mayRenew := v.mayRenew(h.name(), v.now())
		return v.refresh(ctx, h, func(r *record, now time.Time) bool {
			return due(r, now) || mayRenew && isRenewable(r, refused, now)
		})
	})
	select {
	case <-ctx.Done():
		return r, false, ctx.Err()
	case result := <-done:
		if fresh, _ := result.Val.(*record); fresh != nil && result.Err == nil {
			return fresh, own, nil
		}
		return r, own, result.Err
	}
}

// mayRenew limits what one process does, whose refreshes of a session come one
// after the other; what isRenewable says holds for all replicas together.
func (v *Vault) mayRenew(name Name, now time.Time) bool {
	last, before := v.renewed.Get(name)
	if before && now.Sub(last) < renewEvery && !now.Before(last) {
		return false
	}
	v.renewed.Put(name, now)
	return true
}

// isRenewable tells whether the session still has the token that was refused,
// and that is not one it was refreshed to a moment ago.
func isRenewable(r *record, refused secret.String, now time.Time) bool {
	return r.access.Equal(refused) && !r.refresh.IsEmpty() &&
		(r.tokenIssued.Equal(r.created) || now.Sub(r.tokenIssued) >= renewEvery)
}

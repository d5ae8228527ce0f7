package tokens

import (
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

// Set is what a token endpoint grants: an access token, usually a refresh
// token, and how long the access token lives from the moment it was received.
type Set struct {
	Access   secret.String
	Refresh  secret.String // empty where the provider gave none (RFC 6749 §5.1)
	Lifetime time.Duration // never negative; 0 means: use it now or not at all
	User     string        // who the access token says it is for; "" when it does not say
	Tenant   string        // the OSC workspace it is for; "" when it does not say
}

// Client is an OAuth client registration. A session remembers the one that got
// its tokens, since no other can refresh them.
type Client struct {
	ID     string
	Secret secret.String // empty for a public client
	// Dynamic says that the gateway registered it (RFC 7591), so that the
	// provider may forget it; a configured one is the operator's to mend.
	Dynamic bool
}

// Session is an open session: what a request may be given.
type Session struct {
	Name    Name
	Access  secret.String
	Bearer  secret.String // the same as it is sent, "Bearer " before it (RFC 6750 §2.1)
	User    string
	Tenant  string
	Created time.Time
	// TokenExpires is when the access token ends; a refresh moves it.
	TokenExpires time.Time
	// Expires is when the session itself ends, whatever is refreshed.
	Expires time.Time
	// Ends is when it ends if nobody uses it until then, and Expires at the latest.
	// Only those who look at a session without using it are told.
	Ends time.Time
}

// record is a session as it is stored, opened.
type record struct {
	meta
	tokens
	generation uint64
	unsaved    bool   // holds a pair that the store does not have yet
	known      *known // nil where the record is not as it is stored
}

// meta is what operating needs to see of a session without its ticket.
type meta struct {
	user, tenant string
	created      time.Time
	lastUsed     time.Time
	tokenIssued  time.Time
	tokenExpires time.Time
	expires      time.Time
	ended        EndReason // "" while the session lives
	jobs         jobs
}

// jobs keep a session fresh that nobody uses, until the last of their handles
// is no longer good.
type jobs struct {
	until  time.Time // zero: no handle was ever given out
	ticket []byte    // sealed, for the keeper of another process
}

// tokens is what only the ticket's holder may open.
type tokens struct {
	access, refresh secret.String
	client          Client
}

func (r *record) session(name Name) *Session {
	if r.known != nil {
		return r.known.session
	}
	return &Session{
		Name: name, Access: r.access, Bearer: secret.New("Bearer " + r.access.Reveal()), User: r.user, Tenant: r.tenant,
		Created: r.created, TokenExpires: r.tokenExpires, Expires: r.expires,
	}
}

// Info is what operating may know of a session: everything but its tokens.
type Info struct {
	Name         Name
	Site         string
	User, Tenant string
	Created      time.Time
	LastUsed     time.Time // to a twentieth of the idle limit
	TokenExpires time.Time
	Expires      time.Time
	Ended        EndReason // "" while it lives
}

func (r *record) info(name Name, site string) Info {
	return Info{
		Name: name, Site: site, User: r.user, Tenant: r.tenant, Created: r.created, LastUsed: r.lastUsed,
		TokenExpires: r.tokenExpires, Expires: r.expires, Ended: r.ended,
	}
}

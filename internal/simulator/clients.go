package simulator

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Client is an OAuth client: one registered dynamically, one made by hand
// ("OAuth App"), or the built-in cli.
type Client struct {
	ID           string   `json:"client_id"`
	Secret       string   `json:"client_secret,omitempty"` // empty: a public client
	Name         string   `json:"client_name"`
	RedirectURIs []string `json:"redirect_uris"`

	expires time.Time // zero: never
}

// keepExpired is how long an expired client is remembered, so that the knob
// that lets it refresh can be turned afterwards.
const keepExpired = 24 * time.Hour

// cliClient is what OSC's own command line signs in with.
func cliClient() Client {
	return Client{ID: "cli", Name: "OSC command line", RedirectURIs: []string{"http://localhost/callback"}}
}

// AddClient adds an OAuth App as if made by hand and returns it. With no ID
// the client gets an ID and a secret of OSC's form; with an ID and no Secret it
// is a public client.
func (s *Server) AddClient(c Client) Client {
	if c.ID == "" {
		c.ID = s.newClientID()
		if c.Secret == "" {
			c.Secret = s.newClientSecret()
		}
	}
	orElse(&c.Name, c.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oauthApp.put(c.ID, c, time.Time{}, s.now())
	return c
}

// ForgetClients drops all dynamically registered clients, as a server that
// keeps them in memory does when it restarts. Refresh tokens stay, but nobody
// can use them any more.
func (s *Server) ForgetClients() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = newTTLMap[Client](maxClients)
}

// client finds a client; alive is false for one past its lifetime.
func (s *Server) client(id string) (c Client, found, alive bool) {
	if cli := cliClient(); id == cli.ID {
		return cli, true, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if c, found = s.oauthApp.get(id, now); !found {
		c, found = s.clients.get(id, now)
	}
	return c, found, found && (c.expires.IsZero() || now.Before(c.expires))
}

func (s *Server) newClientID() string     { return "osc_" + s.hex(12) }
func (s *Server) newClientSecret() string { return "osc_secret_" + s.hex(32) }

// allowsRedirect compares exactly (RFC 9700 §2.1), except that the built-in
// client may use any port of a loopback host (RFC 8252 §7.3).
func (c Client) allowsRedirect(uri string) bool {
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	if c.ID != "cli" {
		return false
	}
	u, err := url.Parse(uri)
	return err == nil && u.Scheme == "http" && isLoopback(u.Hostname()) &&
		u.User == nil && u.EscapedPath() == "/callback" && u.RawQuery == "" && !strings.Contains(uri, "#")
}

// isLoopback also knows names under localhost (RFC 6761 §6.3).
func isLoopback(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

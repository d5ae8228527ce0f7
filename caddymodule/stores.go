package caddymodule

import (
	"log/slog"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/Eyevinn/osc-gateway/internal/stores"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// storeOpener is what a module in the namespace osc_auth.stores does.
type storeOpener interface {
	// identity tells stores apart: two configurations of the same one share it.
	// It holds no secret.
	identity() (string, error)
	// openStore may touch disk or network, so it is not called while
	// provisioning.
	openStore(log *slog.Logger) (tokens.Store, error)
}

// MemoryStore keeps sessions in this process: they survive reloads of the
// configuration, not a restart.
type MemoryStore struct {
	// How many sessions there can be at a time; a sign-in beyond is refused, and
	// those there are stay. Default: 1000000.
	MaxSessions int `json:"max_sessions,omitempty"`
}

// CaddyModule returns the module's id.
func (MemoryStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "osc_auth.stores.memory", New: func() caddy.Module { return new(MemoryStore) }}
}

func (s *MemoryStore) identity() (string, error) { return "memory " + strconv.Itoa(s.MaxSessions), nil }

func (s *MemoryStore) openStore(*slog.Logger) (tokens.Store, error) {
	return stores.NewMemory(s.MaxSessions, nil), nil
}

// UnmarshalCaddyfile sets the store up from tokens. Syntax:
//
//	store memory [<max_sessions>]
func (s *MemoryStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		number, err := strconv.Atoi(d.Val())
		if err != nil || number < 1 {
			return d.Errf("store memory: expected how many sessions there may be, got %q", d.Val())
		}
		s.MaxSessions = number
	}
	return atEnd(d)
}

var (
	_ storeOpener           = (*MemoryStore)(nil)
	_ caddyfile.Unmarshaler = (*MemoryStore)(nil)
)

package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// runtimes are what outlives configurations: a reload takes a reference to the
// same runtime before the old configuration gives its own back, so sessions,
// sign-ins and refreshes under way go on. One runtime per store: everything
// else can change without a session being lost.
var runtimes = caddy.NewUsagePool()

// runtime is the part of the gateway that lives as long as sessions do.
type runtime struct {
	log       *slog.Logger
	clients   *osc.Clients
	openStore func() (tokens.Store, error)

	opening sync.Mutex // held while the store opens, which may take its time
	mu      sync.Mutex
	current *settings
	before  []*settings // adopted earlier, of configurations still in use
	store   tokens.Store
	vault   *tokens.Vault
	ended   bool // destructed: what is not open stays closed
}

// settings are what a configuration says about sessions.
type settings struct {
	provider   *osc.Provider
	client     tokens.Client
	clientName string
	limits     tokens.Limits
	keys       *tokens.KeyRing // nil: those there are
	observer   tokens.Observer
}

// provisionRuntime takes the runtime out of the pool, or makes it.
func (a *App) provisionRuntime(ctx caddy.Context) error {
	loaded, err := ctx.LoadModule(a, "StoreRaw")
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	opener := loaded.(storeOpener)
	a.store = opener
	key, err := opener.identity()
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	pooled, _, err := runtimes.LoadOrNew(key, func() (caddy.Destructor, error) {
		return &runtime{
			log: a.log, clients: osc.NewClients(nil, a.log),
			openStore: func() (tokens.Store, error) { return opener.openStore(a.log) },
		}, nil
	})
	if err != nil {
		return err
	}
	a.runtime, a.poolKey, a.holds = pooled.(*runtime), key, true
	// The HTTP app may serve before Start is called.
	a.settings = a.makeSettings()
	a.runtime.adoptFirst(a.settings)
	return nil
}

// adopt makes s the settings all sessions live under.
func (rt *runtime) adopt(s *settings) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.current != nil && rt.current != s {
		rt.before = append(rt.before, rt.current)
	}
	rt.apply(s)
}

// retire forgets the settings of a configuration that is gone. Where those were
// the current ones, because it failed to start, the ones before are again.
func (rt *runtime) retire(s *settings) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.before = slices.DeleteFunc(rt.before, func(old *settings) bool { return old == s })
	if last := len(rt.before) - 1; rt.current == s && last >= 0 {
		s, rt.before = rt.before[last], rt.before[:last]
		rt.apply(s)
	}
}

// apply is called with mu held.
func (rt *runtime) apply(s *settings) {
	rt.current = s
	rt.clients.Adopt(s.provider, s.client, s.clientName)
	if rt.vault != nil {
		rt.vault.Adopt(s.policy(rt.clients))
	}
}

func (rt *runtime) adoptFirst(s *settings) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.current == nil {
		rt.apply(s)
	}
}

func (s *settings) policy(clients *osc.Clients) tokens.Policy {
	return tokens.Policy{Limits: s.limits, Refresher: clients, Ring: s.keys, Observer: s.observer}
}

// open opens the store, once, and returns the vault; after a failure the next
// caller tries again. keys are for a vault that is made now.
func (rt *runtime) open(keys *tokens.KeyRing) (*tokens.Vault, error) {
	if vault := rt.opened(); vault != nil {
		return vault, nil
	}
	rt.opening.Lock()
	defer rt.opening.Unlock()
	if vault := rt.opened(); vault != nil {
		return vault, nil
	}
	if rt.hasEnded() {
		return nil, errEnded
	}
	store, err := rt.openStore()
	if err != nil {
		return nil, err
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.store = newMeteredStore(store)
	rt.vault = tokens.NewVault(tokens.VaultConfig{Store: rt.store, Ring: keys, Log: rt.log})
	rt.vault.Adopt(rt.current.policy(rt.clients))
	rt.vault.KeepAlive()
	rt.clients.KeepOn(rt.vault.Notes(registrationNotes))
	return rt.vault, nil
}

// errEnded answers whoever comes for a store that was never opened, when the
// last configuration that used it is gone.
var errEnded = errors.New("the configuration is no longer in use")

func (rt *runtime) hasEnded() bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.ended
}

// registrationNotes is the kind of note registered clients are kept as.
const registrationNotes = "client"

// opened is the vault, nil while there is none.
func (rt *runtime) opened() *tokens.Vault {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.vault
}

// exiting ends the streams where the process is about to end: Caddy waits for
// requests under way, for ever by default, and only then ends its modules. On a
// reload they go on.
func (rt *runtime) exiting() {
	if vault := rt.opened(); vault != nil && caddy.Exiting() {
		vault.EndStreams()
	}
}

// closeTimeout is how long the process waits for refreshes under way before it
// ends: their new tokens exist nowhere else.
const closeTimeout = 20 * time.Second

// Destruct ends the runtime when no configuration uses it any more. Requests
// still being served may go on using what is in memory.
func (rt *runtime) Destruct() error {
	rt.opening.Lock() // an opening under way is waited for, none begins later
	rt.mu.Lock()
	vault, store := rt.vault, rt.store
	rt.ended = true
	rt.mu.Unlock()
	rt.opening.Unlock()
	if vault == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := vault.Close(ctx); err != nil {
		rt.log.Warn("refreshes were still under way at the end", "error", err)
	}
	if closer, ok := store.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

var _ caddy.Destructor = (*runtime)(nil)

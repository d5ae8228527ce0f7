package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// runtimes are what outlives configurations: a reload takes a reference to the
// same runtime before the old configuration gives its own back, so sessions,
// sign-ins and refreshes under way go on.
var runtimes = caddy.NewUsagePool()

// poolKey says which runtime a configuration uses. Anything that is not in it
// can change without a session being lost.
type poolKey struct {
	issuer string
	store  string
	keys   [sha256.Size]byte
}

// runtime is the part of the gateway that lives as long as sessions do.
type runtime struct {
	log       *slog.Logger
	clients   *osc.Clients
	openStore func() (tokens.Store, error)
	openKeys  func(context.Context) (*tokens.KeyRing, error)

	mu      sync.Mutex
	current *settings
	store   tokens.Store
	ring    *tokens.KeyRing
	vault   *tokens.Vault
}

// settings are what the current configuration says.
type settings struct {
	provider   *osc.Provider
	client     tokens.Client
	clientName string
	limits     tokens.Limits
}

// provisionRuntime takes the runtime out of the pool, or makes it.
func (a *App) provisionRuntime(ctx caddy.Context) error {
	key, keys, err := a.makePoolKey()
	if err != nil {
		return err
	}
	loaded, err := ctx.LoadModule(a, "StoreRaw")
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	opener := loaded.(storeOpener)
	openKeys := func(context.Context) (*tokens.KeyRing, error) { return keys, nil }
	if keys == nil {
		storage, log := ctx.Storage(), a.log
		openKeys = func(ctx context.Context) (*tokens.KeyRing, error) { return storedKeys(ctx, storage, log) }
	}
	pooled, _, err := runtimes.LoadOrNew(key, func() (caddy.Destructor, error) {
		return &runtime{
			log: a.log, clients: osc.NewClients(nil, a.log), openStore: opener.OpenStore, openKeys: openKeys,
		}, nil
	})
	if err != nil {
		return err
	}
	a.runtime, a.poolKey = pooled.(*runtime), key
	// The HTTP app may serve before Start is called.
	a.runtime.adoptFirst(a.settings())
	return nil
}

// makePoolKey also reads the configured keys; nil where there are none.
func (a *App) makePoolKey() (poolKey, *tokens.KeyRing, error) {
	key := poolKey{issuer: a.Issuer}
	var store any
	if err := json.Unmarshal(a.StoreRaw, &store); err != nil {
		return key, nil, fmt.Errorf("store: %w", err)
	}
	canonical, err := json.Marshal(store)
	if err != nil {
		return key, nil, fmt.Errorf("store: %w", err)
	}
	key.store = string(canonical)
	if len(a.Keys) == 0 {
		return key, nil, nil
	}
	var configured []secret.String
	digest := sha256.New()
	for _, raw := range a.Keys {
		resolved, err := resolve("key", raw)
		if err != nil {
			return key, nil, err
		}
		for part := range strings.FieldsSeq(resolved) { // a file or variable may list several
			configured = append(configured, secret.New(part))
			digest.Write([]byte(part + "\n"))
		}
	}
	ring, err := tokens.NewKeyRing(configured...)
	if err != nil {
		return key, nil, err
	}
	digest.Sum(key.keys[:0])
	return key, ring, nil
}

// adopt makes s the settings all sessions live under.
func (rt *runtime) adopt(s settings) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.current = &s
	rt.clients.Adopt(s.provider, s.client, s.clientName)
	if rt.vault != nil {
		rt.vault.Adopt(tokens.Policy{Limits: s.limits, Refresher: rt.clients})
	}
}

func (rt *runtime) adoptFirst(s settings) {
	rt.mu.Lock()
	first := rt.current == nil
	rt.mu.Unlock()
	if first {
		rt.adopt(s)
	}
}

// Open opens store and keys, once; after a failure the next caller tries again.
func (rt *runtime) Open(ctx context.Context) (gate.Vault, *tokens.KeyRing, error) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.vault != nil {
		return rt.vault, rt.ring, nil
	}
	if rt.ring == nil {
		ring, err := rt.openKeys(ctx)
		if err != nil {
			return nil, nil, err
		}
		rt.ring = ring
	}
	if rt.store == nil {
		store, err := rt.openStore()
		if err != nil {
			return nil, nil, err
		}
		rt.store = store
	}
	rt.vault = tokens.NewVault(tokens.VaultConfig{Store: rt.store, Ring: rt.ring, Log: rt.log})
	rt.vault.Adopt(tokens.Policy{Limits: rt.current.limits, Refresher: rt.clients})
	return rt.vault, rt.ring, nil
}

// warmUp opens what requests will need, behind the start.
func (rt *runtime) warmUp(log *slog.Logger) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), warmUpTimeout)
		defer cancel()
		if _, _, err := rt.Open(ctx); err != nil {
			log.Error("sessions can't be kept yet; trying again with each request", "error", err)
		}
	}()
}

const (
	warmUpTimeout = 30 * time.Second
	// closeTimeout is how long the process waits for refreshes under way before
	// it ends: their new tokens exist nowhere else.
	closeTimeout = 20 * time.Second
)

// Destruct ends the runtime when no configuration uses it any more. Requests
// still being served may go on using it.
func (rt *runtime) Destruct() error {
	rt.mu.Lock()
	vault, store := rt.vault, rt.store
	rt.mu.Unlock()
	if vault != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := vault.Close(ctx); err != nil {
			rt.log.Warn("refreshes were still under way at the end", "error", err)
		}
	}
	if closer, ok := store.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

var (
	_ caddy.Destructor = (*runtime)(nil)
	_ gate.Safe        = (*runtime)(nil)
)

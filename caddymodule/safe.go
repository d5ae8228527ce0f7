package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// safe opens what a configuration's sessions are kept with.
type safe struct {
	runtime *runtime
	storage certmagic.Storage
	log     *slog.Logger

	mu   sync.Mutex
	keys *tokens.KeyRing // nil until they are known
}

// Open implements gate.Safe.
func (s *safe) Open(ctx context.Context) (gate.Vault, *tokens.KeyRing, error) {
	keys, err := s.ring(ctx)
	if err != nil {
		return nil, nil, err
	}
	vault, err := s.runtime.open(keys)
	if err != nil {
		return nil, nil, err
	}
	return vault, keys, nil
}

// ring is the configured keys, or the one in Caddy's storage.
func (s *safe) ring(ctx context.Context) (*tokens.KeyRing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		keys, err := storedKeys(ctx, s.storage, s.log)
		if err != nil {
			return nil, err
		}
		s.keys = keys
	}
	return s.keys, nil
}

// warmUpTimeout bounds what is done behind the start.
const warmUpTimeout = 30 * time.Second

// warmUp opens what requests will need, behind the start.
func (s *safe) warmUp() {
	ctx, cancel := context.WithTimeout(context.Background(), warmUpTimeout)
	defer cancel()
	if _, _, err := s.Open(ctx); err != nil && !errors.Is(err, errEnded) {
		s.log.Error("sessions can't be kept yet; trying again with each request", "error", err)
	}
}

// configuredKeys reads the keys of a configuration; nil where it has none.
func (a *App) configuredKeys() (*tokens.KeyRing, error) {
	if len(a.Keys) == 0 {
		return nil, nil
	}
	var configured []secret.String
	for _, raw := range a.Keys {
		resolved, err := resolve("key", raw)
		if err != nil {
			return nil, err
		}
		for part := range strings.FieldsSeq(resolved) { // a file or variable may list several
			configured = append(configured, secret.New(part))
		}
	}
	return tokens.NewKeyRing(configured...)
}

const (
	storedKey     = "osc_auth/master.key"
	storedKeyLock = "osc_auth_master_key"
)

// storedKeys loads the master key kept in Caddy's storage, and makes it the
// first time. It is made under the storage's lock, so that of many instances
// sharing a storage one makes it and all use it.
func storedKeys(ctx context.Context, storage certmagic.Storage, log *slog.Logger) (*tokens.KeyRing, error) {
	if ring, err := loadKeys(ctx, storage); !errors.Is(err, fs.ErrNotExist) {
		return ring, err
	}
	if err := storage.Lock(ctx, storedKeyLock); err != nil {
		return nil, fmt.Errorf("locking Caddy's storage for the master key: %w", err)
	}
	defer func() {
		if err := storage.Unlock(context.WithoutCancel(ctx), storedKeyLock); err != nil {
			log.Warn("unlocking Caddy's storage", "error", err)
		}
	}()
	if ring, err := loadKeys(ctx, storage); !errors.Is(err, fs.ErrNotExist) {
		return ring, err
	}
	key, err := tokens.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := storage.Store(ctx, storedKey, []byte(key.Reveal()+"\n")); err != nil {
		return nil, fmt.Errorf("keeping the master key in Caddy's storage: %w", err)
	}
	log.Info("made a master key and keep it in Caddy's storage", "name", storedKey)
	return tokens.NewKeyRing(key)
}

func loadKeys(ctx context.Context, storage certmagic.Storage) (*tokens.KeyRing, error) {
	raw, err := storage.Load(ctx, storedKey)
	if err != nil {
		return nil, fmt.Errorf("loading the master key from Caddy's storage: %w", err)
	}
	ring, err := tokens.NewKeyRing(secret.New(string(raw)))
	if err != nil {
		return nil, fmt.Errorf("%s in Caddy's storage: %w", storedKey, err)
	}
	return ring, nil
}

var _ gate.Safe = (*safe)(nil)

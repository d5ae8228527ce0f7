package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/caddyserver/certmagic"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

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

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

	mu       sync.Mutex
	keys     *tokens.KeyRing // nil until they are known
	jobKeys  *tokens.KeyRing // likewise
	wantJobs bool
}

// needJobs says that the configuration has routes with jobs, or a site that
// trades their handles.
func (s *safe) needJobs() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wantJobs = true
}

// Open implements gate.Safe.
func (s *safe) Open(ctx context.Context) (gate.Vault, *tokens.KeyRing, error) {
	keys, jobKeys, err := s.rings(ctx)
	if err != nil {
		return nil, nil, err
	}
	vault, err := s.runtime.open(keys)
	if err != nil {
		return nil, nil, err
	}
	if jobKeys != nil {
		vault.KeepJobs(jobKeys)
	}
	return vault, keys, nil
}

// rings are the configured keys, or those in Caddy's storage. Without jobs there
// are no keys for them.
func (s *safe) rings(ctx context.Context) (keys, jobKeys *tokens.KeyRing, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		if s.keys, err = masterKey.load(ctx, s.storage, s.log); err != nil {
			return nil, nil, err
		}
	}
	if !s.wantJobs {
		return s.keys, nil, nil
	}
	if s.jobKeys == nil {
		if s.jobKeys, err = jobKey.load(ctx, s.storage, s.log); err != nil {
			return nil, nil, err
		}
	}
	if s.jobKeys.Shares(s.keys) { // one of the two may be that in the storage
		return nil, nil, errSharedKey
	}
	return s.keys, s.jobKeys, nil
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

// configuredKeys reads the keys an option lists; nil where it lists none.
func configuredKeys(option string, raw []string) (*tokens.KeyRing, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var configured []secret.String
	for _, one := range raw {
		resolved, err := resolve(option, one)
		if err != nil {
			return nil, err
		}
		for part := range strings.FieldsSeq(resolved) { // a file or variable may list several
			configured = append(configured, secret.New(part))
		}
	}
	ring, err := tokens.NewKeyRing(configured...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	return ring, nil
}

var errSharedKey = errors.New("job_key: this key is a master key (key) as well; " +
	"they are apart so that neither is enough: make another one with `osc-gateway keys generate`")

// storedKey is a key that is made once and kept in Caddy's storage.
type storedKey struct{ name, lock string }

var (
	masterKey = storedKey{name: "osc_auth/master.key", lock: "osc_auth_master_key"}
	jobKey    = storedKey{name: "osc_auth/job.key", lock: "osc_auth_job_key"}
)

// load reads the key, and makes it the first time. It is made under the
// storage's lock, so that of many instances sharing a storage one makes it and
// all use it.
func (k storedKey) load(ctx context.Context, storage certmagic.Storage, log *slog.Logger) (*tokens.KeyRing, error) {
	if ring, err := k.read(ctx, storage); !errors.Is(err, fs.ErrNotExist) {
		return ring, err
	}
	if err := storage.Lock(ctx, k.lock); err != nil {
		return nil, fmt.Errorf("locking Caddy's storage for %s: %w", k.name, err)
	}
	defer func() {
		if err := storage.Unlock(context.WithoutCancel(ctx), k.lock); err != nil {
			log.Warn("unlocking Caddy's storage", "error", err)
		}
	}()
	if ring, err := k.read(ctx, storage); !errors.Is(err, fs.ErrNotExist) {
		return ring, err
	}
	key, err := tokens.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := storage.Store(ctx, k.name, []byte(key.Reveal()+"\n")); err != nil {
		return nil, fmt.Errorf("keeping %s in Caddy's storage: %w", k.name, err)
	}
	log.Info("made a key and keep it in Caddy's storage", "name", k.name)
	return tokens.NewKeyRing(key)
}

func (k storedKey) read(ctx context.Context, storage certmagic.Storage) (*tokens.KeyRing, error) {
	raw, err := storage.Load(ctx, k.name)
	if err != nil {
		return nil, fmt.Errorf("loading %s from Caddy's storage: %w", k.name, err)
	}
	ring, err := tokens.NewKeyRing(secret.New(string(raw)))
	if err != nil {
		return nil, fmt.Errorf("%s in Caddy's storage: %w", k.name, err)
	}
	return ring, nil
}

var _ gate.Safe = (*safe)(nil)

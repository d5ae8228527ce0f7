package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/Eyevinn/osc-gateway/internal/stores"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// FileStore keeps sessions in a file on this machine: they survive a restart
// and a crash. One process can use it; replicas share a RedisStore.
type FileStore struct {
	// The file. Placeholders are replaced. Default: osc_auth/sessions.db in
	// Caddy's data directory.
	Path string `json:"path,omitempty"`
}

// CaddyModule returns the module's id.
func (FileStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "osc_auth.stores.file", New: func() caddy.Module { return new(FileStore) }}
}

func (s *FileStore) path() (string, error) {
	if s.Path == "" {
		return filepath.Join(caddy.AppDataDir(), "osc_auth", "sessions.db"), nil
	}
	path, err := resolve("path", s.Path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

func (s *FileStore) identity() (string, error) {
	path, err := s.path()
	return "file " + path, err
}

func (s *FileStore) openStore(log *slog.Logger) (tokens.Store, error) {
	path, err := s.path()
	if err != nil {
		return nil, err
	}
	return stores.OpenFile(path, stores.FileConfig{Log: log})
}

// UnmarshalCaddyfile sets the store up from tokens. Syntax:
//
//	store file [<path>]
func (s *FileStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		if s.Path = d.Val(); s.Path == "" {
			return d.Err("store file: the path is empty")
		}
		if err := checkEnv(s.Path); err != nil {
			return d.Errf("store file: %v", err)
		}
	}
	return atEnd(d)
}

// RedisStore keeps sessions in Redis or Valkey, a single server or a cluster,
// which any number of gateways may share.
type RedisStore struct {
	// Where it is: redis[s]://[user:password@]host:port[/db][,host:port...].
	// Placeholders are replaced; write one for an address with a password.
	Address string `json:"address,omitempty"`
}

// CaddyModule returns the module's id.
func (RedisStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "osc_auth.stores.redis", New: func() caddy.Module { return new(RedisStore) }}
}

func (s *RedisStore) address() (string, error) {
	if s.Address == "" {
		return "", errors.New("redis needs an address, like redis://localhost:6379")
	}
	address, err := resolve("address", s.Address)
	if err != nil {
		return "", err
	}
	_, err = stores.ParseRedisURL(address)
	return address, err
}

func (s *RedisStore) identity() (string, error) {
	address, err := s.address()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(address))
	return "redis " + hex.EncodeToString(sum[:]), nil
}

func (s *RedisStore) openStore(log *slog.Logger) (tokens.Store, error) {
	address, err := s.address()
	if err != nil {
		return nil, err
	}
	return stores.OpenRedis(address, stores.RedisConfig{Log: log})
}

// UnmarshalCaddyfile sets the store up from tokens. Syntax:
//
//	store redis <address>
func (s *RedisStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if err := scalar(d, &s.Address); err != nil {
		return err
	}
	if envPlaceholder.MatchString(s.Address) {
		return nil
	}
	if _, err := stores.ParseRedisURL(s.Address); err != nil {
		return d.Errf("store redis: %v", err)
	}
	return nil
}

var (
	_ storeOpener           = (*FileStore)(nil)
	_ storeOpener           = (*RedisStore)(nil)
	_ caddyfile.Unmarshaler = (*FileStore)(nil)
	_ caddyfile.Unmarshaler = (*RedisStore)(nil)
)

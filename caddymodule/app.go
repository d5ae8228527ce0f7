package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/Eyevinn/osc-gateway/internal/gate"
	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	defaultEnvironment     = "prod"
	defaultClientName      = "osc-gateway"
	defaultIdleTimeout     = 12 * time.Hour
	defaultSessionLifetime = 7 * 24 * time.Hour
)

// App holds what all sites behind osc-gateway share: the provider people sign
// in at, the OAuth client the gateway is there, and where sessions are kept.
// Everything has a default; without any, it registers with OSC by itself.
type App struct {
	// OSC's environment: prod, stage or dev. It sets the issuer and the platform's
	// hosts. Default: prod.
	Environment string `json:"environment,omitempty"`

	// The authorization server's issuer, an https URL. Default: the environment's.
	Issuer string `json:"issuer,omitempty"`

	// Where OSC exchanges tokens for service tokens, an https URL. Default: the
	// environment's.
	TokenService string `json:"token_service,omitempty"`

	// Where OSC's catalogue of services is, an https URL. Default: beside the
	// token service.
	Catalog string `json:"catalog,omitempty"`

	// The id of an OAuth app registered with OSC. Placeholders are replaced.
	// Default: the variable OSC_CLIENT_ID, then CLIENT_ID; without either the
	// gateway registers a client by itself, one for each redirect URI.
	ClientID string `json:"client_id,omitempty"`

	// The secret of that OAuth app. Write a placeholder, like
	// {env.OSC_CLIENT_SECRET} or {file./run/secrets/osc}: what stands here
	// itself can be read through Caddy's admin API. Default: the variable
	// OSC_CLIENT_SECRET, then CLIENT_SECRET.
	ClientSecret string `json:"client_secret,omitempty"`

	// What OSC's consent page shows of a client that registered by itself.
	// Default: osc-gateway.
	ClientName string `json:"client_name,omitempty"`

	// Where sessions are kept: memory, file or redis. Default: file, in Caddy's
	// data directory.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=osc_auth.stores inline_key=backend"`

	// Master keys, newest first: the first one seals, all open. 32 random bytes
	// each, in base64 or hex; placeholders are replaced. Default: one is made
	// once and kept in Caddy's storage.
	Keys []string `json:"keys,omitempty"`

	// Keys to keep sessions with jobs by, newest first, beside the master keys and
	// not among them. Default: one is made once and kept in Caddy's storage.
	JobKeys []string `json:"job_keys,omitempty"`

	// Sessions last used within this stay signed in. Default: 12h.
	IdleTimeout caddy.Duration `json:"idle_timeout,omitempty"`

	// How long a session can live in all. Default: 7d.
	SessionLifetime caddy.Duration `json:"session_lifetime,omitempty"`

	provider *osc.Provider
	services *osc.Services
	callers  *osc.Callers
	client   tokens.Client
	keys     *tokens.KeyRing // nil: the one in Caddy's storage
	jobKeys  *tokens.KeyRing // likewise
	observer *observer
	settings *settings
	store    storeOpener
	runtime  *runtime
	safe     *safe
	explain  func(*Handler, gate.Decision) // nil but for osc-gateway explain
	poolKey  string
	holds    bool // a reference to the runtime
	log      *slog.Logger
}

// CaddyModule returns the module's id.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "osc_auth", New: func() caddy.Module { return new(App) }}
}

// Provision sets the app up. It makes no network call and writes nothing, so
// that the gateway starts while OSC is down, and a configuration can be
// checked without leaving a trace.
func (a *App) Provision(ctx caddy.Context) error {
	a.log = ctx.Slogger()
	if err := a.setDefaults(); err != nil {
		return err
	}
	if err := a.provisionClient(); err != nil {
		return err
	}
	var err error
	if a.keys, err = configuredKeys("key", a.Keys); err != nil {
		return err
	}
	if a.jobKeys, err = configuredKeys("job_key", a.JobKeys); err != nil {
		return err
	}
	if a.keys != nil && a.jobKeys != nil && a.jobKeys.Shares(a.keys) {
		return errSharedKey
	}
	if a.observer, err = newObserver(ctx); err != nil {
		return err
	}
	if err := registerMetrics(ctx); err != nil {
		return err
	}
	a.provider, err = osc.New(osc.Config{Issuer: a.Issuer, Log: a.log, Observe: observeProvider})
	if err != nil {
		return err
	}
	a.services = osc.NewServices(a.provider, a.TokenService, a.Catalog)
	a.callers = osc.NewCallers(a.services)
	if err := a.provisionRuntime(ctx); err != nil {
		return err
	}
	a.safe = &safe{runtime: a.runtime, storage: ctx.Storage(), log: a.log, keys: a.keys, jobKeys: a.jobKeys}
	return nil
}

func (a *App) setDefaults() error {
	if a.Environment == "" {
		a.Environment = defaultEnvironment
	}
	hosts, known := environments[a.Environment]
	if !known {
		return fmt.Errorf("environment %q: must be prod, stage or dev", a.Environment)
	}
	for option, value := range map[string]*string{"issuer": &a.Issuer, "token_service": &a.TokenService, "catalog": &a.Catalog, "client_name": &a.ClientName} {
		if *value == "" {
			continue
		}
		resolved, err := resolve(option, *value)
		if err != nil {
			return err
		}
		*value = resolved
	}
	setDefault(&a.Issuer, hosts.issuer)
	setDefault(&a.TokenService, hosts.tokenService)
	setDefault(&a.ClientName, defaultClientName)
	setDefault(&a.IdleTimeout, caddy.Duration(defaultIdleTimeout))
	setDefault(&a.SessionLifetime, caddy.Duration(defaultSessionLifetime))
	if len(a.StoreRaw) == 0 {
		a.StoreRaw = json.RawMessage(`{"backend":"file"}`)
	}
	a.TokenService = strings.TrimSuffix(a.TokenService, "/")
	setDefault(&a.Catalog, osc.CatalogOf(a.TokenService))
	a.Catalog = strings.TrimSuffix(a.Catalog, "/")
	if err := osc.CheckURL(a.TokenService); err != nil {
		return fmt.Errorf("token_service: %w", err)
	}
	if err := osc.CheckURL(a.Catalog); err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	if a.IdleTimeout < 0 || a.SessionLifetime < 0 {
		return errors.New("idle_timeout and session_lifetime must not be negative")
	}
	return nil
}

// environments are OSC's. Nothing is ever derived from a host name: clusters
// and environments are named alike and are not the same.
var environments = map[string]struct{ issuer, tokenService string }{
	"prod":  {"https://app.osaas.io", "https://token.svc.prod.osaas.io"},
	"stage": {"https://app.stage.osaas.io", "https://token.svc.stage.osaas.io"},
	"dev":   {"https://app.dev.osaas.io", "https://token.svc.dev.osaas.io"},
}

func setDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// provisionClient finds the configured OAuth client, if there is one.
func (a *App) provisionClient() error {
	id, err := a.credential("client_id", a.ClientID, "OSC_CLIENT_ID", "CLIENT_ID")
	if err != nil {
		return err
	}
	clientSecret, err := a.credential("client_secret", a.ClientSecret, "OSC_CLIENT_SECRET", "CLIENT_SECRET")
	if err != nil {
		return err
	}
	if id == "" && clientSecret != "" {
		return errors.New("client_secret is given without client_id: set both, or neither to register by itself")
	}
	a.client = tokens.Client{ID: id, Secret: secret.New(clientSecret)}
	return nil
}

// credential resolves a configured credential, or takes it from the first
// variable that is set.
func (a *App) credential(option, configured string, variables ...string) (string, error) {
	if configured == "" {
		for _, variable := range variables {
			if value := os.Getenv(variable); value != "" {
				return value, checkCredential(option+" from "+variable, value)
			}
		}
		return "", nil
	}
	value, err := resolve(option, configured)
	if err != nil {
		return "", err
	}
	return value, checkCredential(option, value)
}

// Start makes this configuration the one sessions live under and opens the
// store, so that the first visitor does not wait for it.
func (a *App) Start() error {
	a.runtime.adopt(a.settings)
	go a.safe.warmUp()
	return nil
}

// Stop does nothing: sessions outlive configurations.
func (a *App) Stop() error { return nil }

// Cleanup gives the shared runtime back. It may be called for an app whose
// Provision failed half-way, and the app's handlers may still be serving.
func (a *App) Cleanup() error {
	if !a.holds {
		return nil
	}
	a.holds = false
	a.runtime.retire(a.settings)
	a.provider.Close()
	_, err := runtimes.Delete(a.poolKey)
	return err
}

// makeSettings is what the runtime goes by while this configuration is the
// current one.
func (a *App) makeSettings() *settings {
	return &settings{
		provider: a.provider, client: a.client, clientName: a.ClientName,
		limits: tokens.Limits{Idle: time.Duration(a.IdleTimeout), Lifetime: time.Duration(a.SessionLifetime)},
		keys:   a.keys, observer: a.observer,
	}
}

var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)

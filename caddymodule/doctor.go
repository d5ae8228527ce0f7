package caddymodule

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"

	"github.com/Eyevinn/osc-gateway/internal/cookies"
	"github.com/Eyevinn/osc-gateway/internal/doctor"
	"github.com/Eyevinn/osc-gateway/internal/pkce"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// SetupOf provisions a configuration in Caddy's JSON without starting it, and
// says what it comes to, for osc-gateway doctor. What was provisioned of Caddy's
// own is left to the end of the process.
func SetupOf(config []byte) (*doctor.Setup, error) {
	var written struct {
		Apps struct {
			HTTP caddyhttp.App `json:"http"`
		} `json:"apps"`
	}
	var object map[string]any
	if err := errors.Join(json.Unmarshal(config, &written), json.Unmarshal(config, &object)); err != nil {
		return nil, err
	}
	idle(object)
	withoutHealthChecks(object)
	idling, err := configOf(object)
	if err != nil {
		return nil, err
	}
	provisioned, err := caddy.ProvisionContext(idling)
	if err != nil {
		return nil, err
	}
	loaded, err := provisioned.App("osc_auth")
	if err != nil {
		return nil, err
	}
	app := loaded.(*App)
	setup, err := app.setup(provisioned.Storage())
	if err := errors.Join(err, app.Cleanup()); err != nil {
		return nil, err
	}
	for _, found := range envPlaceholder.FindAllSubmatch(config, -1) {
		setup.Variables = append(setup.Variables, string(found[1]))
	}
	served, err := provisioned.App("http")
	if err != nil {
		return nil, err
	}
	setup.Sites = sitesOf(served.(*caddyhttp.App), &written.Apps.HTTP)
	return setup, nil
}

// withoutHealthChecks keeps reverse proxies from asking their upstreams.
func withoutHealthChecks(value any) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			withoutHealthChecks(element)
		}
	case map[string]any:
		if value["handler"] == "reverse_proxy" {
			delete(value, "health_checks")
		}
		for _, element := range value {
			withoutHealthChecks(element)
		}
	}
}

// setup is what all sites share.
func (a *App) setup(storage certmagic.Storage) (*doctor.Setup, error) {
	setup := &doctor.Setup{Issuer: a.Issuer, Client: a.client}
	var err error
	switch store := a.store.(type) {
	case *MemoryStore:
		setup.Store.Kind = "memory"
	case *FileStore:
		setup.Store.Kind = "file"
		setup.Store.Path, err = store.path()
	case *RedisStore:
		var address string
		setup.Store.Kind = "redis"
		address, err = store.address()
		setup.Store.URL = secret.New(address)
	default:
		setup.Store.Kind = fmt.Sprintf("%T", store)
	}
	if a.keys != nil {
		setup.Keys.Configured = a.keys.Len()
	}
	setup.Flow = func(ctx context.Context, site doctor.Site) (doctor.Flow, error) {
		ring, err := a.keys, error(nil)
		if ring == nil {
			ring, err = masterKey.read(ctx, storage)
		}
		if err != nil {
			return doctor.Flow{}, err
		}
		return flowOf(ring, site)
	}
	setup.Keys.Stored = func(ctx context.Context) (bool, error) {
		_, err := masterKey.read(ctx, storage)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	}
	if files, ok := storage.(*certmagic.FileStorage); ok {
		setup.DataDir = files.Path
		setup.Keys.Path = filepath.Clean(files.Filename(masterKey.name))
	}
	return setup, err
}

// flowOf makes a sign-in that nobody began. It is good for being refused: no
// client is named in it, and no code could be exchanged for it.
func flowOf(ring *tokens.KeyRing, site doctor.Site) (doctor.Flow, error) {
	jar := cookies.New(ring, cookies.Config{Name: site.Cookie, Lifetime: flowAge, FlowAge: flowAge})
	flow := cookies.Flow{ID: make([]byte, cookies.FlowIDSize), ReturnTo: "/", Started: time.Now()}
	if _, err := rand.Read(flow.ID); err != nil {
		return doctor.Flow{}, err
	}
	key, keyID, _ := ring.FlowKey("")
	flow.KeyID = keyID
	state := pkce.NewDeriver(key).State(flow.ID)
	header := http.Header{}
	at := cookies.Site{Origin: site.Origin, Secure: strings.HasPrefix(site.Origin, "https://")}
	if err := jar.SetFlow(header, &http.Request{Header: http.Header{}}, at, state, flow); err != nil {
		return doctor.Flow{}, err
	}
	cookie, err := http.ParseSetCookie(header.Get("Set-Cookie"))
	if err != nil {
		return doctor.Flow{}, err
	}
	return doctor.Flow{Name: cookie.Name, Value: cookie.Value, State: state}, nil
}

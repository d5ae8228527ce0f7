package caddymodule

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// parseGlobalOption sets the app up from the global option. Syntax:
//
//	osc_auth {
//	    environment      prod|stage|dev
//	    issuer           <url>
//	    token_service    <url>
//	    catalog          <url>
//	    client_id        <id>
//	    client_secret    <secret>
//	    client_name      <name>
//	    store            memory [<max_sessions>] | file [<path>] | redis <address>
//	    key              <key...>
//	    job_key          <key...>
//	    idle_timeout     <duration>
//	    session_lifetime <duration>
//	    signin_limit     <number>/m | off
//	}
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next()
		return nil, d.Err("osc_auth is given twice; put everything in one block")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "osc_auth", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile sets the app up from tokens; see parseGlobalOption.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if err := noMore(d); err != nil {
		return err
	}
	given := onceOnly{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		if word != "key" && word != "job_key" { // a ring may be listed a key a line
			if err := given.note(d, word); err != nil {
				return err
			}
		}
		if err := a.unmarshalOption(d, word); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) unmarshalOption(d *caddyfile.Dispenser, word string) error {
	switch word {
	case "environment":
		if err := scalar(d, &a.Environment); err != nil {
			return err
		}
		if _, known := environments[a.Environment]; !known {
			return d.Errf("environment: expected prod, stage or dev, got %q", a.Environment)
		}
		return nil
	case "issuer":
		return providerURL(d, &a.Issuer)
	case "token_service":
		return providerURL(d, &a.TokenService)
	case "catalog":
		return providerURL(d, &a.Catalog)
	case "client_id":
		return credential(d, &a.ClientID)
	case "client_secret":
		return credential(d, &a.ClientSecret)
	case "client_name":
		return scalar(d, &a.ClientName)
	case "store":
		return a.unmarshalStore(d)
	case "key":
		return unmarshalKeys(d, &a.Keys)
	case "job_key":
		return unmarshalKeys(d, &a.JobKeys)
	case "idle_timeout":
		return duration(d, &a.IdleTimeout)
	case "session_lifetime":
		return duration(d, &a.SessionLifetime)
	case "signin_limit":
		if err := scalar(d, &a.SignInLimit); err != nil {
			return err
		}
		if _, err := startLimit(a.SignInLimit); err != nil {
			return d.Errf("signin_limit: %v", err)
		}
		return nil
	default:
		return d.Errf("unknown option %q of osc_auth; expected environment, issuer, token_service, catalog, client_id, "+
			"client_secret, client_name, store, key, job_key, idle_timeout, session_lifetime or signin_limit", word)
	}
}

func (a *App) unmarshalStore(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	name := d.Val()
	id := "osc_auth.stores." + name
	if _, err := caddy.GetModule(id); err != nil {
		return d.Errf("store: expected memory, file or redis, got %q", name)
	}
	module, err := caddyfile.UnmarshalModule(d, id)
	if err != nil {
		return err
	}
	a.StoreRaw = caddyconfig.JSONModuleObject(module, "backend", name, nil)
	return nil
}

func unmarshalKeys(d *caddyfile.Dispenser, ring *[]string) error {
	word, keys := d.Val(), d.RemainingArgs()
	if len(keys) == 0 {
		return d.ArgErr()
	}
	for _, key := range keys {
		if err := checkEnv(key); err != nil {
			return d.Errf("%s: %v", word, err)
		}
		if isPlaceholder(key) {
			continue
		}
		if _, err := tokens.NewKeyRing(secret.New(key)); err != nil {
			return d.WrapErr(err)
		}
	}
	*ring = append(*ring, keys...)
	return atEnd(d)
}

// onceOnly refuses an option that is given twice: one of the two was meant,
// and guessing which one is not for an authentication module.
type onceOnly map[string]bool

func (given onceOnly) note(d *caddyfile.Dispenser, word string) error {
	if given[word] {
		return d.Errf("%s is given twice; remove one of the lines", word)
	}
	given[word] = true
	return nil
}

// scalar takes exactly one argument.
func scalar(d *caddyfile.Dispenser, value *string) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	*value = d.Val()
	if *value == "" {
		return d.Err("the value is empty")
	}
	if err := checkEnv(*value); err != nil {
		return d.WrapErr(err)
	}
	return atEnd(d)
}

// providerURL takes one URL of OSC's; one with placeholders is checked when it
// is loaded.
func providerURL(d *caddyfile.Dispenser, value *string) error {
	if err := scalar(d, value); err != nil || isPlaceholder(*value) {
		return err
	}
	if err := osc.CheckURL(*value); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// credential takes one argument that is, or stands for, a credential.
func credential(d *caddyfile.Dispenser, value *string) error {
	if err := scalar(d, value); err != nil {
		return err
	}
	if isPlaceholder(*value) {
		return nil
	}
	if err := checkCredential("the value", *value); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// duration takes one argument that is a positive duration, days allowed.
func duration(d *caddyfile.Dispenser, value *caddy.Duration) error {
	var text string
	if err := scalar(d, &text); err != nil {
		return err
	}
	parsed, err := caddy.ParseDuration(text)
	if err != nil || parsed < time.Second {
		return d.Errf("expected a duration of a second or more, like 30m, 12h or 7d, got %q", text)
	}
	*value = caddy.Duration(parsed)
	return nil
}

// noMore refuses further arguments.
func noMore(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

// atEnd refuses further arguments, and a block.
func atEnd(d *caddyfile.Dispenser) error {
	if err := noMore(d); err != nil {
		return err
	}
	if d.NextBlock(d.Nesting()) {
		return d.Err("a block does not belong here")
	}
	return nil
}

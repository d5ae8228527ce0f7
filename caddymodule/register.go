package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func init() {
	caddy.RegisterModule(App{})
	caddy.RegisterModule(Handler{})
	caddy.RegisterModule(Transport{})
	caddy.RegisterModule(Jobs{})
	caddy.RegisterModule(recordingTransport{})
	caddy.RegisterModule(MemoryStore{})
	caddy.RegisterModule(FileStore{})
	caddy.RegisterModule(RedisStore{})
	caddy.RegisterModule(AdminAPI{})
	caddy.RegisterModule(MatchSignedIn{})
	caddy.RegisterModule(MatchTenant{})

	httpcaddyfile.RegisterGlobalOption("osc_auth", parseGlobalOption)
	httpcaddyfile.RegisterDirective("osc_auth", parseAuthDirective)
	httpcaddyfile.RegisterDirective("osc_proxy", parseProxyDirective)
	httpcaddyfile.RegisterHandlerDirective("osc_jobs", parseJobsDirective)

	// After forward_auth, which sends all request headers to a service of its
	// own and must not see a token; a proxy belongs where Caddy's own stands.
	httpcaddyfile.RegisterDirectiveOrder("osc_auth", httpcaddyfile.After, "forward_auth")
	httpcaddyfile.RegisterDirectiveOrder("osc_proxy", httpcaddyfile.Before, "reverse_proxy")
	httpcaddyfile.RegisterDirectiveOrder("osc_jobs", httpcaddyfile.Before, "respond")
}

// Package simulator is a faithful, strict Open Source Cloud (OSC) in one
// http.Handler: the authorization server, the platform APIs that take its
// tokens, and service instances. It is for developing and testing offline, and
// for trying every trouble a client of OSC can have. It shares no code with
// what it tests.
//
//	sim := simulator.New(simulator.Config{})
//	server := httptest.NewServer(sim)
//	defer server.Close()
//	defer sim.Close() // first: ends hanging answers
//
// # Addresses
//
// Everything is reachable by path, and by OSC's host names under any domain:
//
//	/.well-known/oauth-authorization-server       app.*          RFC 8414 metadata
//	/api/connect/{register,authorize,token}       app.*          OAuth 2.0 with PKCE
//	/catalog/mysubscriptions                      catalog.svc.*  GET POST DELETE
//	/token/servicetoken                           token.svc.*    PAT to service token
//	/token/delegate/{service}                     token.svc.*    share links
//	/token/runner-token/refresh                   token.svc.*    an app's own token
//	/deploy/myapps[/{id}]                         deploy.svc.*   My Apps
//	/deploy/terraform/mydeployments               deploy.svc.*
//	/money/mytenantplan                           money.svc.*
//	/mcp                                          mcp.*          PAT in Authorization
//	/instance/{service}/...                       -              service token in Authorization or cookie
//	/instance-api/{service}/instances[/{name}]    api-{service}.auto.*   service token in x-jwt; and /health/{name} etc.
//	/_simulator/                                  -              the control page
//
// Nothing else exists: no userinfo, JWKS, revocation or OpenID discovery.
//
// # Accounts
//
// Without Config.Users: alice (workspace acme), bob (beta), carol (both, and is
// asked which), dave (none, so that his PAT has no tenantId). Any other name
// signs in too, with a workspace of the same name. There are no passwords. The
// user name is the userId of the tokens.
//
// The pages have stable ids for browser tests: form#login with input#user and
// button#login-submit, button#account-<name>, form#consent with
// select#workspace, button#allow, button#deny and button#switch. A form is
// bound to its browser by a cookie and its csrf field. The login is remembered
// in the cookie osc_sim.
//
// # Strictness
//
// PKCE is S256 or nothing; redirect URIs match exactly (the built-in client
// cli may use any loopback port); an unknown client or redirect URI is a page,
// never a redirect; state comes back byte for byte. A code works once, for
// its client, redirect URI and verifier, for 600 seconds. Clients authenticate
// with client_secret_post. Refresh tokens rotate, and the reuse of an old one
// revokes the whole family. The token endpoint wants a form without repeated
// parameters and answers RFC 6749 §5.2 errors with no-store. PATs are HS256
// JWTs nobody else can verify. The platform APIs want the literal
// "x-pat-jwt: Bearer <PAT>", once.
//
// # Knobs and faults
//
// What is not known of OSC, and every fault, is a knob; see Knobs and Fault.
// Each field's zero value stands for its default. In Go:
//
//	sim.SetKnobs(func(k *simulator.Knobs) {
//		k.Token.AccessLifetimeSeconds = 90
//		k.Faults = []simulator.Fault{{Kind: simulator.FaultCloseAfterCommit, Scope: simulator.ScopeRefresh, Count: 1}}
//	})
//
// The same over HTTP, and the same buttons are on the control page:
//
//	curl -X PATCH -H 'Content-Type: application/json' -d '{
//	  "token": {"access_lifetime_seconds": 90},
//	  "faults": [{"kind": "close_after_commit", "scope": "refresh", "count": 1}]
//	}' http://127.0.0.1:9090/_simulator/knobs
//
// A patch leaves what it does not name, replaces lists, and refuses members it
// does not know. Faults hit the token endpoint unless their Endpoint says
// otherwise; at each call the first one that fits is served, after any delays
// in front of it.
//
// # Control surface
//
//	GET   /_simulator/knobs  /_simulator/counters  /_simulator/families
//	PATCH /_simulator/knobs
//	POST  /_simulator/reset-knobs  /_simulator/reset-counters
//	POST  /_simulator/presets/{name}         a button of the control page
//	POST  /_simulator/forget-clients         as a restart of OSC would
//	POST  /_simulator/expire-access-tokens   PATs and service tokens; refresh tokens stay
//	POST  /_simulator/revoke?user=alice      all refresh tokens of a user
//	POST  /_simulator/clients                an OAuth App: name, redirect_uri
//	POST  /_simulator/runner-token?user=alice
//
// There is no password on it: listen on loopback only.
//
// # Time
//
// Config.Now is the only clock, and Config.Wait the only thing that sleeps.
// Hangs and delays end when the client goes away or Close is called. Faults
// that drop the connection panic with http.ErrAbortHandler, which net/http
// expects; an httptest.ResponseRecorder does not.
package simulator

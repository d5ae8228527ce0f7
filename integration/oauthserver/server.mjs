// An OAuth 2.0 authorization server that knows nothing of OSC: oidc-provider,
// with OSC's paths. What the gateway relies on must be in the RFCs, or it does
// not work here.
//
//   node server.mjs <port> <seconds an access token lives> <issuer> [metadata]
//
// With metadata it publishes RFC 8414 metadata; without, a client has to know
// the endpoints.
//
// Every account name with every password signs in.
import Provider, { interactionPolicy } from 'oidc-provider';

const [port, lifetime] = process.argv.slice(2, 4).map(Number);
const [issuer, metadata] = process.argv.slice(4);

// Consent is asked for at every sign-in, as OSC does.
const prompts = interactionPolicy.base();
prompts.get('consent').checks.add(new interactionPolicy.Check(
  'always', 'consent is asked for every time', 'interaction_required',
  (ctx) => (ctx.oidc.result?.consent
    ? interactionPolicy.Check.NO_NEED_TO_PROMPT
    : interactionPolicy.Check.REQUEST_PROMPT),
));

const provider = new Provider(issuer, {
  clients: [],
  routes: {
    authorization: '/api/connect/authorize',
    token: '/api/connect/token',
    registration: '/api/connect/register',
  },
  features: {
    devInteractions: { enabled: true },
    registration: { enabled: true },
  },
  interactions: { policy: prompts },
  pkce: { required: () => true },
  issueRefreshToken: async () => true,
  rotateRefreshToken: true,
  ttl: {
    AccessToken: lifetime,
    RefreshToken: 3600,
    Grant: 3600,
    Interaction: 600,
    Session: 3600,
  },
  findAccount: async (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  cookies: { keys: ['not a secret: nobody but the tests signs in here'] },
});

// RFC 6749 §3.3: where a client asks for no scope, the server's default counts.
provider.use(async (ctx, next) => {
  if (ctx.path === '/api/connect/authorize' && !ctx.query.scope) {
    ctx.query = { ...ctx.query, scope: 'openid' };
  }
  // RFC 8414 §3 says where; OpenID Connect, which this one speaks, elsewhere.
  if (metadata && ctx.path === '/.well-known/oauth-authorization-server') {
    ctx.path = '/.well-known/openid-configuration';
  }
  await next();
});

provider.listen(port, '127.0.0.1', () => console.log(`listening on ${issuer}`));

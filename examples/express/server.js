// The app of OSC's how-to, "Build apps that act on behalf of OSC users", less
// its auth.ts: no session, no PKCE, no callback, no refresh. Who is signed in,
// and their token, come with every request.
import express from 'express';
import { Context, createInstance, listInstances, removeInstance } from '@osaas/client-core';

const service = 'eyevinn-intercom-manager';
const app = express();

app.use(express.urlencoded({ extended: false }));

// Context reads OSC_ACCESS_TOKEN when it is given no token. The gateway does
// not pass that on, and this says so early.
app.use((req, res, next) => {
  const [, token] = /^Bearer (.+)$/.exec(req.get('x-pat-jwt') ?? '') ?? [];
  if (!token) return res.status(401).send('Open this app through the gateway.');
  req.osc = new Context({ personalAccessToken: token });
  next();
});

app.get('/', async (req, res) => {
  const sat = await req.osc.getServiceAccessToken(service);
  const instances = await listInstances(req.osc, service, sat);
  res.send(page(req.get('x-osc-user'), req.get('x-osc-tenant'), instances));
});

app.post('/instances', async (req, res) => {
  const sat = await req.osc.getServiceAccessToken(service);
  await createInstance(req.osc, service, sat, { name: req.body.name });
  res.redirect(303, '/');
});

app.post('/instances/:name/remove', async (req, res) => {
  const sat = await req.osc.getServiceAccessToken(service);
  await removeInstance(req.osc, service, req.params.name, sat);
  res.redirect(303, '/');
});

// OSC no longer takes the token: the gateway renews it on a 401, and repeats
// what is safe to repeat.
app.use((error, req, res, next) => {
  if (error.httpCode === 401) return res.set('WWW-Authenticate', 'Bearer').status(401).send('OSC refused the token.');
  console.error(error);
  res.status(500).send('Something went wrong.');
});

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const page = (user, tenant, instances) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Intercoms of ${escape(tenant)}</title>
<style>body { font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark } form { display: inline }</style>
<h1>Intercoms of ${escape(tenant)}</h1>
<p>You are ${escape(user)}. <form method="post" action="/auth/signout"><button>Sign out</button></form></p>
<ul>
${instances
  .map(({ name, url }) => `<li><a href="${escape(url)}">${escape(name)}</a> <form method="post" action="/instances/${escape(name)}/remove"><button>Remove</button></form></li>`)
  .join('\n')}
</ul>
<form method="post" action="/instances"><label>Name <input name="name" pattern="[a-z0-9]+" required></label> <button>Create an intercom</button></form>
`;

app.listen(process.env.PORT || 3000, '127.0.0.1');

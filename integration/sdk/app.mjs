// An app as somebody would write it behind the gateway: it hands the token it
// was given to OSC's own SDK, and has not a line about signing in.
import { createServer } from 'node:http';
import {
  Context,
  createInstance,
  getInstance,
  getInstanceHealth,
  getLogsForInstance,
  getPortsForInstance,
  listInstances,
  listSubscriptions,
  removeInstance,
  removeSubscription,
  restartInstance,
  waitForInstanceReady,
} from '@osaas/client-core';

const service = 'eyevinn-intercom-manager';

const tokenOf = (request) => (request.headers['x-pat-jwt'] ?? '').replace(/^Bearer /, '');
const contextOf = (request) => new Context({ personalAccessToken: tokenOf(request) });

const actions = {
  // everything there is to do with an instance, in the user's workspace
  async '/walk'(request) {
    const ctx = contextOf(request);
    const sat = await ctx.getServiceAccessToken(service);
    const subscribed = (await listSubscriptions(ctx)).map(({ serviceId }) => serviceId);
    const before = await listInstances(ctx, service, sat);
    const made = await createInstance(ctx, service, sat, { name: 'guide', size: 'small' });
    await waitForInstanceReady(service, 'guide', ctx);
    const listed = await listInstances(ctx, service, sat);
    const got = await getInstance(ctx, service, 'guide', sat);
    const health = await getInstanceHealth(ctx, service, 'guide', sat);
    const logs = await getLogsForInstance(ctx, service, 'guide', sat);
    const ports = await getPortsForInstance(ctx, service, 'guide', sat);
    await restartInstance(ctx, service, 'guide', sat);
    const missing = await getInstance(ctx, service, 'nosuch', sat);
    await removeInstance(ctx, service, 'guide', sat);
    const after = await listInstances(ctx, service, sat);
    await removeSubscription(ctx, service);
    const unsubscribed = await listSubscriptions(ctx);
    return { subscribed, unsubscribed, before, made, listed, got, health, logs, ports, missing: missing === undefined, after };
  },

  // what a page of the app does at every visit
  async '/instances'(request) {
    const ctx = contextOf(request);
    return listInstances(ctx, service, await ctx.getServiceAccessToken(service));
  },

  // how the SDK takes a service token that is over
  async '/stale'(request) {
    const ctx = contextOf(request);
    await ctx.getServiceAccessToken(service); // which subscribes
    const told = (error) => `${error.constructor.name} ${error.httpCode ?? ''}`.trim();
    return {
      get: await getInstance(ctx, service, 'guide', 'a.b.c').catch(told),
      list: await listInstances(ctx, service, 'a.b.c').catch(told),
    };
  },

  // a request without a user's token must not act as the owner of the app
  async '/nobody'() {
    return { as: await new Context().getServiceAccessToken(service) };
  },
};

createServer(async (request, response) => {
  const reply = (status, value, headers) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(value));
  };
  const action = actions[request.url];
  if (!action) return reply(200, { user: request.headers['x-osc-user'] });
  try {
    reply(200, await action(request));
  } catch (error) {
    if (error.httpCode === 401) return reply(401, { error: error.message }, { 'www-authenticate': 'Bearer' });
    reply(500, { error: error.message });
  }
}).listen(process.env.PORT, '127.0.0.1');

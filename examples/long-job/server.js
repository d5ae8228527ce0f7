// A job that takes longer than any token lives: `POST /transcode` answers at
// once, and the work goes on for STEPS steps of STEP_MS, each a call of OSC in
// the user's name. Nothing here knows how to sign in or how to refresh.
'use strict';

const http = require('node:http');

const port = Number(process.env.PORT || 3000);
const steps = Number(process.env.STEPS || 3 * 60);
const stepMs = Number(process.env.STEP_MS || 60_000);
const deploy = process.env.DEPLOY_API || 'https://deploy.svc.prod.osaas.io';
const jobsUrl = process.env.OSC_GATEWAY_JOBS_URL || 'http://127.0.0.1:9900/token';

const jobs = new Map();

// freshToken trades the handle the request brought for the token that is good
// right now. While the gateway does not know, it says 503: then it's worth
// waiting. Any other refusal is the end: the user has signed out, for one.
async function freshToken(handle) {
  for (;;) {
    const response = await fetch(jobsUrl, { method: 'POST', headers: { 'x-osc-job': handle } });
    const answer = await response.json();
    if (response.ok) return answer.access_token;
    if (response.status !== 503) throw new Error(answer.reason);
    await pause(Number(response.headers.get('retry-after') || 5) * 1000);
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function work(job, handle) {
  const tokens = new Set();
  try {
    for (; job.step < steps; job.step++) {
      const token = await freshToken(handle);
      const apps = await fetch(`${deploy}/myapps`, { headers: { 'x-pat-jwt': `Bearer ${token}` } });
      if (!apps.ok) throw new Error(`OSC answers ${apps.status}`);
      tokens.add(token);
      job.tokens = tokens.size;
      await pause(stepMs);
    }
    job.state = 'done';
  } catch (error) {
    job.state = `stopped: ${error.message}`;
  }
}

function begin(request) {
  const id = String(jobs.size + 1);
  const job = { id, user: request.headers['x-osc-user'], state: 'running', step: 0, tokens: 0 };
  jobs.set(id, job);
  work(job, request.headers['x-osc-job']);
  return job;
}

function reply(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value) + '\n');
}

http
  .createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://app');
    const found = jobs.get(pathname.slice('/transcode/'.length));
    if (request.method === 'POST' && pathname === '/transcode/') return reply(response, 202, begin(request));
    if (found && found.user === request.headers['x-osc-user']) return reply(response, 200, found);
    if (pathname !== '/') return reply(response, 404, { error: 'no such job' });
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<form method="post" action="/transcode/"><button>Transcode for three hours</button></form>\n');
  })
  .listen(port, '127.0.0.1');

// Has this process find OSC's hosts on this machine, and nothing else anywhere
// else. Names, TLS and certificates stay what they are; only where a connection
// leads is changed, below everything the SDK knows of.
'use strict';

const net = require('node:net');

const port = Number(process.env.OSC_TLS_PORT);
const connect = net.Socket.prototype.connect;

function redirected(options) {
  if (typeof options !== 'object' || !options.host) return options;
  if (options.host.endsWith('.osaas.io')) return { ...options, host: '127.0.0.1', port };
  throw new Error(`${options.host} is not on this machine`);
}

net.Socket.prototype.connect = function (...args) {
  if (Array.isArray(args[0])) args[0][0] = redirected(args[0][0]);
  else args[0] = redirected(args[0]);
  return connect.apply(this, args);
};

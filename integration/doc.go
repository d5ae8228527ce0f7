// Package integration tests osc-gateway from outside: the binary as it is
// shipped, in a process of its own, between a provider, an app and clients
// that are programs of their own too.
//
// Nothing of the gateway is imported. What the tests know of it is what its
// users know: the Caddyfile, the command line and HTTP.
package integration

// Command osc-gateway is Caddy with "sign in with OSC".
package main

import (
	_ "time/tzdata" // time zones where the system has none

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/Eyevinn/osc-gateway/caddymodule"
)

// version is set when a release is built.
var version string

func main() {
	caddy.CustomBinaryName = "osc-gateway"
	caddy.CustomVersion = version
	tuneCollector()
	caddycmd.Main()
}

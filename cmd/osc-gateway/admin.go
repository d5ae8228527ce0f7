package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/pflag"
)

// Each `proxy` has an admin API of its own: a socket in Caddy's data directory,
// which only its user can reach, named after where it listens. So two of them on
// one machine do not collide, and none is on the network.

const (
	noAdmin = "off"
	// maxSocketPath is what fits into a socket's address on every system.
	maxSocketPath = 100
)

// adminListen is where the admin API of `proxy` listens, or off.
func adminListen(values given, address string) (string, error) {
	if asked := values["admin"]; len(asked) > 0 {
		return asked[0], checkAdmin(asked[0])
	}
	path := filepath.Join(socketDirectory(), "admin-"+socketName(address)+".sock")
	if len(path) > maxSocketPath || os.MkdirAll(socketDirectory(), 0o700) != nil {
		return noAdmin, nil // nothing to keep visitors waiting for
	}
	return "unix/" + path, nil
}

func socketDirectory() string { return filepath.Join(caddy.AppDataDir(), "osc_auth") }

// socketName makes a file's name of an address.
func socketName(address string) string {
	_, rest, found := strings.Cut(address, "://")
	if !found {
		rest = address
	}
	return strings.Trim(strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, rest), "_")
}

// checkAdmin takes what only this machine can reach: the admin API ends sessions
// and changes the configuration.
func checkAdmin(listen string) error {
	if listen == noAdmin || strings.HasPrefix(listen, "unix/") {
		return nil
	}
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--admin: %q must be an address of this machine, like localhost:2019, a socket, like unix//run/gateway.sock, or off", listen)
	}
	return nil
}

// defineAdminFlags makes the flags of commands that talk to a running gateway.
func defineAdminFlags(flags *pflag.FlagSet) {
	flags.String("address", "", "The admin API's address (default: that of --config, else of the gateway that runs here)")
	flags.StringP("config", "c", "", "The gateway's configuration, to find the admin API by")
	flags.StringP("adapter", "a", "", "The configuration's adapter")
}

// adminAddress is where the admin API of the running gateway is.
func adminAddress(flags caddycmd.Flags) (string, error) {
	address, config := flags.String("address"), flags.String("config")
	if address != "" || config != "" {
		return caddycmd.DetermineAdminAPIAddress(address, nil, config, flags.String("adapter"))
	}
	switch running := runningGateways(); len(running) {
	case 0:
		return caddy.DefaultAdminListen, nil
	case 1:
		return running[0], nil
	default:
		return "", errors.New("several gateways run here; say which one you mean:\n  --address " + strings.Join(running, "\n  --address "))
	}
}

// runningGateways are those whose admin API answers where it is by default.
func runningGateways() []string {
	sockets, _ := filepath.Glob(filepath.Join(socketDirectory(), "admin-*.sock"))
	sockets = slices.DeleteFunc(sockets, func(path string) bool { return !listens("unix", path) })
	for i, path := range sockets {
		sockets[i] = "unix/" + path
	}
	if listens("tcp", caddy.DefaultAdminListen) {
		sockets = append(sockets, caddy.DefaultAdminListen)
	}
	return sockets
}

func listens(network, address string) bool {
	connection, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}

// callAdmin calls the admin API of the running gateway.
func callAdmin(flags caddycmd.Flags, method, path string, query url.Values) ([]byte, error) {
	address, err := adminAddress(flags)
	if err != nil {
		return nil, err
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	answer, err := caddycmd.AdminAPIRequest(address, method, path, nil, nil)
	if err != nil {
		return nil, adminError(address, err)
	}
	defer answer.Body.Close()
	return io.ReadAll(io.LimitReader(answer.Body, 1<<30))
}

// refusedByAdmin is how Caddy's client words an answer of the admin API that is an
// error; it has no type for it.
var refusedByAdmin = regexp.MustCompile(`HTTP \d+: \{"error":"(.*)"\}\s*$`)

// adminError says what went wrong: a gateway that answers is running.
func adminError(address string, err error) error {
	if said := refusedByAdmin.FindStringSubmatch(err.Error()); said != nil {
		return fmt.Errorf("the gateway at %s says: %s", address, said[1])
	}
	return fmt.Errorf("is the gateway running, with its admin API at %s? %w", address, err)
}

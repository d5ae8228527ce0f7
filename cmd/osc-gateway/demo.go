package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "demo",
		Usage: "[--from <address>]",
		Short: "Shows it all on this machine: a simulated OSC, a sample app, and the gateway",
		Long: `
Starts a simulated OSC, a small app and the gateway in front of it, and prints
the address to open. Nothing leaves this machine and nothing is kept.
`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Flags().String("from", "localhost:8080", "Where to listen; if the port is taken, a free one is")
			cmd.Flags().String("osc", defaultSimulatorListen, "Where the simulated OSC listens; if the port is taken, a free one is")
			cmd.RunE = caddycmd.WrapCommandFuncForCobra(runDemo)
		},
	})
}

func runDemo(flags caddycmd.Flags) (int, error) {
	caddy.TrapSignals()
	osc, err := startSimulator(freeAddress(flags.String("osc")), simulator.Config{})
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	app, err := startDemoApp(osc.issuer)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	from := freeAddress(flags.String("from"))
	// The demo is what it shows, whatever the environment says.
	values := given{
		"from": {from}, "to": {app}, "issuer": {osc.issuer}, "token-service": {osc.issuer + "/token"},
		"client-name": {"the osc-gateway demo"}, "store": {"memory"}, logLevel: {"ERROR"},
		"public": {"/about", "/style.css"}, "optional": {"/"}, "api": {"/api/*"},
	}
	for _, name := range []string{"OSC_CLIENT_ID", "CLIENT_ID", "OSC_CLIENT_SECRET", "CLIENT_SECRET"} {
		_ = os.Unsetenv(name)
	}
	if err := serve(values, nil); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	fmt.Printf("\n  Open  http://%s\n\n  OSC is simulated at %s/_simulator/\n  Stop with Ctrl-C.\n\n", from, osc.issuer)
	return caddy.ExitCodeFailedQuit, <-osc.failed
}

// freeAddress is the address asked for, or one with a free port.
func freeAddress(wanted string) string {
	listener, err := net.Listen("tcp", wanted)
	if err != nil {
		host, _, splitErr := net.SplitHostPort(wanted)
		if splitErr != nil {
			return wanted
		}
		if listener, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
			return wanted
		}
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		wanted = net.JoinHostPort(host, port)
	}
	_ = listener.Close()
	return wanted
}

// startDemoApp starts the sample app on a free port and returns its address.
func startDemoApp(issuer string) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: newDemoApp(issuer), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "the sample app stopped:", err)
		}
	}()
	return listener.Addr().String(), nil
}

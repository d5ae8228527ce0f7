package main

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"text/template"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "demo",
		Usage: "[--from <address>] [--token-lifetime <duration>]",
		Short: "Shows it all on this machine: a simulated OSC, a sample app, and the gateway",
		Long: `
Starts a simulated OSC, a small app and the gateway in front of it, and prints
the address to open. Nothing leaves this machine and nothing is kept.

The app has a page for every policy. Tokens live for seconds, so that you can
watch them being renewed, and there are buttons for what can go wrong at OSC.
`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Flags().String("from", "localhost:8080", "Where to listen; if the port is taken, a free one is")
			cmd.Flags().Duration("token-lifetime", 30*time.Second, "How long tokens live; at OSC it is an hour")
			cmd.Flags().String("osc", defaultSimulatorListen, "Where the simulated OSC listens; if the port is taken, a free one is")
			cmd.RunE = caddycmd.WrapCommandFuncForCobra(runDemo)
		},
	})
}

func runDemo(flags caddycmd.Flags) (int, error) {
	seconds := int(flags.Duration("token-lifetime").Seconds())
	if seconds < 1 {
		return caddy.ExitCodeFailedStartup, errors.New("--token-lifetime: a second at least")
	}
	caddy.TrapSignals()
	osc, err := startSimulator(freeAddress(flags.String("osc")), simulator.Config{})
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	// The demo is what it shows, whatever the environment says.
	for _, name := range []string{"OSC_CLIENT_ID", "CLIENT_ID", "OSC_CLIENT_SECRET", "CLIENT_SECRET"} {
		_ = os.Unsetenv(name)
	}
	from := freeAddress(flags.String("from"))
	if err := startDemo(osc, from, seconds); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	fmt.Printf("\n  Open  http://%s\n\n  OSC is simulated at %s/_simulator/\n  Stop with Ctrl-C.\n\n", from, osc.issuer)
	return caddy.ExitCodeFailedQuit, <-osc.failed
}

// startDemo starts the sample app, and the gateway in front of it.
func startDemo(osc *runningSimulator, from string, seconds int) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	site, err := demoSite(from, listener.Addr().String())
	if err != nil {
		return err
	}
	app := newDemoApp(osc, site, seconds, time.Now)
	app.repair()
	server := &http.Server{Handler: app.routes(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "the sample app stopped:", err)
		}
	}()
	return runDemoGateway(from, osc.issuer, site)
}

//go:embed demo.caddyfile
var demoCaddyfile string

// demoSite is the part of the configuration that the demo is about, and shows.
func demoSite(from, app string) (string, error) {
	parsed, err := template.New("demo.caddyfile").Parse(demoCaddyfile)
	if err != nil {
		return "", err
	}
	var site strings.Builder
	err = parsed.Execute(&site, map[string]string{"From": from, "App": app})
	return site.String(), err
}

// runDemoGateway runs the gateway with the site shown.
func runDemoGateway(from, issuer, site string) error {
	c := new(configuration)
	c.add("", "{\n\tadmin off\n\tpersist_config off\n\tgrace_period 1s\n\tlog {\n\t\tlevel ERROR\n\t}")
	if host, _, err := net.SplitHostPort(from); err == nil && local(host) {
		c.add("", "\tdefault_bind 127.0.0.1") // nobody else's browser gets to the buttons
	}
	c.add("", "\tservers {\n\t\tprotocols h1\n\t}\n\tosc_auth {\n\t\tstore memory\n\t\tclient_name \"osc-gateway demo\"")
	c.add("", "\t\tissuer "+quote(issuer)+"\n\t\ttoken_service "+quote(issuer+"/token")+"\n\t}\n}")
	c.add("", site)
	adapted, err := c.adapt()
	if err != nil {
		return err
	}
	if err := caddy.Run(adapted); err != nil {
		return errors.Join(errors.New("the gateway did not start"), err)
	}
	return nil
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

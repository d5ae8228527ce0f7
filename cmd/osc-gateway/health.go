package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// healthTimeout is shorter than what Docker and its like give a check.
const healthTimeout = 5 * time.Second

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "health",
		Usage: "[--url <url>]",
		Short: "Asks a running gateway whether it can serve, for container health checks",
		Long: `
Asks the health endpoint of a gateway on this machine. The status is 0 if it
can serve, else 1. An image without a shell or curl can be checked with it:

	HEALTHCHECK CMD ["/osc-gateway", "health"]

By default it asks where "osc-gateway proxy" listens by the same variables: PORT
or OSC_GATEWAY_FROM, and OSC_GATEWAY_ENDPOINTS.
`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Args = cobra.NoArgs
			cmd.Flags().String("url", "", "What to ask (default: http://127.0.0.1:8080/auth/health, or where the variables say)")
			cmd.RunE = caddycmd.WrapCommandFuncForCobra(runHealth)
		},
	})
}

func runHealth(flags caddycmd.Flags) (int, error) {
	target := flags.String("url")
	if target == "" {
		var err error
		if target, err = healthURL(os.Getenv); err != nil {
			return caddy.ExitCodeFailedStartup, err
		}
	}
	if err := askHealth(target); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	fmt.Println("ok")
	return caddy.ExitCodeSuccess, nil
}

// healthURL is the health endpoint of a gateway that proxy has started with
// these variables. One that listens everywhere is asked on loopback.
func healthURL(variable func(string) string) (string, error) {
	values := given{}
	for _, o := range options {
		if value := variable(o.variable()); value != "" && (o.name == "from" || o.name == "endpoints") {
			values[o.name] = []string{value}
		}
	}
	address, err := siteAddress(values)
	if err != nil {
		return "", err
	}
	at, err := url.Parse(address)
	if err != nil || at.Scheme != "http" {
		return "", fmt.Errorf("the gateway serves %s, which has to be asked by name: say --url", address)
	}
	if ip := net.ParseIP(at.Hostname()); at.Hostname() == "" || ip != nil && ip.IsUnspecified() {
		at.Host = net.JoinHostPort("127.0.0.1", at.Port())
	}
	return at.String() + endpointsOf(values) + "/health", nil
}

func askHealth(target string) error {
	answer, err := (&http.Client{Timeout: healthTimeout}).Get(target)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	const enough = 4 << 10
	var problem struct {
		Reason string `json:"reason"`
	}
	_ = json.NewDecoder(io.LimitReader(answer.Body, enough)).Decode(&problem) // a page of somebody else's has none
	return fmt.Errorf("%s answers %d %s", target, answer.StatusCode, problem.Reason)
}

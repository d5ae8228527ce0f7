package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/Eyevinn/osc-gateway/caddymodule"
	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "explain",
		Usage: "<method> <url> [--as tenant=<name>,user=<id>] [-H '<name>: <value>'] [--config <file>]",
		Short: "Says what a configuration makes of a request: policy, headers, outcome",
		Long: `
Serves one request by a configuration that is not running, with its real
routing, policies and headers, and says which policy is applied and why, what
is taken off the request, and what the upstream would get. No upstream and no
OSC is called, no variable with a secret is needed, and nothing is kept.

	osc-gateway explain GET https://app.example.com/studio
	osc-gateway explain POST https://app.example.com/api/x --as tenant=acme -H 'Origin: https://evil.example'

With --expect it is a test for CI: the status is 1 unless the outcome is that.
The outcomes are passed (on, for somebody signed in), anonymous (passed on for
nobody), public, signin (sent to sign in), refused, endpoint (one of the
gateway's own), elsewhere (answered by something else in the configuration) and
unprotected (an upstream would get it past the gateway).
`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Args = cobra.ExactArgs(2)
			cmd.Flags().String("as", "", "Who is signed in, like tenant=acme or tenant=acme,user=u-1 (default: nobody)")
			cmd.Flags().StringArrayP("header", "H", nil, "A header field of the request, like 'Accept: text/html'")
			cmd.Flags().StringP("config", "c", "", "The configuration (default: ./Caddyfile)")
			cmd.Flags().StringP("adapter", "a", "", "The configuration's adapter")
			cmd.Flags().Bool("json", false, "Print JSON")
			cmd.Flags().String("expect", "", "The outcome there should be")
			cmd.RunE = caddycmd.WrapCommandFuncForCobra(runExplain)
		},
	})
}

func runExplain(flags caddycmd.Flags) (int, error) {
	lines, err := flags.GetStringArray("header")
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	request, err := explainedRequest(flags.Arg(0), flags.Arg(1), lines)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	who, err := parseAs(flags.String("as"))
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	told, err := explain(flags.String("config"), flags.String("adapter"), request, who)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if err := told.print(os.Stdout, flags.Bool("json")); err != nil {
		return caddy.ExitCodeFailedQuit, err
	}
	if expected := flags.String("expect"); expected != "" && expected != told.Outcome {
		return 1, fmt.Errorf("the outcome is %s, expected was %s", told.Outcome, expected)
	}
	return caddy.ExitCodeSuccess, nil
}

// explain asks the configuration in a file.
func explain(file, adapter string, request *http.Request, who simulator.User) (*told, error) {
	config, err := loadExplained(file, adapter)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"OSC_CLIENT_ID", "CLIENT_ID", "OSC_CLIENT_SECRET", "CLIENT_SECRET"} {
		_ = os.Unsetenv(name) // nobody here knows that client
	}
	osc, err := startSimulator("127.0.0.1:0", signsIn(who))
	if err != nil {
		return nil, err
	}
	defer osc.stop()
	found, err := caddymodule.Explain(context.Background(), caddymodule.Question{
		Config: config, Request: request, SignedIn: who.Name != "", Provider: osc.issuer,
	})
	if err != nil {
		return nil, err
	}
	return tell(request, who, found), nil
}

// explainedRequest is the request on the command line.
func explainedRequest(method, raw string, lines []string) (*http.Request, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q: give the whole address, like https://app.example.com/studio", raw)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	request := &http.Request{Method: method, URL: u, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	for _, line := range lines {
		name, value, found := strings.Cut(line, ":")
		if !found || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("-H %q: write it like 'Accept: text/html'", line)
		}
		name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		request.Header[name] = append(request.Header[name], strings.TrimSpace(value))
	}
	return request, nil
}

var unsetVariable = regexp.MustCompile(`the variable (\w+) is not set`)

// loadExplained reads the configuration. Variables that are not set here, where
// it does not run, are taken for set: the secrets in them are not needed.
func loadExplained(file, adapter string) ([]byte, error) {
	if file == "" {
		file = "Caddyfile"
	}
	adapt, err := readConfiguration(file, adapter)
	if errors.Is(err, errNoFile) {
		return nil, fmt.Errorf("there is no %s; name the configuration with --config", file)
	}
	if err != nil {
		return nil, err
	}
	for {
		adapted, err := adapt()
		missing := unsetVariable.FindStringSubmatch(fmt.Sprint(err))
		if err == nil || missing == nil || os.Getenv(missing[1]) != "" {
			return adapted, err
		}
		if err := os.Setenv(missing[1], "not-set-here"); err != nil {
			return nil, err
		}
	}
}

// parseAs reads --as; nobody where it is empty.
func parseAs(as string) (simulator.User, error) {
	if as == "" {
		return simulator.User{}, nil
	}
	who := simulator.User{Name: "somebody"}
	for part := range strings.SplitSeq(as, ",") {
		key, value, _ := strings.Cut(part, "=")
		switch {
		case key == "tenant" && value != "":
			who.Tenants = []string{value}
		case key == "user" && value != "":
			who.Name = value
		default:
			return who, fmt.Errorf("--as %q: write it like tenant=acme or tenant=acme,user=u-1", as)
		}
	}
	return who, nil
}

// signsIn is an OSC that signs somebody in without asking.
func signsIn(who simulator.User) simulator.Config {
	config := simulator.Config{Knobs: simulator.Knobs{Authorize: simulator.AuthorizeKnobs{AutoUser: who.Name, AutoApprove: true}}}
	if who.Name != "" {
		config.Users = []simulator.User{who}
	}
	return config
}

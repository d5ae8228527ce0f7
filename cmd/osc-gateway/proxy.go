package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "proxy",
		Usage: "--to <upstream> [--from <address>] [options] [-- <command> [args...]]",
		Short: "Puts sign in with OSC in front of one app, without a file",
		Long: `
Listens at --from and proxies to the app at --to, for visitors who are signed
in with OSC. The app gets x-pat-jwt: Bearer <their token> with every request.

	osc-gateway proxy --to :3000

Every option is a flag, and a variable in upper case: --public-url is
OSC_GATEWAY_PUBLIC_URL. Secrets are read from variables or files only. A
variable in the gateway's name that is no option ends the start. What the
options mean is in the Caddyfile reference: each is a line there.

After -- comes a command to run as the app: it is started with PORT set to the
port of --to, the gateway waits for that port, passes signals on to it, ends
with its status, and ends whatever it left behind. Until the app answers,
visitors see a page that opens it by itself. OSC_ACCESS_TOKEN and the gateway's
secrets are not in its environment. With --jobs, OSC_GATEWAY_JOBS_URL is where
it trades the handles of jobs.

	osc-gateway proxy --to :3000 --public '/assets/*' --api '/api/*' -- npm start
`,
		CobraFunc: func(cmd *cobra.Command) {
			defineFlags(cmd.Flags())
			cmd.Args = onlyAfterDash
			run := caddycmd.WrapCommandFuncForCobra(runProxy)
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				cmd.SilenceErrors = true // they are logged; what is left is the app's status
				return run(cmd, args)
			}
		},
	})
}

// onlyAfterDash takes the command that runs the app, and no other argument.
func onlyAfterDash(cmd *cobra.Command, args []string) error {
	if at := cmd.ArgsLenAtDash(); at > 0 || at < 0 && len(args) > 0 {
		return fmt.Errorf("%q is not an option; the app's own command comes after --", args[0])
	}
	return nil
}

func runProxy(flags caddycmd.Flags) (int, error) {
	if err := refuseStrays(os.Environ()); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	values, err := readOptions(flags.FlagSet)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if command := flags.Args(); len(command) > 0 {
		return proxyTo(command, values)
	}
	caddy.TrapSignals()
	if err := serve(values, os.Stderr); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	select {}
}

// proxyTo starts the app as well. It is the app that gets the signals, and it
// ends the gateway by ending.
func proxyTo(command []string, values given) (int, error) {
	if len(values["to"]) == 0 {
		return caddy.ExitCodeFailedStartup, errNoApp
	}
	upstream := upstreams(values["to"])[0]
	if err := startable(upstream); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	app := newChild(command, parseAppAddress(upstream), jobsAddress(values))
	if err := serve(values, os.Stderr); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	return app.run()
}

// serve starts the gateway the options ask for and says on greeting where it is.
func serve(values given, greeting io.Writer) error {
	config, err := configure(values)
	if err != nil {
		return err
	}
	adapted, err := config.adapt()
	if err != nil {
		return err
	}
	if err := caddy.Run(adapted); err != nil {
		return errors.Join(errors.New("the gateway did not start"), err)
	}
	address, err := siteAddress(values)
	if err != nil {
		return err
	}
	at := reachedAt(values, address)
	fmt.Fprintf(greeting, "osc-gateway: %s, redirect URI %s%s/callback\n", at, at, endpointsOf(values))
	return nil
}

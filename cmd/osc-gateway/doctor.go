package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/Eyevinn/osc-gateway/caddymodule"
	"github.com/Eyevinn/osc-gateway/internal/doctor"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "doctor",
		Usage: "[--config <file>] | --to <upstream> [options of proxy]",
		Short: "Checks a set-up, and says what is wrong and how to mend it",
		Long: `
Looks at a set-up from the machine it runs on: the provider, the clock, keys and
store, the apps behind the gateway, and the way of a browser's requests to it,
through whatever stands in front. Each check is a line, with the fix where
something is wrong. Nothing is left behind: no session, no client, no record.

	osc-gateway doctor                                   # ./Caddyfile
	osc-gateway doctor --config /etc/osc-gateway/Caddyfile
	osc-gateway doctor --to :3000 --public-url https://app.example.com

Run it as the user the gateway runs as, with the same variables, best while the
gateway runs: what it can't see without is skipped, and says so.

The status is 1 if a check failed; warnings are no failure. With --register it
also begins a sign-in where the gateway registers its client by itself, which
may have it do so, as its first visitor would.
`,
		CobraFunc: func(cmd *cobra.Command) {
			defineFlags(cmd.Flags())
			cmd.Args = onlyAfterDash
			cmd.Flags().StringP("config", "c", "", "The configuration (default: ./Caddyfile, unless --to is given)")
			cmd.Flags().StringP("adapter", "a", "", "The configuration's adapter")
			cmd.Flags().Bool("json", false, "Print JSON")
			cmd.Flags().StringSlice("only", nil, "The checks to make: "+strings.Join(doctor.Checks(), ", "))
			cmd.Flags().Duration("timeout", 5*time.Second, "How long a probe may take")
			cmd.Flags().Bool("register", false, "Begin a sign-in even if the gateway has to register its client for it")
			cmd.RunE = func(cmd *cobra.Command, _ []string) error {
				status, err := runDoctor(caddycmd.Flags{FlagSet: cmd.Flags()})
				if err == nil && status != caddy.ExitCodeSuccess {
					os.Exit(status) // all there is to say has been said
				}
				return err
			}
		},
	})
}

func runDoctor(flags caddycmd.Flags) (int, error) {
	only, err := flags.GetStringSlice("only")
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	for _, check := range only {
		if !slices.Contains(doctor.Checks(), check) {
			return caddy.ExitCodeFailedStartup, fmt.Errorf("--only %s: there is no such check; there are %s", check, strings.Join(doctor.Checks(), ", "))
		}
	}
	if flags.Duration("timeout") <= 0 {
		return caddy.ExitCodeFailedStartup, errors.New("--timeout: give a time, like 5s")
	}
	config := doctor.Config{
		Timeout: flags.Duration("timeout"), Register: flags.Bool("register"), Environ: os.Environ(), User: os.Geteuid(),
	}
	config.Setup, config.From, config.Err = doctorSetup(flags)
	if config.From == fromOptions {
		config.Strays = strayVariables(config.Environ)
	}
	if errors.Is(config.Err, errNoFile) {
		config.Fix = "name the configuration with --config, or give the options of proxy, like --to :3000"
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	results := doctor.New(config).Examine(ctx, only...)
	if err := writeResults(os.Stdout, results, flags.Bool("json")); err != nil {
		return caddy.ExitCodeFailedQuit, err
	}
	if doctor.Failed(results) > 0 {
		return 1, nil
	}
	return caddy.ExitCodeSuccess, nil
}

func writeResults(w *os.File, results []doctor.Result, asJSON bool) error {
	if asJSON {
		return doctor.WriteJSON(w, results)
	}
	return doctor.WriteText(w, results, isTerminal(w) && os.Getenv("NO_COLOR") == "")
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// fromOptions is what a set-up without a file is called.
const fromOptions = "the options"

// doctorSetup finds the configuration as a run would, and loads it. from is what
// it was.
func doctorSetup(flags caddycmd.Flags) (setup *doctor.Setup, from string, err error) {
	file := flags.String("config")
	values, err := readOptions(flags.FlagSet)
	switch {
	case err != nil:
		return nil, fromOptions, err
	case file != "" && optionGiven(flags.FlagSet) != "":
		return nil, fromOptions, fmt.Errorf("--config and --%s exclude each other: options are for a gateway without a file", optionGiven(flags.FlagSet))
	case file == "" && (optionGiven(flags.FlagSet) != "" || len(values["to"]) > 0):
		setup, err = setupOfOptions(values)
		if err == nil {
			setup.StartsApp = len(flags.Args()) > 0
		}
		return setup, fromOptions, err
	}
	if file == "" {
		file = "Caddyfile"
	}
	adapt, err := readConfiguration(file, flags.String("adapter"))
	if err != nil {
		return nil, file, err
	}
	text, err := adapt()
	if err != nil {
		return nil, file, err
	}
	setup, err = caddymodule.SetupOf(text)
	return setup, file, err
}

// optionGiven is an option of proxy that stands on the command line.
func optionGiven(flags *pflag.FlagSet) string {
	for _, o := range options {
		for _, name := range []string{o.name, o.fileFlag()} {
			if flags.Changed(name) {
				return name
			}
		}
	}
	return ""
}

func setupOfOptions(values given) (*doctor.Setup, error) {
	written, err := configure(values)
	if err != nil {
		return nil, err
	}
	adapted, err := written.adapt()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(adapted)
	if err != nil {
		return nil, err
	}
	return caddymodule.SetupOf(text)
}

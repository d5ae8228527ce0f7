package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

const defaultSimulatorListen = "127.0.0.1:9090"

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "simulator",
		Usage: "[--listen <address>] [--issuer <url>]",
		Short: "Runs a faithful OSC to develop against offline",
		Long: `
Runs a simulated Open Source Cloud on this machine: the authorization server
with its sign-in and consent pages, and the platform's APIs around it. Point
the gateway at it with --issuer or the global option "issuer".

The page /_simulator/ has buttons for what can go wrong: a token endpoint that
is down, slow or loses its replies, short-lived tokens, forgotten clients. The
same is there for programs, as JSON, under /_simulator/knobs and
/_simulator/counters.

It is for development only: anybody can sign in as anybody.
`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Flags().StringP("listen", "l", defaultSimulatorListen, "The address to listen on; port 0 picks a free one")
			cmd.Flags().String("issuer", "", "The URL it is reached at (default: http:// and the listen address)")
			cmd.RunE = caddycmd.WrapCommandFuncForCobra(runSimulator)
		},
	})
}

func runSimulator(flags caddycmd.Flags) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	running, err := startSimulator(flags.String("listen"), simulator.Config{Issuer: flags.String("issuer")})
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	fmt.Printf("OSC simulator: %s\nfaults and figures: %s/_simulator/\n", running.issuer, running.issuer)
	select {
	case <-ctx.Done():
	case err = <-running.failed:
	}
	running.stop()
	if err != nil {
		return caddy.ExitCodeFailedQuit, err
	}
	return caddy.ExitCodeSuccess, nil
}

// runningSimulator is a simulator that listens.
type runningSimulator struct {
	issuer string
	server *http.Server
	osc    *simulator.Server
	failed chan error
}

// startSimulator starts one; with no issuer it is where it listens.
func startSimulator(listen string, config simulator.Config) (*runningSimulator, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	if config.Issuer == "" {
		config.Issuer = "http://" + listener.Addr().String()
	}
	s := &runningSimulator{issuer: config.Issuer, osc: simulator.New(config), failed: make(chan error, 1)}
	s.server = &http.Server{Handler: s.osc, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	return s, nil
}

func (s *runningSimulator) stop() {
	_ = s.osc.Close()
	_ = s.server.Close()
}

package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// appStartTimeout is how long the app may take until its port answers. It goes
// on after that: until it does, the gateway shows a page that waits for it.
const appStartTimeout = 2 * time.Minute

// runApp runs the app, tells when its port answers, hands signals on to it,
// and ends as it ends.
func runApp(command []string, upstream, jobs string) (int, error) {
	address := dialAddress(upstream)
	child := exec.Command(command[0], command[1:]...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.Env = appEnvironment(os.Environ(), address, jobs)
	if err := child.Start(); err != nil {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("starting the app: %w", err)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	go reportReady(address)
	for {
		select {
		case received := <-signals:
			_ = child.Process.Signal(received)
		case err := <-ended:
			// Refreshes under way are finished and the store is closed first.
			_ = caddy.Stop()
			return appStatus(child, err)
		}
	}
}

// appStatus is the app's own status, or what shells give for a signal.
func appStatus(child *exec.Cmd, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return caddy.ExitCodeFailedQuit, fmt.Errorf("waiting for the app: %w", err)
	}
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return child.ProcessState.ExitCode(), nil
}

// reportReady tells on the terminal when the app can be opened.
func reportReady(address string) {
	deadline := time.Now().Add(appStartTimeout)
	for time.Now().Before(deadline) {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = connection.Close()
			fmt.Fprintf(os.Stderr, "osc-gateway: the app answers at %s\n", address)
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	fmt.Fprintf(os.Stderr, "osc-gateway: the app does not answer at %s; does it listen on $PORT?\n", address)
}

// dialAddress is where an upstream is dialled.
func dialAddress(upstream string) string {
	if u, err := url.Parse(upstream); err == nil && u.Host != "" {
		if u.Port() == "" && u.Scheme == "https" {
			return net.JoinHostPort(u.Hostname(), "443")
		}
		upstream = u.Host
	}
	if _, _, err := net.SplitHostPort(upstream); err != nil {
		return net.JoinHostPort(upstream, "80")
	}
	return upstream
}

// withheld are variables the app has no business with. OSC_ACCESS_TOKEN is the
// token of whoever deployed the app: with it, a request without a user's token
// would act as the owner.
var withheld = []string{
	"OSC_ACCESS_TOKEN", "OSC_CLIENT_SECRET", "CLIENT_SECRET", "OSC_GATEWAY_CLIENT_SECRET", "OSC_GATEWAY_KEY", "OSC_GATEWAY_JOB_KEY", "OSC_GATEWAY_STORE",
	"CONFIG_API_KEY",
}

// jobsURL tells the app where it trades the handles of jobs.
const jobsURL = "OSC_GATEWAY_JOBS_URL"

// appEnvironment is the gateway's own less its secrets, with PORT set to the
// app's.
func appEnvironment(environment []string, address, jobs string) []string {
	out := make([]string, 0, len(environment)+2)
next:
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		if name == "PORT" {
			continue
		}
		for _, secret := range withheld {
			if strings.EqualFold(name, secret) {
				continue next
			}
		}
		out = append(out, entry)
	}
	if _, port, err := net.SplitHostPort(address); err == nil {
		out = append(out, "PORT="+port)
	}
	if jobs != "" {
		out = append(out, jobsURL+"=http://"+jobs+"/token")
	}
	return out
}

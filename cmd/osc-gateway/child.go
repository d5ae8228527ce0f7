package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// What shells give for a command that is not there, or can't be run.
const (
	statusNotFound  = 127
	statusCannotRun = 126
)

// child is the app that is run behind the gateway.
type child struct {
	command *exec.Cmd
	address appAddress
	signals chan os.Signal
}

// newChild prepares the app. From here on it is the app that signals are for.
func newChild(command []string, address appAddress, jobs string) *child {
	c := &child{command: exec.Command(command[0], command[1:]...), address: address, signals: make(chan os.Signal, 16)}
	c.command.Stdin, c.command.Stdout, c.command.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.command.Env = appEnvironment(os.Environ(), address, jobs)
	signal.Notify(c.signals, forwarded...)
	return c
}

// run runs the app to its end, hands signals on to it, tells when its port
// answers, and ends as the app ends.
func (c *child) run() (int, error) {
	group, err := startGroup(c.command)
	if err != nil {
		return cannotStart(err)
	}
	running, ended := context.WithCancel(context.Background())
	defer ended()
	go reportReady(running, c.address, group.ports, os.Stderr)
	status, told := group.wait(c.signals)
	ended()
	// Refreshes under way are finished and the store is closed first.
	_ = caddy.Stop()
	group.end()
	// That it ended because it was told to is no news, and neither is success.
	// 1 is a status that takes an error to get out of here.
	if status == 0 || told && status != 1 {
		return status, nil
	}
	return status, fmt.Errorf("the app ended with status %d", status)
}

// cannotStart is for an app that never was.
func cannotStart(err error) (int, error) {
	_ = caddy.Stop()
	err = fmt.Errorf("starting the app: %w", err)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return statusNotFound, err
	}
	return statusCannotRun, err
}

const (
	appAskedEvery  = 200 * time.Millisecond
	appHintAfter   = 5 * time.Second
	appHintAgain   = time.Minute
	appDialTimeout = time.Second
)

// reportReady tells on the terminal when the app can be opened, and what to
// look at while it can't. It goes on for as long as the app runs: until the port
// answers, the gateway shows a page that waits for it.
func reportReady(running context.Context, address appAddress, ports func() []int, out io.Writer) {
	ticker := time.NewTicker(appAskedEvery)
	defer ticker.Stop()
	hint := time.NewTimer(appHintAfter)
	defer hint.Stop()
	for {
		if address.answers(running) {
			fmt.Fprintf(out, "osc-gateway: the app answers at %s\n", address)
			return
		}
		select {
		case <-running.Done():
			return
		case <-hint.C:
			fmt.Fprintf(out, "osc-gateway: still waiting for the app at %s; %s\n", address, address.hint(running, ports()))
			hint.Reset(appHintAgain)
		case <-ticker.C:
		}
	}
}

// jobsURL tells the app where it trades the handles of jobs.
const jobsURL = "OSC_GATEWAY_JOBS_URL"

// withheld tells of variables the app has no business with: the gateway's
// secrets, and what OSC gives to whoever deployed the app. With the token in
// OSC_ACCESS_TOKEN, OSC's own SDK would serve a request that came without a
// user's token as the owner. Names count in either case, as OSC writes
// parameters in upper case.
func withheld(name string) bool {
	switch name = strings.ToUpper(name); name {
	case "PORT", "OSC_ACCESS_TOKEN", "CONFIG_API_KEY", "OSC_CLIENT_SECRET", "CLIENT_SECRET", "OSC_GATEWAY_STORE", storeAddress, jobsURL:
		return true
	}
	for _, o := range options {
		if o.secret && o.variable() == name {
			return true
		}
	}
	return false
}

// appEnvironment is the gateway's own less what is withheld, with PORT set to
// the app's: the gateway's own PORT is where visitors come.
func appEnvironment(environment []string, address appAddress, jobs string) []string {
	out := make([]string, 0, len(environment)+2)
	for _, entry := range environment {
		if name, _, _ := strings.Cut(entry, "="); !withheld(name) {
			out = append(out, entry)
		}
	}
	if port := address.port(); port != "" {
		out = append(out, "PORT="+port)
	}
	if jobs != "" {
		out = append(out, jobsURL+"=http://"+jobs+"/token")
	}
	return out
}

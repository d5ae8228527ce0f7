//go:build !unix || solaris || aix

package main

import (
	"os"
	"os/exec"
)

// forwarded are the signals that are for the app. Ctrl-C reaches it by itself.
var forwarded = []os.Signal{os.Interrupt}

// group is the app where there are no process groups.
type group struct {
	command *exec.Cmd
}

func startGroup(command *exec.Cmd) (*group, error) {
	return &group{command}, command.Start()
}

// wait gives the app's status, and whether it was told to end.
func (g *group) wait(signals <-chan os.Signal) (status int, told bool) {
	ended := make(chan error, 1)
	go func() { ended <- g.command.Wait() }()
	for {
		select {
		case <-signals:
			told = true
		case <-ended:
			return g.command.ProcessState.ExitCode(), told
		}
	}
}

func (g *group) end() {}

func (g *group) ports() []int { return nil }

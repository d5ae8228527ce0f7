package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const startTimeout = 30 * time.Second

// program is a process that was started, until it is stopped.
type program struct {
	process *exec.Cmd
	cancel  context.CancelFunc
	exited  chan error
	output  *output
}

// spawn starts a program on the subjects' processor.
func (r *rig) spawn(ctx context.Context, dir string, environment, args []string) (program, error) {
	args = r.pinning.command(args)
	ctx, cancel := context.WithCancel(ctx)
	p := program{cancel: cancel, exited: make(chan error, 1), output: &output{}}
	p.process = exec.CommandContext(ctx, args[0], args[1:]...)
	p.process.Dir, p.process.Env = dir, environment
	p.process.Stdout, p.process.Stderr = p.output, p.output
	p.process.Cancel = func() error { return p.process.Process.Signal(syscall.SIGTERM) }
	p.process.WaitDelay = 5 * time.Second
	if err := p.process.Start(); err != nil {
		cancel()
		return program{}, err
	}
	go func() { p.exited <- p.process.Wait() }()
	return p, nil
}

// stop ends the process, if there is one, and waits for it.
func (p *program) stop() {
	if p.process == nil {
		return
	}
	p.cancel()
	<-p.exited
	p.process = nil
}

// listening waits until something listens at an address.
func (p *program) listening(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-p.exited:
			p.exited <- err // for stop
			return fmt.Errorf("ended at once: %w", errors.Join(err, errNotUp))
		case <-ctx.Done():
			return errNotUp
		case <-time.After(20 * time.Millisecond):
		}
	}
}

var errNotUp = errors.New("does not listen")

// freeAddress finds a port of this machine that nobody has.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// family is a process and all that descend from it, as servers fork workers.
func family(ctx context.Context, pid int) ([]int, error) {
	out, err := exec.CommandContext(ctx, "ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, fmt.Errorf("ps: %w", err)
	}
	return descendants(string(out), pid)
}

// descendants reads lines of a process and its parent.
func descendants(list string, pid int) ([]int, error) {
	children := map[int][]int{}
	for line := range strings.Lines(list) {
		var child, parent int
		if _, err := fmt.Sscan(line, &child, &parent); err != nil {
			return nil, fmt.Errorf("ps: %q: %w", line, err)
		}
		children[parent] = append(children[parent], child)
	}
	pids := []int{pid}
	for i := 0; i < len(pids); i++ { // it grows on the way
		pids = append(pids, children[pids[i]]...)
	}
	return pids, nil
}

// output keeps the beginning of what a process writes.
type output struct {
	mu   sync.Mutex
	text []byte
}

const maxOutput = 16 << 10

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if room := maxOutput - len(o.text); room > 0 {
		o.text = append(o.text, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// tail returns its last lines.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(o.text)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// wrote is what a process wrote last, "" if it never started.
func (p *program) wrote() string {
	if p.output == nil {
		return ""
	}
	return p.output.tail()
}

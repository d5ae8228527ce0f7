package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// subject is something that proxies to the upstream and can be measured.
type subject struct {
	name   string
	binary string // default: the rig's
	env    []string

	// site is what its Caddyfile says of the site, global what it says besides.
	site, global string

	// signIn returns each visitor's cookies and the token header that must
	// arrive with them.
	signIn func(ctx context.Context, s *subject) ([]identity, error)

	address string // where it listens
	admin   string
	process *exec.Cmd
	cancel  context.CancelFunc
	exited  chan error
	output  *output
	crowd   crowd
	meter   meter
}

// identity is what a visitor sends and what must arrive.
type identity struct{ cookie, token string }

const startTimeout = 30 * time.Second

// start runs a subject and signs its visitors in.
func (r *rig) start(ctx context.Context, s *subject) error {
	if err := r.launch(ctx, s); err != nil {
		return err
	}
	r.running = append(r.running, s)
	if err := s.waitUntilUp(ctx); err != nil {
		return err
	}
	identities, err := s.signIn(ctx, s)
	if err != nil {
		return err
	}
	for i, id := range identities {
		r.upstream.expect(s.path(i), id.token)
		s.crowd = append(s.crowd, newVisitor(s.address, s.path(i), id.cookie))
	}
	s.meter = newMeter(s.process.Process.Pid)
	return nil
}

// path is where a visitor goes, so that the upstream knows who it is.
func (s *subject) path(visitor int) string { return fmt.Sprintf("/%s/%02d", slug(s.name), visitor) }

// launch writes the configuration and starts the process.
func (r *rig) launch(ctx context.Context, s *subject) error {
	var err error
	s.output = &output{}
	if s.address, err = freeAddress(); err != nil {
		return err
	}
	if s.admin, err = freeAddress(); err != nil {
		return err
	}
	home := filepath.Join(r.dir, slug(s.name))
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	config := filepath.Join(home, "Caddyfile")
	if err := os.WriteFile(config, []byte(r.caddyfile(s)), 0o600); err != nil {
		return err
	}
	binary, err := filepath.Abs(cmp.Or(s.binary, r.binary))
	if err != nil {
		return err
	}
	args := r.pinning.command([]string{binary, "run", "--config", config, "--adapter", "caddyfile"})
	ctx, s.cancel = context.WithCancel(ctx)
	s.process = exec.CommandContext(ctx, args[0], args[1:]...)
	s.process.Dir, s.process.Env = home, r.environment(s, home)
	s.process.Stdout, s.process.Stderr = s.output, s.output
	s.process.Cancel = func() error { return s.process.Process.Signal(syscall.SIGTERM) }
	s.process.WaitDelay = 5 * time.Second
	if err := s.process.Start(); err != nil {
		s.cancel()
		return err
	}
	s.exited = make(chan error, 1)
	go func() { s.exited <- s.process.Wait() }()
	return nil
}

// caddyfile is a subject's configuration: no access log, errors only.
func (r *rig) caddyfile(s *subject) string {
	return fmt.Sprintf("{\n\t%s\n\tauto_https off\n\tpersist_config off\n\tlog {\n\t\tlevel ERROR\n\t}\n%s}\n\nhttp://%s {\n%s}\n",
		r.adminLine(s), s.global, s.address, s.site)
}

// stop ends the process and waits for it.
func (s *subject) stop() {
	s.crowd.close()
	s.cancel()
	<-s.exited
}

// waitUntilUp waits until something listens.
func (s *subject) waitUntilUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-s.exited:
			s.exited <- err // for stop
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

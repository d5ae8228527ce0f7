package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// subject is something that proxies to the upstream and can be measured.
type subject struct {
	name   string
	binary string // default: the rig's
	env    []string
	goals  []goal

	// site is what its Caddyfile says of the site, global what it says besides.
	site, global string

	// command is for what is no Caddy: it writes its configuration to a directory
	// and returns the command line.
	command func(s *subject, home string) ([]string, error)

	// redis is the server it keeps sessions in, if it does. Its CPU time is the
	// subject's.
	redis *redis

	// signIn returns each visitor's cookies and the token header that must
	// arrive with them.
	signIn func(ctx context.Context, s *subject) ([]identity, error)
	// signInAt is where a browser goes to sign in and return to a path.
	// Default: as in the gateway.
	signInAt func(path string) string

	address string // where it listens
	admin   string
	program
	crowd crowd
	meter meter
}

// identity is what a visitor sends and what must arrive.
type identity struct{ cookie, token string }

// start runs a subject and signs its visitors in.
func (r *rig) start(ctx context.Context, s *subject) error {
	r.running = append(r.running, s)
	if err := r.launch(ctx, s); err != nil {
		return err
	}
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
	pids, err := s.pids(ctx)
	s.meter = newMeter(pids...)
	return err
}

// path is where a visitor goes, so that the upstream knows who it is.
func (s *subject) path(visitor int) string { return fmt.Sprintf("/%s/%02d", slug(s.name), visitor) }

// pids are all processes whose CPU time is the subject's.
func (s *subject) pids(ctx context.Context) ([]int, error) {
	pids, err := family(ctx, s.process.Process.Pid)
	if err == nil && s.redis != nil {
		pids = append(pids, s.redis.process.Process.Pid)
	}
	return pids, err
}

// launch writes the configuration and starts the processes.
func (r *rig) launch(ctx context.Context, s *subject) error {
	var err error
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
	if s.redis != nil {
		if err := r.startRedis(ctx, s.redis, home); err != nil {
			return err
		}
	}
	args, err := r.commandLine(s, home)
	if err != nil {
		return err
	}
	s.program, err = r.spawn(ctx, home, r.environment(s, home), args)
	return err
}

// commandLine writes the configuration and says how to run the subject with it.
func (r *rig) commandLine(s *subject, home string) ([]string, error) {
	if s.command != nil {
		return s.command(s, home)
	}
	config := filepath.Join(home, "Caddyfile")
	if err := os.WriteFile(config, []byte(r.caddyfile(s)), 0o600); err != nil {
		return nil, err
	}
	binary, err := filepath.Abs(cmp.Or(s.binary, r.binary))
	return []string{binary, "run", "--config", config, "--adapter", "caddyfile"}, err
}

// caddyfile is a subject's configuration: no access log, errors only.
func (r *rig) caddyfile(s *subject) string {
	return fmt.Sprintf("{\n\t%s\n\tauto_https off\n\tpersist_config off\n\tlog {\n\t\tlevel ERROR\n\t}\n%s}\n\nhttp://%s {\n%s}\n",
		r.adminLine(s), s.global, s.address, s.site)
}

// stop ends the processes and waits for them.
func (s *subject) stop() {
	s.crowd.close()
	s.program.stop()
	if s.redis != nil {
		s.redis.stop()
	}
}

// waitUntilUp waits until something listens.
func (s *subject) waitUntilUp(ctx context.Context) error { return s.listening(ctx, s.address) }

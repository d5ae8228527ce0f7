package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// rig is everything around the subjects.
type rig struct {
	binary   string
	dir      string // for everything that is written
	admin    bool   // whether subjects have an admin endpoint, for profiles
	pinning  pinning
	upstream *upstream
	provider *provider
	oidc     *oidcProvider // for peers, if there are any
	running  []*subject
	missing  []string // what was not measured, and why
}

func newRig(ctx context.Context, o options, dir string) (*rig, error) {
	var err error
	r := &rig{binary: o.binary, dir: dir, admin: o.profileDir != "", pinning: pin(ctx)}
	if r.upstream, err = newUpstream(); err != nil {
		return nil, err
	}
	if r.provider, err = newProvider(o.tokenBytes); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// close stops and waits for everything that was started.
func (r *rig) close() {
	for _, s := range r.running {
		s.stop()
	}
	if r.oidc != nil {
		r.oidc.close()
	}
	if r.provider != nil {
		r.provider.close()
	}
	r.upstream.close()
}

// notMeasured keeps for the result what there is no figure of.
func (r *rig) notMeasured(what string, why error) {
	r.missing = append(r.missing, fmt.Sprintf("Not measured: %s (%v)", what, why))
}

// Storage back ends of Caddy's certificate tooling that nothing here uses.
const buildTags = "nobadger,nomysql,nopgx"

// build makes the binary of this module, with which all subjects run.
func build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "osc-gateway")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", buildTags,
		"-o", binary, "github.com/Eyevinn/osc-gateway/cmd/osc-gateway")
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) } // it ends its compilers
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// environment is all that subjects get of it: a GOGC or GOMEMLIMIT of the
// shell would be measured otherwise.
func (r *rig) environment(s *subject, home string) []string {
	own := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_CONFIG_HOME=" + home,
		"GOMAXPROCS=1",
	}
	return append(own, s.env...)
}

// adminLine is a Caddyfile's global option for the admin endpoint.
func (r *rig) adminLine(s *subject) string {
	if !r.admin {
		return "admin off"
	}
	return "admin " + s.admin
}

// slug is a subject's name as a path.
func slug(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "-") }

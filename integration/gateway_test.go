package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// gateway is the binary, running with a Caddyfile.
type gateway struct {
	t        testing.TB
	canaries *canaries
	address  string // it listens here
	URL      string // visitors reach it here, through the tap
	dir      string // everything it can write to
	config   string // the Caddyfile
	env      []string
	options  string // further global options
	sites    string // further sites
	tap      *tap
	cmd      *exec.Cmd
	exited   chan struct{}
	status   int // it is to end with
}

// newGateway prepares a gateway; start starts it. Everything it wrote and sent
// is searched for secrets at the end of the test.
func newGateway(t testing.TB, c *canaries, env ...string) *gateway {
	t.Helper()
	// Not t.TempDir: a unix socket's path must be short.
	dir, err := os.MkdirTemp("", "gw-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "home"), 0o700); err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, canaries: c, address: freeAddress(t), dir: dir, config: filepath.Join(dir, "Caddyfile"), env: env}
	g.tap = newTap(t, g.address)
	_, port, _ := net.SplitHostPort(g.tap.listener.Addr().String())
	// Another host than OSC's 127.0.0.1: to a browser, another site.
	g.URL = "http://localhost:" + port
	t.Cleanup(g.finish)
	return g
}

// configure writes the Caddyfile: global goes into the global osc_auth block,
// site into the site's.
func (g *gateway) configure(global, site string) {
	g.t.Helper()
	_, port, _ := net.SplitHostPort(g.address)
	mustWrite(g.t, g.config, `{
	debug
	admin unix/`+g.admin()+`
	default_bind 127.0.0.1
`+g.options+`
	osc_auth {
`+global+`
	}
}
http://localhost:`+port+` {
	log
`+site+`
}
`+g.sites)
}

// admin is where the admin API listens.
func (g *gateway) admin() string { return filepath.Join(g.dir, "admin.sock") }

// askAdmin calls the admin API. Every answer but 200 is an error.
func (g *gateway) askAdmin(method, path, body string) (string, error) {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", g.admin())
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "text/caddyfile")
	answer, err := (&http.Client{Transport: transport, Timeout: patience}).Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %d: %s", method, path, answer.StatusCode, text)
	}
	return string(text), err
}

// mustAdmin is askAdmin for what has to work.
func (g *gateway) mustAdmin(method, path string) string {
	g.t.Helper()
	text, err := g.askAdmin(method, path, "")
	if err != nil {
		g.t.Fatal(err)
	}
	return text
}

// reload gives the gateway its Caddyfile again, after it was changed.
func (g *gateway) reload() {
	g.t.Helper()
	output, status := g.run("reload", "--config", g.config, "--adapter", "caddyfile", "--address", "unix/"+g.admin())
	if status != 0 {
		g.t.Fatalf("reload: status %d\n%s", status, output)
	}
}

func (g *gateway) outputFile() string { return filepath.Join(g.dir, "output") }

// output is what the gateway has printed so far.
func (g *gateway) output() []byte {
	text, err := os.ReadFile(g.outputFile())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		g.t.Error(err)
	}
	return text
}

// environment is a fresh home, and nothing of the developer's.
func (g *gateway) environment() []string {
	home := filepath.Join(g.dir, "home")
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GORACE=exitcode=66",
		"XDG_DATA_HOME=" + filepath.Join(home, "data"), "XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
	}, g.env...)
}

// command is the binary with the gateway's environment.
func (g *gateway) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env, cmd.Dir = g.environment(), g.dir
	return cmd
}

// run runs a command of the binary to its end.
func (g *gateway) run(args ...string) (output string, status int) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env, cmd.Dir = g.environment(), g.dir
	text, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		g.t.Fatalf("osc-gateway %s: %v", strings.Join(args, " "), err)
	}
	g.canaries.absent(g.t, "the output of "+args[0], text)
	return string(text), cmd.ProcessState.ExitCode()
}

// start runs the gateway with its Caddyfile and waits until it answers.
func (g *gateway) start() {
	g.t.Helper()
	g.launch("run", "--config", g.config, "--adapter", "caddyfile")
	eventually(g.t, "the gateway answers", g.answers)
}

// launch starts a command of the binary.
func (g *gateway) launch(args ...string) {
	g.t.Helper()
	output, err := os.OpenFile(g.outputFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	defer output.Close()
	g.cmd = g.command(args...)
	g.cmd.Stdout, g.cmd.Stderr = output, output
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		defer close(exited)
		cmd.Wait()
	}(g.cmd, g.exited)
}

func (g *gateway) answers() bool {
	select {
	case <-g.exited:
		g.t.Fatalf("the gateway ended:\n%s", g.output())
	default:
	}
	request, err := http.NewRequest(http.MethodGet, "http://"+g.address+"/auth/health", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	request.Host = strings.TrimPrefix(g.URL, "http://")
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// stop ends the gateway as a service manager does, and checks that it ends in
// order.
func (g *gateway) stop() {
	g.t.Helper()
	if g.cmd == nil {
		return
	}
	g.checkArguments()
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		g.t.Errorf("stopping the gateway: %v", err)
	}
	select {
	case <-g.exited:
	case <-time.After(patience):
		g.t.Error("the gateway did not stop; killing it")
		g.cmd.Process.Kill()
		<-g.exited
	}
	if status := g.cmd.ProcessState.ExitCode(); status != g.status {
		g.t.Errorf("the gateway ended with status %d, not %d", status, g.status)
	}
	g.cmd = nil
}

// kill ends the gateway without a word.
func (g *gateway) kill() {
	g.t.Helper()
	if err := g.cmd.Process.Kill(); err != nil {
		g.t.Error(err)
	}
	<-g.exited
	g.cmd = nil
}

// checkArguments looks for secrets in what everybody on the machine can read
// of the process.
func (g *gateway) checkArguments() {
	g.t.Helper()
	arguments, err := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(g.cmd.Process.Pid)).Output()
	if err != nil {
		g.t.Errorf("ps: %v", err)
	}
	g.canaries.absent(g.t, "the process list", arguments)
}

// setCookie finds the values of the gateway's cookies among what it sent.
var setCookie = regexp.MustCompile(`(?i)\r\nSet-Cookie: *[^=\r\n]*osc_session[^=\r\n]*=([^;\r\n]+)`)

// finish stops the gateway and looks for secrets in everything it produced.
func (g *gateway) finish() {
	g.stop()
	sent := g.tap.close()
	for _, bytes := range sent {
		for _, found := range setCookie.FindAllSubmatch(bytes, -1) {
			g.canaries.note(cookie, string(found[1]))
		}
	}
	for _, bytes := range sent {
		g.canaries.absent(g.t, "what a client was sent", bytes, cookie)
	}
	output := g.output()
	g.canaries.absent(g.t, "the gateway's output", output)
	g.canaries.absentBelow(g.t, filepath.Join(g.dir, "home"))
	for _, trouble := range []string{"DATA RACE", "panic", "goroutine 1 ["} {
		if bytes.Contains(output, []byte(trouble)) {
			g.t.Errorf("the gateway printed %q", trouble)
		}
	}
	if g.t.Failed() {
		g.t.Logf("the gateway's output:\n%s", output[max(0, len(output)-6_000):])
	}
}

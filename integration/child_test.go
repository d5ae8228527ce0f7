package integration

import (
	"bytes"
	"fmt"
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
)

// newChildGateway prepares a gateway that starts an app, here this program.
func newChildGateway(t testing.TB, behaviour string, env ...string) *gateway {
	t.Helper()
	g := newGateway(t, &canaries{}, append(env, beTheApp+"="+behaviour)...)
	g.status = statusOfTheApp
	return g
}

// behind are the arguments of the gateway in front of an app at upstream.
func (g *gateway) behind(upstream string, command ...string) []string {
	return append([]string{"proxy", "--from", g.anyHost(), "--to", upstream, "--issuer", "http://127.0.0.1:1", "--store", "memory",
		"--public", "/*", "--"}, command...)
}

// freePort is freeAddress with a port alone.
func freePort(t testing.TB) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(freeAddress(t))
	return ":" + port
}

func (g *gateway) says(what string) bool { return bytes.Contains(g.output(), []byte(what)) }

var runningApp = regexp.MustCompile(`app (\d+) runs`)

// apps are the ids of the apps that said that they run.
func (g *gateway) apps() (ids []int) {
	for _, found := range runningApp.FindAllSubmatch(g.output(), -1) {
		id, _ := strconv.Atoi(string(found[1]))
		ids = append(ids, id)
	}
	return ids
}

// gone tells whether a process has ended, collected by its parent or not.
func gone(id int) bool {
	state, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(id)).Output()
	return err != nil || len(state) == 0 || state[0] == 'Z'
}

func TestProxyEndsAsTheAppEnds(t *testing.T) {
	t.Parallel()
	g := newChildGateway(t, "")
	locked := filepath.Join(g.dir, "locked")
	mustWrite(t, locked, "#!/bin/sh\n")
	for name, c := range map[string]struct {
		command []string
		status  int
		says    string
	}{
		"in success":       {[]string{"sh", "-c", "exit 0"}, 0, ""},
		"with 1":           {[]string{"sh", "-c", "exit 1"}, 1, "the app ended with status 1"},
		"with 42":          {[]string{"sh", "-c", "exit 42"}, 42, "the app ended with status 42"},
		"by SIGTERM":       {[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15, "the app ended with status 143"},
		"by SIGKILL":       {[]string{"sh", "-c", "kill -KILL $$"}, 128 + 9, "the app ended with status 137"},
		"not found":        {[]string{"no-such-command"}, 127, "starting the app"},
		"not a file":       {[]string{"/no/such/file"}, 127, "starting the app"},
		"not to be run":    {[]string{locked}, 126, "starting the app"},
		"options are kept": {[]string{"sh", "-c", "exit $#", "sh", "--to", ":1"}, 2, ""},
	} {
		output, status := g.run(g.behind(freePort(t), c.command...)...)
		if status != c.status || !strings.Contains(output, c.says) || strings.Contains(output, "Error: ") {
			t.Errorf("%s: status %d, want %d:\n%s", name, status, c.status, output)
		}
	}
}

func TestProxyHandsEachSignalOnOnce(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			g := newChildGateway(t, "stubborn")
			g.launch(g.behind(freePort(t), os.Args[0])...)
			eventually(t, "the app answers", func() bool { return g.says("the app answers at localhost:") && len(g.apps()) == 1 })
			tell := func(signal syscall.Signal) {
				t.Helper()
				if err := g.cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the app has the signal", func() bool { return g.says(fmt.Sprintf("got %v\n", signal)) })
			}
			tell(signal)
			tell(syscall.SIGUSR2) // which comes after whatever came of the other
			if times := strings.Count(string(g.output()), fmt.Sprintf("got %v\n", signal)); times != 1 {
				t.Errorf("%d times", times)
			}
			if err := syscall.Kill(g.apps()[0], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if status := g.end(); status != 128+9 {
				t.Errorf("status %d", status)
			}
		})
	}
}

// end waits until the gateway has ended by itself, and gives its status.
func (g *gateway) end() int {
	g.t.Helper()
	eventually(g.t, "the gateway ends", func() bool {
		select {
		case <-g.exited:
			return true
		default:
			return false
		}
	})
	status := g.cmd.ProcessState.ExitCode()
	g.cmd = nil
	return status
}

// A package manager runs a shell that runs the app.
func TestProxyLeavesNothingOfTheAppBehind(t *testing.T) {
	for name, c := range map[string]struct {
		behaviour, script string
		tell              syscall.Signal // 0: it ends by itself
		status            int
	}{
		"a shell that is told to end":          {"", `"$0"; true`, syscall.SIGTERM, 128 + 15},
		"a shell that is interrupted":          {"", `"$0"; true`, syscall.SIGINT, 128 + 2},
		"what ignores everything":              {"stubborn", `"$0"; true`, syscall.SIGTERM, 128 + 15},
		"what runs on in the background":       {"", `"$0" & while ! [ -e ended ]; do sleep 0.05; done; exit 3`, 0, 3},
		"what runs on, and ignores everything": {"stubborn", `"$0" & while ! [ -e ended ]; do sleep 0.05; done`, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newChildGateway(t, c.behaviour)
			g.launch(g.behind(freePort(t), "sh", "-c", c.script, os.Args[0])...)
			eventually(t, "the app runs", func() bool { return len(g.apps()) == 1 })
			if c.tell == 0 {
				mustWrite(t, filepath.Join(g.dir, "ended"), "")
			} else if err := g.cmd.Process.Signal(c.tell); err != nil {
				t.Fatal(err)
			}
			// A shell may end as the app it was interrupted with.
			if status := g.end(); status != c.status && (c.tell != syscall.SIGINT || status != 0) {
				t.Errorf("status %d, want %d", status, c.status)
			}
			eventually(t, "the app has ended", func() bool { return gone(g.apps()[0]) })
		})
	}
}

func TestProxySaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	g := newChildGateway(t, "deaf")
	port := freePort(t)
	g.launch(g.behind(port, os.Args[0])...)
	eventually(t, "it says what to look at", func() bool {
		return g.says("still waiting for the app at localhost"+port) && g.says("PORT="+port[1:]) && g.says("--to")
	})
}

func TestProxyReachesAnAppWhereverItListens(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1", "0.0.0.0", "socket"} {
		t.Run("at "+host, func(t *testing.T) {
			t.Parallel()
			g := newChildGateway(t, "")
			upstream, at := freePort(t), host
			switch host {
			case "::1":
				upstream = "[::1]" + upstream
			case "socket":
				at = filepath.Join(g.dir, "app.sock")
				upstream = "unix/" + at
			}
			g.env = append(g.env, appHost+"="+at)
			g.launch(g.behind(upstream, os.Args[0])...)
			eventually(t, "the app answers", func() bool { return g.says("osc-gateway: the app answers at ") })
			eventually(t, "the gateway answers", g.answers)
			if got := newVisitor(t, g.URL).open("/"); got.Status != http.StatusOK || !strings.Contains(got.Body, "token false") {
				t.Errorf("%v", got)
			}
		})
	}
}

// Whether localhost is ::1 as well is for each machine to say.
func TestProxySaysWhichLoopbackAddressAnAppListensAt(t *testing.T) {
	t.Parallel()
	g := newChildGateway(t, "")
	port := freePort(t)
	g.env = append(g.env, appHost+"=::1")
	g.launch(g.behind(port, os.Args[0])...)
	eventually(t, "it says so", func() bool {
		return g.says("osc-gateway: the app answers at localhost"+port) || g.says("use --to [::1]"+port)
	})
}

// OSC tells a container by PORT where visitors come.
func TestProxyListensAtPORTAndGivesTheAppItsOwn(t *testing.T) {
	t.Parallel()
	g := newChildGateway(t, "")
	_, port, _ := net.SplitHostPort(g.address)
	g.env = append(g.env, "PORT="+port, "OSC_GATEWAY_PUBLIC=/*", "OSC_GATEWAY_STORE=memory", "OSC_GATEWAY_TO="+freePort(t))
	to := g.env[len(g.env)-1]
	g.launch("proxy", "--", os.Args[0])
	eventually(t, "the gateway answers", g.answers)
	eventually(t, "the app answers", func() bool { return g.says("osc-gateway: the app answers at ") })
	page := newVisitor(t, g.URL).open("/")
	if want := "\nPORT=" + to[strings.LastIndex(to, ":")+1:] + "\n"; !strings.Contains(page.Body, want) || strings.Contains(page.Body, "PORT="+port) {
		t.Errorf("the app has not%s:\n%s", want, page.Body)
	}
}

func TestWhatTheAppPrintsIsPassedThrough(t *testing.T) {
	t.Parallel()
	g := newChildGateway(t, "")
	command := g.command(g.behind(freePort(t), "sh", "-c", `printf 'a\000b\377\033[1mc\r\n no end'; printf 'err\377' >&2`)...)
	var out, errors bytes.Buffer
	command.Stdout, command.Stderr = &out, &errors
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
	if want := "a\x00b\xff\x1b[1mc\r\n no end"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	if !strings.Contains(errors.String(), "err\xff") {
		t.Errorf("on the standard error: %q", errors.String())
	}
}

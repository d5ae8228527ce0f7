package integration

import (
	"bytes"
	"os"
	"regexp"
	"testing"
)

// What only Linux lets a gateway do: end an app with itself, see where it listens,
// and keep its environment from it.

func TestAGatewayThatIsKilledTakesTheAppAlong(t *testing.T) {
	t.Parallel()
	g := newChildGateway(t, "")
	g.launch(g.behind(freePort(t), os.Args[0])...)
	eventually(t, "the app runs", func() bool { return len(g.apps()) == 1 })
	g.kill()
	eventually(t, "the app ends", func() bool { return gone(g.apps()[0]) })
}

// Many an app takes no notice of PORT.
func TestProxySaysWhichPortAnAppListensAtInstead(t *testing.T) {
	t.Parallel()
	g := newChildGateway(t, "elsewhere")
	g.status = 128 + 15 // the shell's
	g.launch(g.behind(freePort(t), "sh", "-c", `"$0"; true`, os.Args[0])...)
	at := regexp.MustCompile(`is at 127\.0\.0\.1(:\d+)`)
	eventually(t, "it says so", func() bool {
		found := at.FindSubmatch(g.output())
		return found != nil && g.says("instead: use --to "+string(found[1]))
	})
}

func TestTheAppCannotReadTheGatewaysEnvironment(t *testing.T) {
	t.Parallel()
	g := newChildGateway(t, "")
	command := g.command(g.behind(freePort(t), "sh", "-c",
		"cat /proc/$$/environ > /dev/null && echo its own; cat /proc/$PPID/environ > /dev/null || echo in vain")...)
	if os.Geteuid() == 0 { // who may read everything, outside of containers
		const none = "-sys_ptrace,-sys_admin,-perfmon"
		command.Args = append([]string{"setpriv", "--bounding-set", none, "--inh-caps", none}, command.Args...)
		command.Path = program(t, "", "setpriv")
	}
	if output, err := command.CombinedOutput(); err != nil || !bytes.Contains(output, []byte("its own\n")) || !bytes.Contains(output, []byte("in vain\n")) {
		t.Errorf("%v\n%s", err, output)
	}
}

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal is a terminal with a shell in it.
type terminal struct {
	t      testing.TB
	master *os.File
	mu     sync.Mutex
	shown  strings.Builder
}

// newTerminal starts a shell with job control, as a person has it.
func newTerminal(t testing.TB, env []string, dir string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	shell := exec.Command("sh", "-i")
	shell.Stdin, shell.Stdout, shell.Stderr = tty, tty, tty
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	shell.Env, shell.Dir = append(env, "PS1=ready> ", "ENV="), dir
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, master: master}
	go term.read()
	t.Cleanup(func() {
		shell.Process.Kill() // the terminal hangs up on what is left
		shell.Wait()
		master.Close()
		if t.Failed() {
			t.Logf("the terminal shows:\n%s", term.screen())
		}
	})
	return term
}

func (t *terminal) read() {
	buffer := make([]byte, 4096)
	for {
		n, err := t.master.Read(buffer)
		t.mu.Lock()
		t.shown.Write(buffer[:n])
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (t *terminal) screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shown.String()
}

func (t *terminal) types(keys string) {
	t.t.Helper()
	if _, err := t.master.WriteString(keys); err != nil {
		t.t.Fatal(err)
	}
}

// shows waits for text beyond what was there before.
func (t *terminal) shows(text string, times int) {
	t.t.Helper()
	eventually(t.t, fmt.Sprintf("the terminal shows %q %d times", text, times), func() bool {
		return strings.Count(t.screen(), text) >= times
	})
}

func TestProxyInATerminalBehavesLikeTheAppAlone(t *testing.T) {
	t.Parallel()
	g := newChildGateway(t, "")
	term := newTerminal(t, g.environment(), g.dir)
	term.shows("ready> ", 1)
	term.types(binary + " '" + strings.Join(g.behind(freePort(t), os.Args[0]), "' '") + "'\n")
	term.shows("the app answers at localhost:", 1)
	term.types("hello\n")
	term.shows(`read "hello"`, 1)

	term.types("\x1a") // Ctrl-Z
	term.shows("ready> ", 2)
	term.types("fg\n")
	term.types("again\n")
	term.shows(`read "again"`, 1)

	term.types("\x03") // Ctrl-C
	term.shows("got interrupt", 1)
	term.shows("ready> ", 3)
	term.types("echo it ended with $?\n")
	term.shows(fmt.Sprintf("it ended with %d", statusOfTheApp), 1)
	if times := strings.Count(term.screen(), "got interrupt"); times != 1 {
		t.Errorf("Ctrl-C reached the app %d times", times)
	}
}

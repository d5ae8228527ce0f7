//go:build unix && !solaris && !aix

package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// forwarded are the signals that are for the app. SIGCONT is the gateway's
// own, after the terminal stopped both.
var forwarded = []os.Signal{
	unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGCONT,
}

const (
	// leftoverGrace is how long what the app has left behind may take to end.
	leftoverGrace = 5 * time.Second
	leftoverAsked = 20 * time.Millisecond
)

// group is a process group of the app's own, with all that it starts. In a
// terminal it is the one in the foreground, as if the shell had started it:
// what is typed reaches the app, and Ctrl-C reaches it once.
type group struct {
	leader   *os.Process
	terminal terminal
}

// startGroup starts the app. It has to be called from the goroutine that then
// waits: the app ends with the thread that started it, which is to say, if the
// gateway is killed.
func startGroup(command *exec.Cmd) (*group, error) {
	runtime.LockOSThread()
	g := &group{terminal: ownTerminal(os.Stdin)}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Foreground: g.terminal.ours(), Ctty: g.terminal.fd}
	endWithParent(command.SysProcAttr)
	hideMemory()
	if err := command.Start(); err != nil {
		return nil, err
	}
	g.leader = command.Process
	return g, nil
}

// ports are those the app listens at, as far as that can be known.
func (g *group) ports() []int { return listeningPorts(g.leader.Pid) }

// wait hands signals on until the app has ended. It gives its status, or what
// shells give for a signal, and whether it was told to end.
func (g *group) wait(signals <-chan os.Signal) (status int, told bool) {
	changes := make(chan syscall.WaitStatus)
	go g.watch(changes)
	for {
		select {
		case received := <-signals:
			told = g.hand(received.(syscall.Signal)) || told
		case now := <-changes:
			switch {
			case now.Stopped():
				g.suspend()
			case now.Signaled():
				return 128 + int(now.Signal()), told
			case now.Exited():
				return now.ExitStatus(), told
			}
		}
	}
}

// watch tells when the app has stopped or ended. As process 1 of a container
// the gateway is also who collects what others leave behind.
func (g *group) watch(changes chan<- syscall.WaitStatus) {
	who := g.leader.Pid
	if os.Getpid() == 1 {
		who = -1
	}
	for {
		var now syscall.WaitStatus
		pid, err := syscall.Wait4(who, &now, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR) || err == nil && pid != g.leader.Pid:
		case err != nil: // somebody else has waited for it
			changes <- 0
			return
		default:
			changes <- now
			if now.Exited() || now.Signaled() {
				return
			}
		}
	}
}

// hand gives a signal to the app, and tells whether it is one to end by. An
// interrupt is for all of the group, as from a terminal: a shell that runs the
// app ignores it while its command does not end. The others are for the app
// itself, which knows what else it runs; npm hands them on, so that the group
// would get them twice.
func (g *group) hand(received syscall.Signal) (end bool) {
	switch received {
	case unix.SIGCONT:
		g.resume()
		return false
	case unix.SIGINT:
		_ = syscall.Kill(-g.leader.Pid, received)
		return true
	default:
		_ = g.leader.Signal(received)
		return received == unix.SIGTERM || received == unix.SIGHUP || received == unix.SIGQUIT
	}
}

// suspend follows the app when Ctrl-Z stopped it, for the shell to notice.
func (g *group) suspend() {
	if !g.terminal.heldBy(g.leader.Pid) {
		return
	}
	g.terminal.giveTo(unix.Getpgrp())
	_ = syscall.Kill(0, unix.SIGSTOP)
}

// resume goes on with the app after fg or bg.
func (g *group) resume() {
	if g.terminal.heldBy(unix.Getpgrp()) {
		g.terminal.giveTo(g.leader.Pid)
	}
	_ = syscall.Kill(-g.leader.Pid, unix.SIGCONT)
}

// end takes the terminal back and ends what the app has left behind, first
// politely.
func (g *group) end() {
	if g.terminal.heldBy(g.leader.Pid) {
		g.terminal.giveTo(unix.Getpgrp())
	}
	ticker := time.NewTicker(leftoverAsked)
	defer ticker.Stop()
	enough := time.NewTimer(leftoverGrace)
	defer enough.Stop()
	for err := g.kill(unix.SIGTERM); err == nil; err = g.kill(0) {
		select {
		case <-ticker.C:
		case <-enough.C:
			_ = g.kill(unix.SIGKILL)
			return
		}
	}
}

// kill sends all of the group a signal; 0 only asks whether anybody is left.
// Who has ended and waits to be collected by process 1 does not count.
func (g *group) kill(with syscall.Signal) error {
	_, _ = syscall.Wait4(-g.leader.Pid, nil, syscall.WNOHANG, nil)
	return syscall.Kill(-g.leader.Pid, with)
}

// terminal is the gateway's, if it has one; else all it does is nothing.
type terminal struct {
	fd int
	ok bool
}

func ownTerminal(file *os.File) terminal {
	t := terminal{fd: int(file.Fd())}
	_, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	t.ok = err == nil
	return t
}

// ours tells whether the gateway is what the terminal talks to.
func (t terminal) ours() bool { return t.heldBy(unix.Getpgrp()) }

func (t terminal) heldBy(group int) bool {
	if !t.ok {
		return false
	}
	holder, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	return err == nil && holder == group
}

// giveTo puts a process group into the foreground. Who is in the background
// and does so is stopped, unless it ignores that.
func (t terminal) giveTo(group int) {
	signal.Ignore(unix.SIGTTOU)
	_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group)
}

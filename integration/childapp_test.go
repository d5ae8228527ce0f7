package integration

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// beTheApp is the variable that makes this test's program the app which
// `proxy -- <command>` starts. Its value says how the app behaves, in words:
//
//	stubborn   nothing but SIGKILL ends it
//	deaf       it does not listen
//	elsewhere  it listens at a port of its own choice
const beTheApp = "INTEGRATION_TEST_APP"

// appHost is the variable with the address the app listens at; default
// 127.0.0.1. A path is a socket.
const appHost = "INTEGRATION_TEST_APP_HOST"

// statusOfTheApp is what it ends with when it is told to.
const statusOfTheApp = 7

// runChildApp serves on PORT until it is told to end. Its page tells the names
// and values of its environment, and whether a token came along; what it is
// sent by signals and by its input it tells on its output.
func runChildApp() int {
	told := make(chan os.Signal, 16)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	behaviour := os.Getenv(beTheApp)
	if !strings.Contains(behaviour, "deaf") {
		if err := serveChildApp(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			fmt.Printf("app %d read %q\n", os.Getpid(), lines.Text())
		}
	}()
	fmt.Printf("app %d runs\n", os.Getpid())
	for received := range told {
		fmt.Printf("app %d got %v\n", os.Getpid(), received)
		if received != syscall.SIGUSR1 && received != syscall.SIGUSR2 && !strings.Contains(behaviour, "stubborn") {
			break
		}
	}
	return statusOfTheApp
}

func serveChildApp() error {
	network, address := "tcp", os.Getenv(appHost)
	switch {
	case strings.HasPrefix(address, "/"):
		network = "unix"
	case address == "":
		address = "127.0.0.1"
		fallthrough
	default:
		address = net.JoinHostPort(address, os.Getenv("PORT"))
	}
	if strings.Contains(os.Getenv(beTheApp), "elsewhere") {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	fmt.Printf("app %d is at %v\n", os.Getpid(), listener.Addr())
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "token %v user %s\n%s\n", strings.HasPrefix(r.Header.Get("X-Pat-Jwt"), "Bearer "),
			r.Header.Get("X-Osc-User"), strings.Join(os.Environ(), "\n"))
	}))
	return nil
}

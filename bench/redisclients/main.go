// Command redisclients measures the two maintained Redis clients the gateway
// could use, doing what its Redis store does most: reading a list's one value of
// 1.1 KB. It is a module of its own, so that the gateway depends on
// the winner alone. What was seen is in README.md.
//
//	go run . -server $(command -v redis-server)
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	list   = "osc-gw:s:measured"
	length = 1100
)

// A reader reads the list's value once and says how long it was.
type reader func(context.Context) (int, error)

// A subject is a client in one configuration.
type subject struct {
	name    string
	workers int
	read    reader
	close   func()
}

func main() {
	server := flag.String("server", "redis-server", "the Redis server to start")
	lasting := flag.Duration("for", 2*time.Second, "how long each is measured")
	flag.Parse()
	address, stop, err := start(*server)
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	fmt.Println("| client | reads/s | wall µs each | client CPU µs each | allocations each | bytes each |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, open := range subjects {
		s, err := open(address)
		if err == nil {
			err = measure(s, *lasting)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			stop()
			os.Exit(1)
		}
	}
}

// start runs a server on a free port of loopback, with nothing on disk.
func start(program string) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = listener.Addr().String()
	_ = listener.Close()
	_, port, _ := net.SplitHostPort(address)
	command := exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
	if err := command.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = command.Process.Kill(); _ = command.Wait() }
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			continue
		}
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "*3\r\n$5\r\nRPUSH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n",
			len(list), list, length, strings.Repeat("x", length))
		return address, stop, err
	}
	stop()
	return "", nil, fmt.Errorf("%s did not start", program)
}

// measure reads in a row, or in s.workers rows side by side, and prints a line.
func measure(s subject, lasting time.Duration) error {
	defer s.close()
	if _, err := run(s, lasting/4); err != nil { // warm
		return err
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, begin := cpuTime(), time.Now()
	reads, err := run(s, lasting)
	if err != nil {
		return err
	}
	wall, used := time.Since(begin), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(reads) }
	fmt.Printf("| %s | %.0f | %.2f | %.2f | %.1f | %.0f |\n", s.name, float64(reads)/wall.Seconds(),
		per(wall), per(used), float64(after.Mallocs-before.Mallocs)/float64(reads),
		float64(after.TotalAlloc-before.TotalAlloc)/float64(reads))
	return nil
}

func run(s subject, lasting time.Duration) (int, error) {
	ctx := context.Background()
	end := time.Now().Add(lasting)
	counts, errs := make([]int, s.workers), make([]error, s.workers)
	var all sync.WaitGroup
	for i := range s.workers {
		all.Go(func() {
			for time.Now().Before(end) {
				for range 16 {
					n, err := s.read(ctx)
					if err == nil && n != length {
						err = fmt.Errorf("%d bytes", n)
					}
					if err != nil {
						errs[i] = fmt.Errorf("%s: %w", s.name, err)
						return
					}
				}
				counts[i] += 16
			}
		})
	}
	all.Wait()
	total := 0
	for i := range s.workers {
		if errs[i] != nil {
			return 0, errs[i]
		}
		total += counts[i]
	}
	return total, nil
}

// cpuTime is what this process has used, without the server's.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

package integration

import (
	"strconv"
	"syscall"
	"testing"
	"time"
)

// All sessions end in the same second, in gateways that were started anew: each
// finds out from twenty requests at once.
func TestAllSessionsExpireAtOnce(t *testing.T) {
	t.Parallel()
	sessions := shortOrLong(300, 10_000)
	t.Run("redis", func(t *testing.T) {
		storm(t, sessions, chaosSpec{gateways: 2, global: newRedis(t).store()})
	})
	t.Run("file", func(t *testing.T) { storm(t, sessions, chaosSpec{}) })
	t.Run("memory", func(t *testing.T) {
		storm(t, sessions, chaosSpec{global: "\t\tstore memory " + strconv.Itoa(2*sessions) + "\n"})
	})
}

func storm(t *testing.T, sessions int, spec chaosSpec) {
	const requests, perGateway = 20, 32
	spec.crowd = true
	c := newChaos(t, spec)
	all, start := c.guests(sessions), time.Now()
	end := start.Add(shortOrLong(12*time.Second, 90*time.Second))
	c.provider.endAt(end)
	signingIn := crowd(t, "signing in", sessions, 32, func(i int) error { return all[i].signIn(i % len(c.doors)) })
	if t.Failed() {
		t.FailNow()
	}
	if 2*signingIn > end.Sub(start) { // the first would be refreshed meanwhile
		t.Fatalf("signing %d in took %v: too slow for a storm", sessions, signingIn)
	}
	c.provider.endAt(time.Time{})
	c.lifetime(time.Hour)
	c.sleepThrough(end, spec)
	c.slowly(50 * time.Millisecond)
	took := crowd(t, "the storm", sessions*requests, 100*requests, func(i int) error {
		return all[i/requests].visit(i % len(c.doors))
	})
	c.refreshedOnceEach(sessions)
	atOnce := c.provider.Counters().MaxConcurrentRefreshes
	if atOnce > perGateway*len(c.doors) {
		t.Errorf("%d refreshes at once", atOnce)
	}
	t.Logf("%d sessions signed in within %v; %d requests in %v, %d refreshes at once",
		sessions, signingIn.Round(time.Millisecond), sessions*requests, took.Round(time.Millisecond), atOnce)
}

// sleepThrough lets the tokens end while nobody looks. Memory does not outlive
// its process: there the whole process sleeps, as in a suspended machine.
func (c *chaos) sleepThrough(end time.Time, spec chaosSpec) {
	c.t.Helper()
	if spec.global == "" || len(c.doors) > 1 {
		c.asleep(end)
		return
	}
	process := c.gateways[0].cmd.Process
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		c.t.Fatal(err)
	}
	await(end)
	if err := process.Signal(syscall.SIGCONT); err != nil {
		c.t.Fatal(err)
	}
}

package main

import (
	"syscall"
	"time"
)

// nap pauses the calling thread. Go's own timers are a millisecond late where
// nothing else wakes the process up: far too much beside what is measured.
func nap(d time.Duration) {
	if d <= 0 {
		return
	}
	pause := syscall.NsecToTimespec(d.Nanoseconds())
	_ = syscall.Nanosleep(&pause, nil) // a signal may end it early: the caller looks at the clock
}

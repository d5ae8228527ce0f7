//go:build !linux

package main

import "time"

// nap pauses; timers are fine here.
func nap(d time.Duration) { time.Sleep(d) }

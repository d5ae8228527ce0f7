package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// endWithParent has the app end when the gateway is killed.
func endWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = unix.SIGTERM }

// hideMemory keeps the gateway's memory, and the environment it was started
// with, from processes of the same user: the app could read in /proc what it
// was not given.
func hideMemory() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

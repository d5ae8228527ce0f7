//go:build !linux

package integration

func peek() string { return "peek: there is no /proc" }

package main

import (
	"context"
	"debug/buildinfo"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// machine is what figures are only comparable on.
type machine struct {
	model  string
	cores  int
	kernel string
	load   float64 // processes that ran or wanted to, before anything was started
}

func thisMachine(ctx context.Context) machine {
	m := machine{model: "unknown processor", cores: runtime.NumCPU(), kernel: runtime.GOOS}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.model = cpuModel(string(info), m.model)
	} else if out, err := exec.CommandContext(ctx, "sysctl", "-n", "machdep.cpu.brand_string").Output(); err == nil {
		m.model = strings.TrimSpace(string(out))
	}
	if out, err := exec.CommandContext(ctx, "uname", "-srm").Output(); err == nil {
		m.kernel = strings.TrimSpace(string(out))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load = loadAverage(string(text))
	}
	return m
}

// loadAverage reads that of the last minute, the first number of /proc/loadavg.
func loadAverage(text string) float64 {
	first, _, _ := strings.Cut(text, " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return load
}

// cpuModel finds the processor's name in /proc/cpuinfo; ARM has none there.
func cpuModel(info, otherwise string) string {
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}

// builtWith says which Go and which Caddy are in a binary.
func builtWith(binary string) string {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "unknown build"
	}
	for _, module := range info.Deps {
		if module.Path == "github.com/caddyserver/caddy/v2" {
			return info.GoVersion + ", Caddy " + module.Version
		}
	}
	return info.GoVersion
}

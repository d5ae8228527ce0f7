package main

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// listeningPorts are the TCP ports that the processes of a group listen at, as
// far as /proc tells.
func listeningPorts(group int) []int {
	sockets := map[string]bool{}
	for _, process := range processesOf(group) {
		links, _ := filepath.Glob(filepath.Join(process, "fd", "*"))
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, "socket:[") {
				sockets[strings.Trim(target, "socket:[]")] = true
			}
		}
	}
	var ports []int
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		ports = append(ports, portsIn(table, sockets)...)
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// processesOf are the directories in /proc of a group's processes.
func processesOf(group int) (all []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// A command's name is in parentheses and may hold anything; after it come
		// the state, the parent and the group.
		line := string(text)
		fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
		if len(fields) > 2 && fields[2] == strconv.Itoa(group) {
			all = append(all, filepath.Dir(path))
		}
	}
	return all
}

// portsIn are the ports of those sockets in a table of the kernel's which
// listen.
func portsIn(table string, sockets map[string]bool) (ports []int) {
	file, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer file.Close()
	const local, state, inode, listens = 1, 3, 9, "0A"
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) <= inode || fields[state] != listens || !sockets[fields[inode]] {
			continue
		}
		_, hex, _ := strings.Cut(fields[local], ":")
		if port, err := strconv.ParseUint(hex, 16, 16); err == nil {
			ports = append(ports, int(port))
		}
	}
	return ports
}

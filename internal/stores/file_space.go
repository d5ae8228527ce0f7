//go:build linux || darwin || freebsd

package stores

import "syscall"

// freeSpace is what the file system of a directory has left for this user, in
// bytes; negative where that can't be told.
func freeSpace(directory string) int64 {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(directory, &stat); err != nil {
		return -1
	}
	return int64(stat.Bavail) * int64(stat.Bsize) //nolint:unconvert // other systems have other widths
}

//go:build unix && !solaris && !aix

package stores

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// noFollow makes opening a symbolic link fail.
const noFollow = syscall.O_NOFOLLOW

// isOurs tells whether a file belongs to the user this process runs as, or,
// where root will do, to root.
func isOurs(info os.FileInfo, rootWillDo bool) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (int(stat.Uid) == os.Geteuid() || rootWillDo && stat.Uid == 0)
}

func openToOthers(info os.FileInfo) bool     { return info.Mode().Perm()&0o077 != 0 }
func writableByOthers(info os.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }

// lock takes the lock bbolt will take, on the same open file, so that the file
// can be judged before bbolt reads it.
func lock(file *os.File) (free bool, err error) {
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// unlock gives the lock back at once. Closing does not while the file is still
// mapped somewhere.
func unlock(file *os.File) { _ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }

// syncDirectory makes a new name of a file last. Not all file systems can, and
// those that cannot have nothing to gain from an error.
func syncDirectory(path string) {
	directory, err := os.Open(filepath.Dir(path))
	if err != nil {
		return
	}
	_ = directory.Sync()
	_ = directory.Close()
}

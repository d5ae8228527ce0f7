//go:build !unix || solaris || aix

package stores

import "os"

// Where files have no owner and mode of this kind, the directory's access
// list is what protects them, and the lock is bbolt's own.

const noFollow = 0

func isOurs(os.FileInfo, bool) bool     { return true }
func openToOthers(os.FileInfo) bool     { return false }
func writableByOthers(os.FileInfo) bool { return false }
func lock(*os.File) (bool, error)       { return true, nil }
func unlock(*os.File)                   {}
func syncDirectory(string)              {}

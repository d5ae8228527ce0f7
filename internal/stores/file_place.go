package stores

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	fileMode      os.FileMode = 0o600
	directoryMode os.FileMode = 0o700
)

// What the file says it is. The text is long enough for bbolt to give it a
// page of its own, which is written when the file is made and never again: so
// it stays near the front, and tells a damaged file of ours from any other.
const (
	markFormat = "osc-gateway sessions, format 1\n"
	markSpan   = 64 << 10 // it is found within
)

func markText() []byte {
	const width = pageSize / 2
	text := markFormat + "Records are sealed: without the gateway's key and the visitor's cookie they open nothing.\n"
	return []byte(text + strings.Repeat(" ", width-len(text)))
}

// claim opens the file at path, made if need be, and locks it for this
// process. It is never a link, and nobody else can have had a hand in it.
func claim(path string) (*os.File, os.FileInfo, error) {
	if err := makeDirectory(filepath.Dir(path)); err != nil {
		return nil, nil, err
	}
	const tries, pause = 20, 50 * time.Millisecond
	for range tries {
		file, info, err := openOurs(path)
		if err != nil {
			return nil, nil, err
		}
		free, err := lock(file)
		if err != nil {
			_ = file.Close()
			return nil, nil, fmt.Errorf("session file %s cannot be locked, does its file system have locks? %w", path, err)
		}
		// Whoever had the lock may have set the file aside before giving it up.
		if there, err := os.Lstat(path); free && err == nil && os.SameFile(there, info) {
			return file, info, nil
		}
		_ = file.Close()
		time.Sleep(pause)
	}
	return nil, nil, fmt.Errorf("the session file %s is in use by another process: give each gateway a file of its own (store file <path>), or let them share a Redis (store redis <url>)", path)
}

func makeDirectory(path string) error {
	if err := os.MkdirAll(path, directoryMode); err != nil {
		return fmt.Errorf("the directory of the session file cannot be made: %w", err)
	}
	return checkDirectory(path)
}

func checkDirectory(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("the directory of the session file cannot be looked at: %w", err)
	case !isOurs(info, true):
		return fmt.Errorf("the directory %s of the session file belongs to another user, who could replace it: run the gateway as that user, or choose another path (store file <path>)", path)
	case writableByOthers(info):
		return fmt.Errorf("others may write to the directory %s of the session file, mode %04o, and could replace it: chmod go-w %s, or choose another path (store file <path>)", path, info.Mode().Perm(), path)
	}
	return nil
}

func openOurs(path string) (*os.File, os.FileInfo, error) {
	if info, err := os.Lstat(path); err == nil {
		if err := check(path, info); err != nil {
			return nil, nil, err
		}
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, fileMode)
	if err != nil {
		return nil, nil, fmt.Errorf("the session file cannot be opened for writing: %w", err)
	}
	info, err := file.Stat()
	if err == nil {
		err = check(path, info)
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

func check(path string, info os.FileInfo) error {
	switch {
	case info.Mode()&os.ModeSymlink != 0:
		return fmt.Errorf("the session file %s is a symbolic link, which somebody could have laid: name the file it points to (store file <path>), or remove the link", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: name another path for the sessions (store file <path>)", path)
	case !isOurs(info, false):
		return fmt.Errorf("the session file %s belongs to another user: run the gateway as that user, or choose another path (store file <path>)", path)
	case openToOthers(info):
		return fmt.Errorf("others may read or write the session file %s, mode %04o: if you trust what is in it, chmod 600 %s, otherwise remove it", path, info.Mode().Perm(), path)
	}
	return nil
}

// inspect judges a locked file before bbolt sees it: nil for one bbolt may
// open, condemned for one of ours that it could not, an error for any other.
func inspect(file *os.File, info os.FileInfo) (*condemned, error) {
	if info.Size() == 0 {
		return nil, nil
	}
	head := make([]byte, min(markSpan, info.Size()))
	if _, err := io.ReadFull(io.NewSectionReader(file, 0, info.Size()), head); err != nil {
		return nil, fmt.Errorf("session file %s cannot be read: %w", file.Name(), err)
	}
	switch {
	case bytes.Contains(head, []byte(markFormat[:len(markFormat)-2])): // whatever the format
		return nil, nil
	case newborn(head, info.Size()):
		return nil, file.Truncate(0)
	case isZero(file):
		// What some file systems make of a file that was written when the power went.
		return &condemned{info: info, cause: errors.New("it holds nothing but zeros")}, nil
	}
	return nil, errForeignFile(file.Name())
}

func errForeignFile(path string) error {
	return fmt.Errorf("%s holds something else than sessions of osc-gateway: it has been left as it is; name another path (store file <path>)", path)
}

// newborn tells a bbolt file in which nothing was ever committed: its process
// ended between making the file and writing the mark. The layout is that of
// bbolt's meta pages.
func newborn(head []byte, size int64) bool {
	const header, magicAt, txidAt, magic = 16, 0, 48, 0xED0CDAED
	if size > 8*pageSize {
		return false
	}
	found := false
	for page := range 2 {
		start := page*pageSize + header
		if len(head) < start+txidAt+8 || binary.NativeEndian.Uint32(head[start+magicAt:]) != magic {
			continue
		}
		found = true
		if binary.NativeEndian.Uint64(head[start+txidAt:]) > 1 {
			return false
		}
	}
	return found
}

func isZero(file *os.File) bool {
	zeros, some := make([]byte, markSpan), make([]byte, markSpan)
	for from := int64(0); ; from += markSpan {
		n, err := file.ReadAt(some, from)
		if !bytes.Equal(some[:n], zeros[:n]) {
			return false
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// readsWell tells whether the disk gives out all of a file.
func readsWell(file *os.File) bool {
	_, err := io.Copy(io.Discard, io.NewSectionReader(file, 0, 1<<62))
	return err == nil
}

// setAside renames a file that is locked, and returns its new path.
func setAside(path string, now time.Time) (string, error) {
	aside := path + ".damaged-" + now.UTC().Format("20060102T150405.000Z")
	if _, err := os.Lstat(aside); err == nil {
		return "", fmt.Errorf("%s exists already", aside)
	}
	if err := os.Rename(path, aside); err != nil {
		return "", err
	}
	syncDirectory(path)
	return aside, nil
}

package stores

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FileState is what can be seen of a session file without opening it.
type FileState struct {
	Exists bool
	Held   bool  // by a process that uses it
	Size   int64 // in bytes
	// Free is what its file system has left, in bytes; negative where that can't
	// be told.
	Free int64
}

// LookAtFile tells what [OpenFile] would find at path, and with which error it
// would refuse it. It makes and changes nothing, so it may be called while a
// gateway uses the file.
func LookAtFile(path string) (FileState, error) {
	directory := filepath.Dir(path)
	state := FileState{Free: freeSpace(nearest(directory))}
	if err := checkDirectory(directory); errors.Is(err, fs.ErrNotExist) {
		return state, nil // it will be made
	} else if err != nil {
		return state, err
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return state, nil
	}
	if err != nil {
		return state, fmt.Errorf("the session file cannot be looked at: %w", err)
	}
	state.Exists, state.Size = true, info.Size()
	if err := check(path, info); err != nil {
		return state, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|noFollow, 0)
	if err != nil {
		return state, fmt.Errorf("the session file cannot be opened for writing: %w", err)
	}
	defer func() { _ = file.Close() }()
	free, err := lock(file) // given back by closing
	if err != nil {
		return state, fmt.Errorf("session file %s cannot be locked, does its file system have locks? %w", path, err)
	}
	state.Held = !free
	return state, recognize(file, info.Size())
}

// recognize is an error for a file that is none of ours.
func recognize(file *os.File, size int64) error {
	head := make([]byte, min(markSpan, size))
	if _, err := io.ReadFull(io.NewSectionReader(file, 0, size), head); err != nil {
		return fmt.Errorf("session file %s cannot be read: %w", file.Name(), err)
	}
	if size == 0 || bytes.Contains(head, []byte(markFormat[:len(markFormat)-2])) || newborn(head, size) || isZero(file) {
		return nil
	}
	return errForeignFile(file.Name())
}

// nearest is the directory itself, or what there is above it.
func nearest(directory string) string {
	for {
		if _, err := os.Stat(directory); err == nil || directory == filepath.Dir(directory) {
			return directory
		}
		directory = filepath.Dir(directory)
	}
}

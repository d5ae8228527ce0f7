//go:build unix

package stores

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFileIsLookedAtWithoutBeingTouched(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "sessions.db")
	look := func() FileState {
		t.Helper()
		state, err := LookAtFile(path)
		must(t, err)
		return state
	}
	if state := look(); state.Exists || state.Held {
		t.Errorf("before there is one: %+v", state)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("looking made %v (%v)", left, err)
	}
	store, err := OpenFile(path, FileConfig{})
	must(t, err)
	if state := look(); !state.Exists || !state.Held || state.Size == 0 {
		t.Errorf("in use: %+v", state)
	}
	must(t, store.Close())
	if state := look(); !state.Exists || state.Held {
		t.Errorf("not in use: %+v", state)
	}
	store, err = OpenFile(path, FileConfig{}) // looking has kept nothing locked
	must(t, err)
	must(t, store.Close())
}

func TestAFileThatWouldBeRefusedIsLookedAtWithThatError(t *testing.T) {
	for name, test := range map[string]struct {
		make func(path string) error
		says string
	}{
		"readable by others": {func(path string) error {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return err
			}
			return os.Chmod(path, 0o640)
		}, "chmod 600"},
		"a link":           {func(path string) error { return os.Symlink("/dev/null", path) }, "symbolic link"},
		"a directory":      {func(path string) error { return os.Mkdir(path, 0o700) }, "not a regular file"},
		"something else":   {func(path string) error { return os.WriteFile(path, []byte("mine"), 0o600) }, "something else"},
		"others' place":    {func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) }, "chmod go-w"},
		"zeros (and fine)": {func(path string) error { return os.WriteFile(path, make([]byte, 4096), 0o600) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sessions.db")
			must(t, test.make(path))
			_, err := LookAtFile(path)
			if test.says == "" {
				must(t, err)
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v", err)
			}
			if name != "a directory" {
				if _, opening := OpenFile(path, FileConfig{}); opening == nil || opening.Error() != err.Error() {
					t.Errorf("opening says: %v", opening)
				}
			}
		})
	}
}

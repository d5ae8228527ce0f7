//go:build unix

package stores

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheFileAndItsDirectoryAreTheOwnersAlone(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "a", "b", "sessions.db")
	openAt(t, path, FileConfig{})
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700, filepath.Dir(filepath.Dir(path)): 0o700} {
		info, err := os.Stat(name)
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", filepath.Base(name), got, want)
		}
	}
}

func TestAPlaceOthersHaveAHandInIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		lay  func(t *testing.T, path string)
		says string
	}{
		"a symbolic link": {func(t *testing.T, path string) {
			must(t, os.WriteFile(path+".real", nil, 0o600))
			must(t, os.Symlink(path+".real", path))
		}, "symbolic link"},
		"a dangling symbolic link": {func(t *testing.T, path string) { must(t, os.Symlink(path+".real", path)) }, "symbolic link"},
		"a directory":              {func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }, "not a regular file"},
		"a fifo":                   {func(t *testing.T, path string) { must(t, syscall.Mkfifo(path, 0o600)) }, "not a regular file"},
		"a file the group reads":   {func(t *testing.T, path string) { lay(t, path, nil, 0o640) }, "chmod 600 "},
		"a file all write":         {func(t *testing.T, path string) { lay(t, path, nil, 0o602) }, "chmod 600 "},
		"a directory the group writes": {func(t *testing.T, path string) {
			must(t, os.Chmod(filepath.Dir(path), 0o770))
		}, "chmod go-w "},
		"a directory all write": {func(t *testing.T, path string) {
			must(t, os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky))
		}, "chmod go-w "},
	} {
		t.Run(name, func(t *testing.T) {
			path := tempPath(t)
			must(t, os.Mkdir(filepath.Dir(path), 0o700))
			c.lay(t, path)
			before := listing(t, filepath.Dir(path))
			f, err := OpenFile(path, FileConfig{})
			if err == nil {
				_ = f.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), filepath.Dir(path)) {
				t.Errorf("error %q does not say %q and the path", err, c.says)
			}
			if after := listing(t, filepath.Dir(path)); !slices.Equal(after, before) {
				t.Errorf("the directory held %v, now %v", before, after)
			}
		})
	}
}

func lay(t *testing.T, path string, content []byte, mode os.FileMode) {
	t.Helper()
	must(t, os.WriteFile(path, content, 0o600))
	must(t, os.Chmod(path, mode))
}

func listing(t *testing.T, directory string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(directory)
	must(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// owned is a file as another user would own it.
type owned struct {
	os.FileInfo
	uid uint32
}

func (o owned) Sys() any { return &syscall.Stat_t{Uid: o.uid} }

func TestOnlyTheOwnersFilesAreOurs(t *testing.T) {
	info, err := os.Stat(t.TempDir())
	must(t, err)
	me := uint32(os.Geteuid())
	other := owned{info, me + 1}
	if isOurs(other, false) || isOurs(other, true) && me+1 != 0 {
		t.Error("a file of another user is ours")
	}
	if !isOurs(owned{info, me}, false) || !isOurs(owned{info, 0}, true) {
		t.Error("a file of this user, or a directory of root's, is not ours")
	}
	if me != 0 && isOurs(owned{info, 0}, false) {
		t.Error("a file of root's is ours")
	}
	if err := check("/x/sessions.db", owned{FileInfo: fileOf(t), uid: me + 1}); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("check: %v", err)
	}
}

func fileOf(t *testing.T) os.FileInfo {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	lay(t, path, nil, 0o600)
	info, err := os.Stat(path)
	must(t, err)
	return info
}

func TestAFileInUseIsRefusedAndSaysWhatToDo(t *testing.T) {
	path := tempPath(t)
	f := openAt(t, path, FileConfig{})
	mustCreate(t, f, tokens.Name{1}, "one")
	start := time.Now()
	_, err := OpenFile(path, FileConfig{})
	if err == nil {
		t.Fatal("two have the file open")
	}
	for _, word := range []string{path, "another process", "store file <path>", "store redis"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v to say so", took)
	}
	wantSealed(t, f, tokens.Name{1}, "one")
	must(t, f.Close())
	wantSealed(t, openAt(t, path, FileConfig{}), tokens.Name{1}, "one")
}

func TestWhatOthersKeepInAFileIsLeftAlone(t *testing.T) {
	for name, lay := range map[string]func(t *testing.T, path string){
		"text":     func(t *testing.T, path string) { lay(t, path, []byte("host = example.com\n"), 0o600) },
		"one byte": func(t *testing.T, path string) { lay(t, path, []byte{1}, 0o600) },
		"a database of SQLite": func(t *testing.T, path string) {
			lay(t, path, append([]byte("SQLite format 3\x00"), make([]byte, 8<<10)...), 0o600)
		},
		"zeros, then something": func(t *testing.T, path string) {
			lay(t, path, append(make([]byte, 200<<10), 'x'), 0o600)
		},
		"a bbolt file of another program": func(t *testing.T, path string) { layForeignBolt(t, path, 1) },
		"a large one":                     func(t *testing.T, path string) { layForeignBolt(t, path, 2000) },
	} {
		t.Run(name, func(t *testing.T) {
			path := tempPath(t)
			must(t, os.Mkdir(filepath.Dir(path), 0o700))
			lay(t, path)
			before, err := os.ReadFile(path)
			must(t, err)
			f, err := OpenFile(path, FileConfig{})
			if err == nil {
				_ = f.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "left as it is") {
				t.Errorf("error %q does not say that %s was left alone", err, path)
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed (%v)", err)
			}
			if there := listing(t, filepath.Dir(path)); len(there) != 1 {
				t.Errorf("the directory holds %v", there)
			}
		})
	}
}

func layForeignBolt(t *testing.T, path string, keys int) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{PageSize: pageSize, NoFreelistSync: true})
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucket([]byte("names"))
		for i := 0; err == nil && i < keys; i++ {
			err = bucket.Put([]byte{byte(i >> 8), byte(i)}, make([]byte, 100))
		}
		return err
	}))
	must(t, db.Close())
}

func TestAFileOfAnotherFormatIsLeftAlone(t *testing.T) {
	path := tempPath(t)
	must(t, openAt(t, path, FileConfig{}).Close())
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		text := bytes.Replace(markText(), []byte("format 1"), []byte("format 2"), 1)
		return tx.Bucket(markBucket).Put(markKey, text)
	}))
	must(t, db.Close())
	if _, err := OpenFile(path, FileConfig{}); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Fatalf("error %v", err)
	}
	if there := listing(t, filepath.Dir(path)); len(there) != 1 {
		t.Errorf("the directory holds %v", there)
	}
}

func TestAFileWhoseMakerWasInterruptedIsBegunAgain(t *testing.T) {
	for name, make := range map[string]func(t *testing.T, path string){
		"before it wrote":            func(t *testing.T, path string) { lay(t, path, nil, 0o600) },
		"between bbolt and the mark": layNewborn,
		"in the middle of a page": func(t *testing.T, path string) {
			layNewborn(t, path)
			must(t, os.Truncate(path, pageSize+100))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := tempPath(t)
			must(t, os.Mkdir(filepath.Dir(path), 0o700))
			make(t, path)
			f := openAt(t, path, FileConfig{})
			mustCreate(t, f, tokens.Name{1}, "one")
			if there := listing(t, filepath.Dir(path)); len(there) != 1 {
				t.Errorf("the directory holds %v", there)
			}
		})
	}
}

func layNewborn(t *testing.T, path string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{PageSize: pageSize})
	must(t, err)
	must(t, db.Close())
}

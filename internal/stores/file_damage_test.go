package stores

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// logged collects what is logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) errors() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), "level=ERROR")
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// filled is a closed file with so many records.
func filled(t *testing.T, records int) (path string, names []tokens.Name) {
	t.Helper()
	path = tempPath(t)
	f := openAt(t, path, FileConfig{})
	names = fill(t, f, records)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path, names
}

func asides(t *testing.T, path string) []string {
	t.Helper()
	found, err := filepath.Glob(path + ".damaged-*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// overwrite damages a file from some byte on.
func overwrite(t *testing.T, path string, at int64, with []byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(with, at); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func noise(n int) []byte {
	random, out := rand.New(rand.NewPCG(1, 2)), make([]byte, n)
	for i := range out {
		out[i] = byte(random.Uint32())
	}
	return out
}

func TestADamagedFileIsSetAsideAndANewOneBegun(t *testing.T) {
	const records = 2000
	for name, damage := range map[string]func(t *testing.T, path string, size int64){
		"cut in half":        func(t *testing.T, path string, size int64) { truncate(t, path, size/2) },
		"cut after the mark": func(t *testing.T, path string, _ int64) { truncate(t, path, 8*pageSize) },
		"a page short":       func(t *testing.T, path string, _ int64) { truncate(t, path, usedOf(t, path)-pageSize) },
		"all zeros":          func(t *testing.T, path string, size int64) { overwrite(t, path, 0, make([]byte, size)) },
		"no meta page":       func(t *testing.T, path string, _ int64) { overwrite(t, path, 0, noise(2*pageSize)) },
		"noise after the mark": func(t *testing.T, path string, size int64) {
			overwrite(t, path, 8*pageSize, noise(int(size-8*pageSize)))
		},
		"zeros after the mark": func(t *testing.T, path string, size int64) {
			overwrite(t, path, 8*pageSize, make([]byte, size-8*pageSize))
		},
		"the free list is gone": func(t *testing.T, path string, _ int64) { overwriteFreeList(t, path) },
	} {
		t.Run(name, func(t *testing.T) {
			path, names := filled(t, records)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			damage(t, path, info.Size())
			wantSetAside(t, path, names)
		})
	}
}

// wantSetAside opens a damaged file and checks that its bytes were kept, that
// it was said once, and that a store is there that works.
func wantSetAside(t *testing.T, path string, names []tokens.Name) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log := &logged{}
	f := openAt(t, path, FileConfig{Log: log.logger()})
	mustCreate(t, f, tokens.Name{1}, "new")
	wantSealed(t, f, tokens.Name{1}, "new")
	for _, name := range names {
		if _, err := f.Load(t.Context(), name); err != nil && !errors.Is(err, tokens.ErrAbsent) {
			t.Fatalf("Load: %v", err)
		}
	}
	found := asides(t, path)
	if len(found) != 1 || log.errors() != 1 {
		t.Fatalf("set aside: %v, %d errors logged: %s", found, log.errors(), &log.text)
	}
	if after, err := os.ReadFile(found[0]); err != nil || !bytes.Equal(before, after) {
		t.Errorf("what was set aside is not what was there (%v)", err)
	}
}

func TestADiskThatDoesNotAnswerIsNoDamage(t *testing.T) {
	path, _ := filled(t, 1)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	memory := &condemned{cause: &fault{cause: errors.New("fault address"), memory: true}}
	page := &condemned{cause: &fault{cause: errors.New("invalid page")}}
	if !memory.damaged(file) {
		t.Error("a file that can be read, but not where it is mapped, is not damaged")
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if memory.damaged(file) || !page.damaged(file) {
		t.Error("a file that cannot be read is damaged, or a senseless page is not")
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func usedOf(t *testing.T, path string) int64 {
	t.Helper()
	f := openAt(t, path, FileConfig{})
	used := f.book.Load().used(t)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return used
}

// eachPage calls visit for every page of a kind that is not the root of a
// tree: of those, one alone costs everything below it.
func eachPage(t *testing.T, path, kind string, visit func(at int64)) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		t.Fatal(err)
	}
	var found []int64
	if err := db.View(func(tx *bolt.Tx) error {
		roots := []int{int(tx.Cursor().Bucket().Root()), int(tx.Bucket(namesBucket).Root()), int(tx.Bucket(recordsBucket).Root())}
		for id := 0; id < int(tx.Size()/pageSize); id++ {
			if info, err := tx.Page(id); err == nil && info != nil && info.Type == kind {
				if !slices.Contains(roots, id) {
					found = append(found, int64(id)*pageSize)
				}
				id += info.OverflowCount
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, at := range found {
		visit(at)
	}
}

func overwriteFreeList(t *testing.T, path string) {
	t.Helper()
	eachPage(t, path, "freelist", func(at int64) { overwrite(t, path, at, noise(pageSize)) })
}

func TestAZeroLengthFileIsBegunAgain(t *testing.T) {
	path, _ := filled(t, 10)
	truncate(t, path, 0)
	f := openAt(t, path, FileConfig{})
	mustCreate(t, f, tokens.Name{1}, "new")
}

// One page in twenty is overwritten in the middle of the file: opening does
// not see it, whoever reads or writes there does.
func TestDamageFoundInOperationCostsOnlyWhatCannotBeRead(t *testing.T) {
	const records = 5000
	for kind, atLeast := range map[string]int{"leaf": records * 3 / 4, "branch": records / 4} {
		t.Run(kind, func(t *testing.T) {
			path, names := filled(t, records)
			n := 0
			eachPage(t, path, kind, func(at int64) {
				if at < 16*pageSize { // where the mark is
					return
				}
				if n++; n%20 == 1 {
					overwrite(t, path, at, noise(pageSize))
				}
			})
			log := &logged{}
			f := openAt(t, path, FileConfig{Log: log.logger()})
			findDamage(t, f, path, names)
			left := 0
			for _, name := range names {
				switch _, err := f.Load(t.Context(), name); {
				case err == nil:
					left++
				case !errors.Is(err, tokens.ErrAbsent):
					t.Fatalf("Load: %v", err)
				}
			}
			if left < atLeast {
				t.Errorf("%d of %d records are left, want %d", left, records, atLeast)
			}
			mustCreate(t, f, tokens.Name{1}, "new")
			if log.errors() != 1 {
				t.Errorf("%d errors logged: %s", log.errors(), &log.text)
			}
		})
	}
}

// findDamage uses the file from all sides until it has been set aside.
func findDamage(t *testing.T, f *File, path string, names []tokens.Name) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for i := 0; len(asides(t, path)) == 0 || f.book.Load().broken.Load(); i++ {
		var wg sync.WaitGroup
		for k := range 8 {
			name := names[(i*8+k)%len(names)]
			wg.Go(func() {
				if record, err := f.Load(t.Context(), name); err == nil {
					record.Generation++
					err = f.Replace(t.Context(), name, record)
					if err != nil && !isRefusal(err) && !isUnknown(err) {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if time.Now().After(deadline) {
			t.Fatal("nobody found the damage")
		}
	}
}

func TestAFileCutOffUnderOurFeetDoesNotEndTheProcess(t *testing.T) {
	path := tempPath(t)
	f := openAt(t, path, FileConfig{})
	names := fill(t, f, 2000)
	truncate(t, path, 10*pageSize)
	findDamage(t, f, path, names)
	mustCreate(t, f, tokens.Name{1}, "new")
	wantSealed(t, f, tokens.Name{1}, "new")
}

// Whatever is in a file of ours, opening and using it neither panics nor hangs.
func FuzzDamagedFile(f *testing.F) {
	f.Add(uint32(0), []byte("garbage"))
	f.Add(uint32(16), []byte{0xff, 0xff, 0xff, 0xff})
	f.Add(uint32(5*pageSize+8), []byte{2, 0})
	f.Add(uint32(7*pageSize), bytes.Repeat([]byte{0xee}, 200))
	f.Fuzz(func(t *testing.T, at uint32, with []byte) {
		path, names := filled(t, 20)
		overwrite(t, path, int64(at)%(24*pageSize), with)
		file, err := OpenFile(path, FileConfig{})
		if err != nil {
			return
		}
		for _, name := range names {
			_, _ = file.Load(t.Context(), name)
			_ = file.Delete(t.Context(), name)
		}
		_ = file.Create(t.Context(), tokens.Name{1}, sealed(fmt.Sprint(at), file))
		_ = file.Close()
	})
}

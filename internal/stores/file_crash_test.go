//go:build unix && !solaris && !aix

package stores

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// childFile, where it is set, makes a test that begins with Child play its
// part in a process of its own.
const childFile = "OSC_GATEWAY_TEST_FILE"

func child(t *testing.T, test, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), childFile+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

func numbered(n uint64) (name tokens.Name) {
	// Multiplied so that names are spread as hashes are.
	binary.BigEndian.PutUint64(name[:], n*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint64(name[8:], n)
	return name
}

// The child writes as fast as it can and says on its standard output what has
// been acknowledged: number, generation (0 for deleted).
func TestChildWritesUntilItIsKilled(t *testing.T) {
	path := os.Getenv(childFile)
	if path == "" {
		return
	}
	f, err := OpenFile(path, FileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	start := uint64(time.Now().UnixNano())
	for w := range uint64(16) {
		wg.Go(func() {
			for n := start + w; ; n += 16 {
				if err := lifeOf(f, n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// lifeOf creates a record, replaces it twice, and deletes every third.
func lifeOf(f *File, n uint64) error {
	ctx := context.Background()
	record := tokens.Record{Expires: f.now().Add(time.Hour), Sealed: make([]byte, sealedSize)}
	for record.Generation = 1; record.Generation <= 3; record.Generation++ {
		write := f.Replace
		if record.Generation == 1 {
			write = f.Create
		}
		if err := write(ctx, numbered(n), record); err != nil {
			return err
		}
		fmt.Printf("%d %d\n", n, record.Generation)
	}
	if n%3 != 0 {
		return nil
	}
	fmt.Printf("%d -1\n", n) // may be gone from here on
	if err := f.Delete(ctx, numbered(n)); err != nil {
		return err
	}
	fmt.Printf("%d 0\n", n)
	return nil
}

func TestWhatWasAcknowledgedSurvivesKill9(t *testing.T) {
	const rounds, writes = 12, 1500
	path, acknowledged := tempPath(t), map[uint64]int{}
	for round := range rounds {
		killAfter(t, path, writes+137*round, acknowledged)
		log := &logged{}
		f := openAt(t, path, FileConfig{Log: log.logger()})
		if log.errors() > 0 || len(asides(t, path)) > 0 {
			t.Fatalf("round %d: the file did not open cleanly: %s", round, &log.text)
		}
		for n, generation := range acknowledged {
			checkSurvivor(t, f, n, generation)
		}
		f.stored(t) // as many names as records
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(acknowledged) < rounds {
		t.Fatalf("only %d records were written", len(acknowledged))
	}
}

func killAfter(t *testing.T, path string, writes int, acknowledged map[uint64]int) {
	t.Helper()
	cmd := child(t, "TestChildWritesUntilItIsKilled", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); seen++ {
		var n uint64
		var generation int
		if got, _ := fmt.Sscanf(lines.Text(), "%d %d", &n, &generation); got == 2 {
			acknowledged[n] = generation
		}
		if seen == writes {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
}

func checkSurvivor(t *testing.T, f *File, n uint64, generation int) {
	t.Helper()
	record, err := f.Load(t.Context(), numbered(n))
	switch {
	case generation == -1: // was being deleted
	case generation == 0 && !errors.Is(err, tokens.ErrAbsent):
		t.Errorf("%d was deleted, and is there: %v", n, err)
	case generation > 0 && err != nil:
		t.Errorf("%d was stored as generation %d, and is not there: %v", n, generation, err)
	case err == nil && (int(record.Generation) < generation || len(record.Sealed) != sealedSize):
		t.Errorf("%d was stored as generation %d and is generation %d, %d bytes", n, generation, record.Generation, len(record.Sealed))
	}
}

func TestAFullDiskFailsWritesAndNothingElse(t *testing.T) {
	path := tempPath(t)
	cmd := child(t, "TestChildFillsTheDisk", path)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f := openAt(t, path, FileConfig{})
	wantSealed(t, f, tokens.Name{1}, "before")
	wantSealed(t, f, tokens.Name{2}, "after")
}

// The child may not make files longer than they are, as on a full disk.
func TestChildFillsTheDisk(t *testing.T) {
	path := os.Getenv(childFile)
	if path == "" {
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	log := &logged{}
	f := openAt(t, path, FileConfig{Log: log.logger()})
	mustCreate(t, f, tokens.Name{1}, "before")
	names := fill(t, f, 500)
	info, err := os.Stat(path)
	must(t, err)
	for round, room := range []int64{0, 3 * pageSize, -info.Size() / 2} {
		limitFiles(t, uint64(info.Size()+room))
		failed := 0
		for n := range uint64(40_000) {
			name := numbered(n<<8 | uint64(round))
			if err := f.Create(t.Context(), name, sealed(string(make([]byte, 4000)), f)); err != nil {
				if !isUnknown(err) {
					t.Fatalf("Create on a full disk: %v", err)
				}
				if failed++; failed == 20 {
					break
				}
			}
		}
		if failed == 0 {
			t.Fatal("the disk never filled up")
		}
		wantSealed(t, f, tokens.Name{1}, "before")
		for _, name := range names {
			if _, err := f.Load(t.Context(), name); err != nil {
				t.Fatalf("Load on a full disk: %v", err)
			}
		}
		limitFiles(t, ^uint64(0))
		mustCreate(t, f, numbered(uint64(1<<40+round)), "again")
	}
	mustCreate(t, f, tokens.Name{2}, "after")
	if log.errors() > 0 || len(asides(t, path)) > 0 {
		t.Fatalf("a full disk was taken for damage: %s", &log.text)
	}
	must(t, f.Close())
	_, _ = io.WriteString(os.Stdout, filepath.Base(path)+"\n")
}

// limitFiles sets the length files may have; the hard limit stays.
func limitFiles(t *testing.T, size uint64) {
	t.Helper()
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	limit.Cur = min(size, limit.Max)
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
}

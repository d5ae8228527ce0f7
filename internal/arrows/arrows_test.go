package arrows

import (
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// The repository, seen from this package's directory.
const root = "../.."

func TestTheRepositoryKeepsItsShape(t *testing.T) {
	tree := os.DirFS(root)
	text, err := fs.ReadFile(tree, "go.mod")
	if err != nil || !strings.HasPrefix(string(text), "module "+module+"\n") {
		t.Fatalf("%s is not the root of %s: %v", root, module, err)
	}
	broken, err := check(tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, sentence := range broken {
		t.Error(sentence)
	}
}

func TestEveryArrowOfTheTablePointsToAPackageOfTheTable(t *testing.T) {
	for from, row := range mayImport {
		for _, to := range row {
			if _, listed := mayImport[to]; !listed {
				t.Errorf("%s may import %s, which has no row", from, to)
			}
		}
	}
	for _, name := range slices.Concat(onlyTestsImport, strictTests) {
		if _, listed := mayImport[name]; !listed {
			t.Errorf("%s has no row", name)
		}
	}
}

func TestTheTableHasNoCircle(t *testing.T) {
	done := map[string]bool{}
	var walk func(name string, way []string)
	walk = func(name string, way []string) {
		if slices.Contains(way, name) {
			t.Fatalf("circle: %s", strings.Join(append(way, name), " → "))
		}
		if done[name] {
			return
		}
		for _, to := range mayImport[name] {
			walk(to, append(slices.Clone(way), name))
		}
		done[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(mayImport)) {
		walk(name, nil)
	}
}

func TestFilesThatReadTheWallClockExistAndSayWhy(t *testing.T) {
	for name, why := range readsWallClock {
		if _, err := fs.Stat(os.DirFS(root), name); err != nil || why == "" {
			t.Errorf("%s: stale or without a reason: %v", name, err)
		}
	}
}

func TestCheckReportsAFileThatIsNotGo(t *testing.T) {
	if _, err := check(fstest.MapFS{"internal/gate/gate.go": {Data: []byte("pakcage gate")}}); err == nil {
		t.Error("no error")
	}
}

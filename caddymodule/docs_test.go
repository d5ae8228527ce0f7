package caddymodule

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// A block is a fenced piece of a page: what kind of text it says it is, and the
// words behind that, which say how it is tried.
//
//	```caddyfile               a whole Caddyfile: it is formatted, adapts and loads
//	```caddyfile in=site       lines of a site's block
//	```caddyfile in=osc_proxy  lines of osc_proxy's block, or of osc_auth's
//	```caddyfile in=global     lines of the global option osc_auth
//	```caddyfile refused       one that must not load; goes with the others
//	```json adapted            what the Caddyfile above it becomes
type block struct {
	page  string
	line  int
	kind  string
	words []string
	text  string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

func (b block) says(word string) bool {
	return strings.Contains(" "+strings.Join(b.words, " ")+" ", " "+word+" ")
}

// pages are the project's own Markdown files.
func pagesBelow(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return fs.SkipDir
		case !entry.IsDir() && filepath.Ext(path) == ".md":
			found = append(found, path)
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%d pages: %v", len(found), err)
	}
	return found
}

// blocksOf are the fenced blocks of a page.
func blocksOf(t *testing.T, page string) []block {
	t.Helper()
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	var open *block
	for i, line := range strings.Split(string(raw), "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			words := append(strings.Fields(fence), "")
			open = &block{page: strings.TrimPrefix(page, "../"), line: i + 1, kind: words[0], words: words[1:]}
		case isFence:
			all, open = append(all, *open), nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil {
		t.Errorf("%v: the block does not end", open)
	}
	return all
}

// whole makes a Caddyfile of a block that is a part of one.
func (b block) whole(t *testing.T) string {
	t.Helper()
	where := ""
	for _, word := range b.words {
		if in, ok := strings.CutPrefix(word, "in="); ok {
			where = in
		} else if word != "" && word != "refused" {
			t.Fatalf("%v: what does %q say of a Caddyfile?", b, word)
		}
	}
	wraps := map[string][2]string{
		"": {}, "site": {"app.example.com {\n", "}\n"},
		"osc_proxy": {"app.example.com {\nosc_proxy localhost:3000 {\n", "}\n}\n"},
		"global":    {"{\nosc_auth {\n", "}\n}\napp.example.com {\nosc_proxy localhost:3000\n}\n"},
	}
	wrap, known := wraps[where]
	if !known {
		t.Fatalf("%v: there is no place %q in a Caddyfile", b, where)
	}
	if where == "" {
		return b.text
	}
	return formatted(wrap[0] + b.text + wrap[1])
}

var (
	variableNamed = regexp.MustCompile(`\{env\.([A-Z0-9_]+)\}`)
	fileNamed     = regexp.MustCompile(`\{file\.([^}]+)\}`)
)

// withSecrets gives every variable and file a Caddyfile names a value.
func withSecrets(t *testing.T, text string) string {
	t.Helper()
	for _, found := range variableNamed.FindAllStringSubmatch(text, -1) {
		t.Setenv(found[1], secretNamed(found[1]))
	}
	return fileNamed.ReplaceAllStringFunc(text, func(placeholder string) string {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(secretNamed(placeholder)), 0o600); err != nil {
			t.Fatal(err)
		}
		return "{file." + path + "}"
	})
}

// secretNamed is a key, or whatever else the name asks for.
func secretNamed(name string) string {
	if strings.Contains(name, "REDIS") {
		return "redis://127.0.0.1:6379"
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
}

// aligned are the columns of a page's Caddyfile, which `fmt` would not keep.
var aligned = regexp.MustCompile(`(\S) {2,}`)

// filesNamed are what the pages call an app's own files, with those of the tests
// in their place.
var filesNamed = strings.NewReplacer("/etc/app/logo.svg", "testdata/logo.svg", "/etc/app/page.html", "testdata/page.html")

// load adapts a Caddyfile and provisions what comes out, as starting would.
func load(t *testing.T, text string) (adapted string, err error) {
	t.Helper()
	if adapted, err = adapt(t, withSecrets(t, filesNamed.Replace(aligned.ReplaceAllString(text, "$1 ")))); err != nil {
		return "", err
	}
	cfg := config(t, adapted)
	cfg.Logging = silence()
	return adapted, caddy.Validate(cfg)
}

// TestEveryCaddyfileInTheDocumentationLoads is why an example that nobody could
// use is found here and not by its reader.
func TestEveryCaddyfileInTheDocumentationLoads(t *testing.T) {
	tried := 0
	for _, page := range pagesBelow(t, "..") {
		above := ""
		for _, b := range blocksOf(t, page) {
			switch b.kind {
			case "caddyfile":
				tried++
				t.Run(b.String(), func(t *testing.T) { above = tryBlock(t, b) })
			case "json":
				if b.says("adapted") {
					t.Run(b.String(), func(t *testing.T) { sameJSON(t, b.text, above) })
				}
			}
		}
	}
	const least = 40
	if tried < least {
		t.Errorf("%d Caddyfiles were found in the documentation", tried)
	}
}

func tryBlock(t *testing.T, b block) (adapted string) {
	adapted, err := load(t, b.whole(t))
	if b.says("refused") == (err == nil) {
		t.Errorf("%v gave the error %v\n%s", b, err, b.text)
	}
	return adapted
}

func sameJSON(t *testing.T, text, adapted string) {
	var said, is any
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(adapted), &is); err != nil {
		t.Fatalf("the Caddyfile above: %v", err)
	}
	if !reflect.DeepEqual(said, is) {
		t.Errorf("the Caddyfile above becomes\n%s", adapted)
	}
}

// TestEveryCaddyfileOfTheExamplesLoads with the defaults it has.
func TestEveryCaddyfileOfTheExamplesLoads(t *testing.T) {
	files, err := filepath.Glob("../examples/*/*Caddyfile*")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d Caddyfiles: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file))+" "+filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := load(t, string(raw)); err != nil {
				t.Error(err)
			}
		})
	}
}

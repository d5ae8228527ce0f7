package caddymodule

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// message finds what is logged, by any of the ways there are.
var message = regexp.MustCompile(`(?:\b[lL]og\.(?:Debug|Info|Warn|Error)\(|\.once\(|\.LogAttrs\([^"\n]*)"([^"]+)"`)

// What stands in a log is looked up: docs/operating.md has every line.
func TestEveryLogLineIsDocumented(t *testing.T) {
	documented, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, dir := range []string{".", "../internal/gate", "../internal/tokens", "../internal/osc", "../internal/stores"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			code, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range message.FindAllStringSubmatch(string(code), -1) {
				seen++
				text, _, _ := strings.Cut(found[1], "; in front of") // the rest is what to write instead
				if !strings.Contains(string(documented), "\n| `"+text+"` ") {
					t.Errorf("%s logs %q, which docs/operating.md does not tell of", file, text)
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d lines were found", seen)
	}
}

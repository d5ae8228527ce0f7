package arrows

import (
	"go/ast"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// securityPage names the tests that prove its promises: those of integration by
// their names alone, all others behind the last part of their package's path.
const securityPage = "docs/security.md"

var (
	proof    = regexp.MustCompile("`(?:([a-z-]+): )?((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
	testName = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z][A-Za-z0-9]*`)
)

// testsOf are all tests and fuzz targets, as "package: name".
func testsOf(t *testing.T, tree fs.FS) map[string]bool {
	t.Helper()
	all, err := sources(tree)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, s := range all {
		for _, declared := range s.syntax.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok && s.test && f.Recv == nil && testName.MatchString(f.Name.Name) {
				found[path.Base(s.dir())+": "+f.Name.Name] = true
			}
		}
	}
	return found
}

func TestEveryTestTheSecurityPageNamesExists(t *testing.T) {
	tree := os.DirFS(root)
	page, err := fs.ReadFile(tree, securityPage)
	if err != nil {
		t.Fatal(err)
	}
	tests := testsOf(t, tree)
	for number, line := range strings.Split(string(page), "\n") {
		proofs := proof.FindAllStringSubmatch(line, -1)
		for _, named := range proofs {
			pkg, name := named[1], named[2]
			if pkg == "" {
				pkg = "integration"
			}
			if !tests[pkg+": "+name] {
				t.Errorf("%s:%d: there is no %s in %s", securityPage, number+1, name, pkg)
			}
		}
		if spelled := testName.FindAllString(line, -1); len(spelled) != len(proofs) {
			t.Errorf("%s:%d: %d tests are named, %d of them like `package: TestName`", securityPage, number+1, len(spelled), len(proofs))
		}
	}
}

func TestEveryPromiseOfTheSecurityPageNamesItsProof(t *testing.T) {
	page, err := fs.ReadFile(os.DirFS(root), securityPage)
	if err != nil {
		t.Fatal(err)
	}
	_, promises, found := strings.Cut(string(page), "\n## What is guaranteed\n")
	promises, _, ends := strings.Cut(promises, "\n## ")
	if !found || !ends {
		t.Fatalf("%s has no chapter of what is guaranteed", securityPage)
	}
	for line := range strings.SplitSeq(promises, "\n") {
		if strings.HasPrefix(line, "- ") && !proof.MatchString(line) {
			t.Errorf("no test proves: %s", line)
		}
	}
}

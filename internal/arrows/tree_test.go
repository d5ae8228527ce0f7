package arrows

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A source is one Go file of the tree.
type source struct {
	path    string // from the root of the repository, with slashes
	test    bool
	syntax  *ast.File
	fileSet *token.FileSet
}

// A function is one a file may call, by its package's import path and its name.
type function struct{ pkg, name string }

func (f function) String() string { return path.Base(f.pkg) + "." + f.name }

// sources parses every Go file below root. Parsing alone sees all build tags
// and operating systems at once, which asking the go command would not.
func sources(root fs.FS) ([]source, error) {
	var all []source
	fileSet := token.NewFileSet()
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && (notOurs(entry.Name()) || isModule(root, name)) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // an editor's lock, or gone since the directory was read
		}
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(fileSet, name, text, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("reading the imports: %w", err)
		}
		all = append(all, source{name, strings.HasSuffix(name, "_test.go"), syntax, fileSet})
		return nil
	})
	return all, err
}

// notOurs tells the directories the go command ignores, and those of other tools.
func notOurs(dir string) bool {
	return strings.HasPrefix(dir, ".") || strings.HasPrefix(dir, "_") ||
		slices.Contains([]string{"testdata", "vendor", "node_modules", "bin"}, dir)
}

// dir is the package of the file, as mayImport names it.
func (s source) dir() string { return path.Dir(s.path) }

// at is "file:line" of a node, for messages an editor can jump to.
func (s source) at(node ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fileSet.Position(node.Pos()).Line)
}

// An imported is one import of a file.
type imported struct {
	path string
	spec *ast.ImportSpec
}

func (s source) imports() []imported {
	var all []imported
	for _, spec := range s.syntax.Imports {
		if name, err := strconv.Unquote(spec.Path.Value); err == nil {
			all = append(all, imported{name, spec})
		}
	}
	return all
}

// localName is what the file calls the package at an import path; "" if it
// does not import it, "." if it imports its names into its own.
func (s source) localName(pkg string) string {
	for _, i := range s.imports() {
		switch {
		case i.path != pkg:
		case i.spec.Name != nil:
			return i.spec.Name.Name
		default:
			return path.Base(pkg)
		}
	}
	return ""
}

// A use is one place where a file names a function: called, or as a value.
type use struct {
	node   ast.Node
	called bool
}

func (s source) uses(f function) []use {
	local := s.localName(f.pkg)
	if local == "" {
		return nil
	}
	var all []use
	calls := map[ast.Node]bool{}
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.CallExpr:
			calls[n.Fun] = true // visited before what it calls
		case *ast.SelectorExpr:
			if qualifier, ok := n.X.(*ast.Ident); ok && qualifier.Name == local && n.Sel.Name == f.name {
				all = append(all, use{n, calls[n]})
			}
		case *ast.Ident:
			if local == "." && n.Name == f.name {
				all = append(all, use{n, calls[n]})
			}
		}
		return true
	})
	return all
}

// within tells whether a package or import path is what pattern stands for.
func within(pattern, name string) bool {
	root, tree := strings.CutSuffix(pattern, "/...")
	return name == root || tree && strings.HasPrefix(name, root+"/")
}

func withinAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return within(pattern, name) })
}

// isModule tells whether a folder is a module of its own, with dependencies of
// its own.
func isModule(root fs.FS, name string) bool {
	_, err := fs.Stat(root, path.Join(name, "go.mod"))
	return err == nil
}

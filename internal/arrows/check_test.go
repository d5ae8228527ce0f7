package arrows

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// check reads the tree below root and returns a sentence for every rule that
// something in it breaks, in a stable order.
func check(root fs.FS) ([]string, error) {
	all, err := sources(root)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, s := range all {
		found = append(found, brokenArrows(s)...)
		found = append(found, brokenBans(s)...)
		found = append(found, weakRandom(s)...)
		found = append(found, clockCalls(s)...)
	}
	production := slices.DeleteFunc(all, func(s source) bool { return s.test })
	found = append(found, unlisted(production)...)
	for _, rule := range soles {
		found = append(found, rule.broken(production)...)
	}
	found = append(found, errorCallers(production)...)
	slices.Sort(found)
	return slices.Compact(found), nil
}

// rowOf is the row of mayImport for a package.
func rowOf(dir string) (row []string, listed bool) {
	if row, listed = mayImport[dir]; listed {
		return row, true
	}
	for pattern, row := range mayImport {
		if within(pattern, dir) {
			return row, true
		}
	}
	return nil, false
}

// unlisted finds packages that have no row.
func unlisted(production []source) []string {
	var found []string
	for _, s := range production {
		if _, listed := rowOf(s.dir()); !listed {
			found = append(found, fmt.Sprintf(
				"%s: the package is in no row of the table: add one for it to mayImport in internal/arrows/rules_test.go, with what it may import, and a line to docs/architecture.md", s.dir()))
		}
	}
	return found
}

// brokenArrows finds imports of ours that the file's row does not list.
func brokenArrows(s source) []string {
	row, listed := rowOf(s.dir())
	if !listed && !s.test {
		return nil // said once, by unlisted
	}
	free := s.test && !withinAny(strictTests, s.dir())
	var found []string
	for _, i := range s.imports() {
		target, ours := strings.CutPrefix(i.path, module+"/")
		if !ours || target == s.dir() || sameTree(s.dir(), target) || slices.Contains(row, target) {
			continue
		}
		if free && strings.HasPrefix(target, "internal/") {
			continue
		}
		why := "its row in internal/arrows/rules_test.go does not list it"
		if slices.Contains(onlyTestsImport, target) {
			why = "only tests may"
		}
		found = append(found, fmt.Sprintf("%s: %s must not import %s: %s", s.at(i.spec), s.dir(), target, why))
	}
	return found
}

// sameTree tells whether one row that ends in "/..." stands for both packages.
func sameTree(a, b string) bool {
	for pattern := range mayImport {
		if strings.HasSuffix(pattern, "/...") && within(pattern, a) && within(pattern, b) {
			return true
		}
	}
	return false
}

func brokenBans(s source) []string {
	var found []string
	for _, i := range s.imports() {
		for _, b := range bans {
			if within(b.in, s.dir()) && within(b.what, i.path) {
				found = append(found, fmt.Sprintf("%s: %s must not import %s: %s", s.at(i.spec), s.dir(), i.path, b.why))
			}
		}
	}
	return found
}

// broken finds that more than one place of the production code imports what
// one is to hide.
func (rule sole) broken(production []source) []string {
	places := map[string]bool{}
	for _, s := range production {
		for _, i := range s.imports() {
			if !withinAny(rule.packages, i.path) {
				continue
			}
			if rule.scope == oneFile {
				places[s.path] = true
			} else {
				places[s.dir()] = true
			}
		}
	}
	return moreThanOne(places, fmt.Sprintf("%s is to be imported by one %s", rule.name, rule.scope))
}

func errorCallers(production []source) []string {
	files := map[string]bool{}
	for _, s := range production {
		if len(s.uses(caddyError)) > 0 {
			files[s.path] = true
		}
	}
	return moreThanOne(files, caddyError.String()+" is to be called in one file")
}

func moreThanOne(places map[string]bool, rule string) []string {
	if len(places) < 2 {
		return nil
	}
	return []string{fmt.Sprintf("%s: %s", strings.Join(slices.Sorted(maps.Keys(places)), ", "), rule)}
}

// clockCalls finds production code of internal/ that asks the machine for the time.
func clockCalls(s source) []string {
	if s.test || !within("internal/...", s.dir()) || readsWallClock[s.path] != "" {
		return nil
	}
	var found []string
	for _, f := range wallClock {
		for _, u := range s.uses(f) {
			if u.called || f.name != "Now" {
				found = append(found, fmt.Sprintf("%s: %s reads the wall clock: ask the injected clock", s.at(u.node), f))
			}
		}
	}
	return found
}

func weakRandom(s source) []string {
	if s.test || !withinAny([]string{"cmd/...", "caddymodule/...", "internal/..."}, s.dir()) {
		return nil
	}
	var found []string
	for _, i := range s.imports() {
		if allowed, weak := weakRandomness[i.path]; weak && !slices.Contains(allowed, s.dir()) {
			found = append(found, fmt.Sprintf("%s: %s must not import %s: secrets come from crypto/rand, jitter belongs to internal/tokens", s.at(i.spec), s.dir(), i.path))
		}
	}
	return found
}

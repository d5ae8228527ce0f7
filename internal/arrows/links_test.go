package arrows

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	codeBlock = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ +(.+?) *$`)
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the places of a page that a link can lead to, as GitHub names them.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, title := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(page, ""), -1) {
		slug := notInSlug.ReplaceAllString(strings.ToLower(title[1]), "")
		found[strings.ReplaceAll(slug, " ", "-")] = true
	}
	return found
}

// brokenLinks are the links of a page that lead nowhere within the tree.
func brokenLinks(tree fs.FS, page, text string) (broken []string) {
	for _, found := range link.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		target, anchor, _ := strings.Cut(found[1], "#")
		if strings.Contains(target, ":") {
			continue // elsewhere
		}
		leadsTo := text
		if target != "" {
			name := path.Join(path.Dir(page), target)
			entry, err := fs.Stat(tree, name)
			if err != nil {
				broken = append(broken, found[1])
				continue
			}
			if entry.IsDir() || anchor == "" {
				continue
			}
			raw, _ := fs.ReadFile(tree, name)
			leadsTo = string(raw)
		}
		if !anchors(leadsTo)[anchor] {
			broken = append(broken, found[1])
		}
	}
	return broken
}

func TestEveryLinkOfThePagesLeadsSomewhere(t *testing.T) {
	tree := os.DirFS(root)
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && notOurs(entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".md":
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		for _, broken := range brokenLinks(tree, name, string(text)) {
			t.Errorf("%s: the link to %s leads nowhere", name, broken)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLinksThatLeadNowhereAreFound(t *testing.T) {
	page := "# One thing\n\n[a](#one-thing) [b](#two) [c](README.md) [d](none.md) [e](https://example.com/x) [f](README.md#nowhere-at-all)\n\n```md\n[g](none.md)\n```\n"
	got := strings.Join(brokenLinks(os.DirFS(root), "PAGE.md", page), " ")
	if got != "#two none.md README.md#nowhere-at-all" {
		t.Errorf("broken are %q", got)
	}
}

package pages

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Template is a template of the site's own for all pages.
type Template struct{ page *template.Template }

// MaxTemplate is how large a template's file may be.
const MaxTemplate = 256 << 10

// document is what such a template is given. docs/pages.md explains the fields
// to its authors.
type document struct {
	fixed
	Head       template.HTML // elements that every page needs
	Notes      []string
	User       string
	Workspace  string
	Workspaces []string
	Retrying   bool
	Action     template.HTML // the button; empty where there is none
	Hint       string
	Reason     Reason
	Reference  string
}

// ParseTemplate reads a template (html/template) and tries it on every kind of
// page there is. What browsers would leave out under the pages' policy is
// refused: better here than on a page nobody has looked at.
func ParseTemplate(text string) (*Template, error) {
	if len(text) > MaxTemplate {
		return nil, fmt.Errorf("%d bytes, and at most %d are a template", len(text), MaxTemplate)
	}
	// HTML knows one end of a line, and a style's hash is of what browsers read.
	parsed, err := template.New("template").Parse(strings.ReplaceAll(text, "\r\n", "\n"))
	if err != nil {
		return nil, err
	}
	own := &Template{parsed}
	for _, s := range samples() {
		if err := own.try(s); err != nil {
			return nil, fmt.Errorf("on the page %q: %w", s.fixed.Title, err)
		}
	}
	return own, nil
}

func (t *Template) render(f fixed, p parts) ([]byte, error) {
	var b bytes.Buffer
	err := t.page.Execute(&b, newDocument(f, p))
	return b.Bytes(), err
}

func newDocument(f fixed, p parts) document {
	head := block("meta", nil)
	if p.Reload > 0 {
		head = append(head, block("reload", p)...)
	}
	return document{
		fixed: f, Head: template.HTML(head), Notes: p.Notes, User: p.User, Workspace: p.Workspace, Workspaces: p.Workspaces,
		Retrying: p.Reload > 0, Action: template.HTML(block("action", p)), Hint: p.Hint, Reason: p.Reason, Reference: p.Reference,
	}
}

// sample is a page to try a template on.
type sample struct {
	fixed fixed
	parts parts
}

// samples are every kind of page, with as little and as much on it as there
// can be.
func samples() []sample {
	const path = "/auth/signin?return_to=%2Fa"
	bare := fixed{Style: template.CSS(style), Title: "You are signed out", Text: "This site has forgotten your session."}
	full := fixed{
		Name: "App", Logo: `<img class="logo" alt="" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">`,
		Style: bare.Style, Support: "https://example.com/help", Title: "Sign out?", Text: "You will be signed out.",
	}
	all := []sample{
		{bare, parts{Link: path, Label: "Sign in again", Notes: []string{"A note.", "Another."}}},
		{bare, parts{Post: path, PostLabel: "Sign out"}}, {full, parts{}},
	}
	for _, e := range append(slices.Clone(table), unknown) {
		for _, f := range []fixed{bare, full} {
			f.Title, f.Text = e.title, e.text
			for _, v := range []View{
				{Reason: e.reason},
				{Reason: e.reason, SignInURL: path, User: "user", Tenant: "mine", Tenants: []string{"acme", "beta"},
					RetryAfter: time.Second, Hint: "A hint.", Reference: "7f3k2q"},
				{Reason: e.reason, SignInURL: path, SignOutURL: path, User: "user", Tenant: "mine"},
			} {
				all = append(all, sample{f, refusalParts(v)})
			}
		}
	}
	return all
}

var (
	errHead  = errors.New("{{.Head}} is missing within <head>: without it forms don't work and pages don't load themselves again")
	errStyle = errors.New("<style> has to be written without attributes and in lower case, so that it can be let in by its hash")
)

// try renders a page and looks at what became of it as a browser would.
func (t *Template) try(s sample) error {
	body, err := t.render(s.fixed, s.parts)
	if err != nil {
		return err
	}
	wanted := newDocument(s.fixed, s.parts)
	if !bytes.Contains(body, []byte(wanted.Head)) {
		return errHead
	}
	if !bytes.Contains(body, []byte(wanted.Action)) {
		return errors.New("{{.Action}} is missing: visitors could not go on")
	}
	return checkElements(body)
}

// What the pages' policy keeps from working. What it says of a template is a
// help to its author; the policy holds without.
var (
	deadElement   = regexp.MustCompile(`(?i)<(?:script|link|iframe|frame|object|embed|base|audio|video)\b`)
	deadAttribute = regexp.MustCompile(`(?i)<[a-z][^>]*\s(?:style|srcset|on[a-z]+)\s*=`)
	picture       = regexp.MustCompile(`(?i)<[a-z][^>]*\ssrc\s*=\s*["']?([^"'\s>]*)`)
	anyStyle      = regexp.MustCompile(`(?i)<style\b`)
)

// checkElements refuses what the pages' policy keeps from working.
func checkElements(body []byte) error {
	styles := styleElements(body)
	if len(anyStyle.FindAll(body, -1)) != len(styles) {
		return errStyle
	}
	for _, style := range styles {
		body = bytes.Replace(body, style, nil, 1)
	}
	if found := deadElement.Find(body); found != nil {
		return fmt.Errorf("%s> does not work on these pages: no script runs there, and nothing is loaded", found)
	}
	if found := deadAttribute.Find(body); found != nil {
		return fmt.Errorf("%s does not work on these pages: write a rule in <style>; no script runs there, and nothing is loaded", found)
	}
	for _, found := range picture.FindAllSubmatch(body, -1) {
		if !bytes.HasPrefix(found[1], []byte("data:image/")) {
			return fmt.Errorf("src=%q does not work on these pages: nothing is loaded, so a picture is data:image/…", found[1])
		}
	}
	return nil
}

package pages

import (
	"bytes"
	"cmp"
	_ "embed"
	"html/template"
	"net/http"
	"sync"
)

//go:embed page.html
var pageSource string

//go:embed style.css
var style string

// page is the one template, in blocks: what depends on the reason alone is
// rendered once, what depends on the request between that.
var page = template.Must(template.New("page").Parse(pageSource))

// frame is a page without what depends on the request.
type frame struct {
	fixed  fixed
	own    *Template     // what is rendered instead, nil for none
	blocks func() blocks // once
}

// blocks are the fixed parts of a page: what stands before and after the element
// that reloads it, and its end.
type blocks struct{ head, message, end []byte }

// fixed is what varies from page to page, and not from request to request.
type fixed struct {
	Name        string
	Logo        template.HTML
	Style       template.CSS
	Support     string
	Title, Text string
}

// look is a brand as pages need it.
type look struct {
	fixed fixed // but the words
	own   *Template
}

func newLook(brand Brand) look {
	return look{own: brand.Template, fixed: fixed{
		Name: brand.Name, Logo: brand.Logo.image, Style: template.CSS(style + brand.Color.style()), Support: brand.Support.url,
	}}
}

// frame makes a page with these words. Its blocks are rendered when they are
// first needed: most are never seen, and each reload makes all of them anew.
func (l look) frame(title, text string) frame {
	data := l.fixed
	data.Title, data.Text = title, text
	return frame{fixed: data, own: l.own, blocks: sync.OnceValue(func() blocks {
		return blocks{head: block("head", data), message: block("message", data), end: block("end", data)}
	})}
}

// parts is what varies from request to request.
type parts struct {
	Reload     int64  // seconds until the page loads itself again; 0 = never
	ReloadURL  string // what it loads then; "" = itself
	User       string
	Workspace  string
	Workspaces []string // those let in
	Notes      []string
	Link       string // the button, where it is a link
	Self       bool   // the button loads the page's own address
	Label      string
	Post       string // the button, where it changes something
	PostLabel  string
	Hint       string
	Reason     Reason
	Reference  string
}

// maxWorkspaces is how many workspaces are listed to somebody of another. More
// of them help nobody find theirs.
const maxWorkspaces = 5

// refusalParts chooses the one thing the person can do about v.
func refusalParts(v View) parts {
	e := v.Reason.entry()
	_, hint := v.words()
	p := parts{User: v.User, Workspace: v.Tenant, Hint: hint, Reason: v.Reason, Reference: v.Reference}
	if len(v.Tenants) <= maxWorkspaces {
		p.Workspaces = v.Tenants
	}
	if e.note != "" {
		p.Notes = []string{e.note}
	}
	if v.RetryAfter > 0 {
		p.Reload, p.ReloadURL = seconds(v.RetryAfter), v.RetryURL
	}
	switch {
	case v.SignOutURL != "":
		p.Post, p.PostLabel = v.SignOutURL, "Use another account"
	case p.Reload > 0:
		p.Link, p.Self, p.Label = v.RetryURL, v.RetryURL == "", "Try again now"
	case v.RetryURL != "":
		p.Link, p.Label = v.RetryURL, cmp.Or(e.action, "Try again")
	case v.SignInURL != "" && e.action != "":
		p.Link, p.Label = v.SignInURL, e.action
	case e.retry:
		p.Self, p.Label = true, "Try again"
	case e.status != http.StatusUnauthorized: // the start page may want a sign-in too
		p.Link, p.Label = "/", "Go to the start page"
	}
	return p
}

func (f frame) render(p parts) []byte {
	if f.own != nil {
		if body, err := f.own.render(f.fixed, p); err == nil {
			return body
		}
		// It rendered every kind of page when it was loaded. If it fails all the
		// same, the gateway's own page says what there is to say.
	}
	fixed := f.blocks()
	var b bytes.Buffer
	b.Grow(len(fixed.head) + len(fixed.message) + len(fixed.end) + 1024)
	b.Write(fixed.head)
	if p.Reload > 0 {
		b.Write(block("reload", p))
	}
	b.Write(fixed.message)
	b.Write(block("parts", p))
	b.Write(fixed.end)
	return b.Bytes()
}

// block renders one block of the template. It can only fail if the template
// names a field that is not there, which the tests would show.
func block(name string, data any) []byte {
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, name, data); err != nil {
		panic("pages: " + err.Error())
	}
	return b.Bytes()
}

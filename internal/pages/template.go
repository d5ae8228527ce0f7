package pages

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed page.html
var pageSource string

//go:embed style.css
var style string

// page is the one template, in blocks: what depends on the reason alone is
// rendered once, what depends on the request between that.
var page = template.Must(template.New("page").Parse(pageSource))

// contentSecurityPolicy lets nothing in but our own style, by its hash, and
// forms to our own site (CSP Level 3 §6).
var contentSecurityPolicy = "default-src 'none'; style-src 'sha256-" + styleHash() + "'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

func styleHash() string {
	sum := sha256.Sum256([]byte(style))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// frame is the fixed part of a page, rendered ahead: what stands before and
// after the element that reloads it, and its end.
type frame struct{ head, message, end []byte }

func newFrame(app, title, text string) frame {
	data := struct {
		App, Title, Text string
		Style            template.CSS
	}{app, title, text, template.CSS(style)}
	return frame{head: block("head", data), message: block("message", data), end: block("end", data)}
}

// parts is what varies from request to request.
type parts struct {
	Reload    int64  // seconds until the page loads itself again; 0 = never
	ReloadURL string // what it loads then; "" = itself
	Notes     []string
	Link      string // the button, where it is a link
	Self      bool   // the button loads the page's own address
	Label     string
	Post      string // the button, where it changes something
	PostLabel string
	Hint      string
	Reason    Reason
	Reference string
}

// refusalParts chooses the one thing the person can do about v.
func refusalParts(v View) parts {
	e := v.Reason.entry()
	_, hint := v.words()
	p := parts{Hint: hint, Reason: v.Reason, Reference: v.Reference}
	if v.RetryAfter > 0 {
		p.Reload, p.ReloadURL = seconds(v.RetryAfter), v.RetryURL
	}
	switch {
	case v.SignOutURL != "":
		p.Post, p.PostLabel = v.SignOutURL, "Use another account"
	case p.Reload > 0 || v.RetryURL != "":
		p.Link, p.Self, p.Label = v.RetryURL, v.RetryURL == "", "Try again now"
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
	var b bytes.Buffer
	b.Grow(len(f.head) + len(f.message) + len(f.end) + 1024)
	b.Write(f.head)
	if p.Reload > 0 {
		b.Write(block("reload", p))
	}
	b.Write(f.message)
	b.Write(block("parts", p))
	b.Write(f.end)
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

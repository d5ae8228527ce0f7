package pages

import (
	"bytes"
	"html/template"
	"net/http"
)

// script is a fixed script of a page, and the hash that lets it run: it alone.
// What differs from request to request stands in attributes that it reads, so
// nothing a visitor sent is ever run.
type script struct {
	source template.JS
	hash   string
}

func newScript(source string) script {
	return script{source: template.JS(source), hash: hashOf([]byte(source))}
}

// scripted is a page with a script: a frame, and what stands in its head and
// body, each a template with the same data.
type scripted struct {
	frame      frame
	head, body *template.Template // head may be nil
	script     script             // the zero value is none
	sendsOn    bool               // as of a policy
}

func (s scripted) send(w http.ResponseWriter, status int, data any) {
	var head []byte
	if s.head != nil {
		head = rendered(s.head, data)
	}
	page := s.frame.around(head, rendered(s.body, data))
	sendUnder(w, policy{script: s.script.hash, sendsOn: s.sendsOn}, status, contentTypeHTML, page)
}

// around is a page of the frame's looks around elements of our own. In a template
// of the site's they stand where its button does.
func (f frame) around(head, body []byte) []byte {
	var b bytes.Buffer
	if f.own != nil {
		d := newDocument(f.fixed, parts{})
		d.Head += template.HTML(head)
		d.Action = template.HTML(body)
		if f.own.page.Execute(&b, d) == nil {
			return b.Bytes()
		}
		b.Reset()
	}
	fixed := f.blocks()
	b.Write(fixed.head)
	b.Write(head)
	b.Write(fixed.message)
	b.Write(body)
	b.Write(fixed.end)
	return b.Bytes()
}

// rendered is a template's output. Like block's it can only fail where the
// template names a field that is not there.
func rendered(t *template.Template, data any) []byte {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		panic("pages: " + err.Error())
	}
	return b.Bytes()
}

package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
)

// script is a fixed script of a page, and the policy that lets it run: it alone,
// by its hash (CSP Level 3 §6.6.2). What differs from request to request stands
// in attributes that it reads, so nothing a visitor sent is ever run.
type script struct {
	source template.JS
	policy string
}

func newScript(source string) script {
	sum := sha256.Sum256([]byte(source))
	hash := base64.StdEncoding.EncodeToString(sum[:])
	return script{source: template.JS(source), policy: contentSecurityPolicy + "; script-src 'sha256-" + hash + "'"}
}

// scripted is a page with a script: a frame, and what stands in its head and
// body, each a template with the same data.
type scripted struct {
	frame      frame
	head, body *template.Template // head may be nil
	policy     string
}

func (s scripted) send(w http.ResponseWriter, status int, data any) {
	var b bytes.Buffer
	b.Write(s.frame.head)
	if s.head != nil {
		b.Write(rendered(s.head, data))
	}
	b.Write(s.frame.message)
	b.Write(rendered(s.body, data))
	b.Write(s.frame.end)
	sendUnder(w, s.policy, status, contentTypeHTML, b.Bytes())
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

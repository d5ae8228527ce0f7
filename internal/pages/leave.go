package pages

import (
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed leave.html
var leaveSource string

//go:embed leave.js
var leaveScriptSource string

var (
	leaveBlocks = template.Must(template.New("leave").Parse(leaveSource))
	leaveScript = newScript(leaveScriptSource)
)

// Leaving is a browser on its way to sign in.
type Leaving struct {
	URL string // of the provider's page
	// Cookie is the name of the cookie the script writes the fragment of the
	// page's address into, percent-encoded, and Attributes are what it appends.
	Cookie, Attributes string
	// Limit is the longest value it writes, in bytes. A longer fragment is lost.
	Limit int
}

// Leave has a browser load the provider's page, in place of a redirect: with one
// the fragment of the page's address would be lost as soon as the person has to
// press anything there. The page takes its own place in the history, so that the
// back button does not lead into it.
//
// It is a 401 like every other answer to somebody who is signed out: whatever
// keeps, counts or precaches what succeeds leaves it alone.
func (p *Pages) Leave(w http.ResponseWriter, l Leaving) {
	w.Header().Set("WWW-Authenticate", challenge)
	page := scripted{frame: p.leave, head: leaveBlocks.Lookup("leave-head"), body: leaveBlocks.Lookup("leave"), script: leaveScript}
	page.send(w, http.StatusUnauthorized, struct {
		Leaving
		Script template.JS
	}{l, leaveScript.source})
}

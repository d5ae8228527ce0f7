package pages

import (
	_ "embed"
	"html/template"
	"net/http"
)

// Forms that were sent when the session was over wait in the browser's tab until
// the person is signed in again and has said that they are to be sent.

//go:embed kept.html
var keptSource string

//go:embed kept.js
var keptScriptSource string

//go:embed resume.js
var resumeScriptSource string

//go:embed offer.js
var offerScriptSource string

var (
	keptBlocks   = template.Must(template.New("kept").Parse(keptSource))
	keptScript   = newScript(keptScriptSource)
	resumeScript = newScript(resumeScriptSource)
	offerScript  = newScript(offerScriptSource)
)

// Field is one of a form's, in its place.
type Field struct {
	Name  string `json:"n"`
	Value string `json:"v,omitempty"`
	File  bool   `json:"f,omitempty"` // one that no file was chosen for
}

// Form is what a person sent, as it can be sent again.
type Form struct {
	Action  string  `json:"a"` // path and query on our own site
	Enctype string  `json:"e"`
	Fields  []Field `json:"f"`
}

// keptFrames are the pages of forms.
type keptFrames struct{ resume, offer, gone, others frame }

func newKeptFrames(look look) keptFrames {
	return keptFrames{
		resume: look.frame("You are signed in", "If you sent something before that, this tab can offer it again."),
		offer:  look.frame("Send what you wrote?", "You sent this when your session had ended. Nothing has been done with it yet."),
		gone:   look.frame("This is no longer kept", "What you sent was kept for ten minutes. Nothing was done with it."),
		others: look.frame("This was sent from another account", "Somebody else was signed in here when it was sent, so it is neither shown nor sent. It has been deleted."),
	}
}

// Kept refuses a form as v says, and has the tab keep it: sealed is the form, ""
// where it could not be. resumeURL signs in and comes back for it.
func (p *Pages) Kept(w http.ResponseWriter, v View, sealed, resumeURL string) {
	w.Header().Set("WWW-Authenticate", challenge)
	data := struct {
		SignInURL, ResumeURL, Sealed, Reference string
		Reason                                  Reason
		Script                                  template.JS
	}{SignInURL: local(v.SignInURL), ResumeURL: local(resumeURL), Sealed: sealed, Reference: v.Reference, Reason: v.Reason}
	page := scripted{frame: p.refusals[v.Reason], body: keptBlocks.Lookup("kept")}
	if sealed != "" {
		data.Script, page.script = keptScript.source, keptScript
	}
	page.send(w, v.status(), data)
}

// Resume answers 200 with a page that posts what the tab has kept to action.
func (p *Pages) Resume(w http.ResponseWriter, action string) {
	page := scripted{frame: p.kept.resume, body: keptBlocks.Lookup("resume"), script: resumeScript}
	page.send(w, http.StatusOK, struct {
		Action string
		Script template.JS
	}{local(action), resumeScript.source})
}

// Offer answers 200 with the form and a button. Nothing is sent without it being
// pressed.
func (p *Pages) Offer(w http.ResponseWriter, f Form) {
	f.Action = local(f.Action)
	page := scripted{frame: p.kept.offer, body: keptBlocks.Lookup("offer"), script: offerScript, sendsOn: true}
	page.send(w, http.StatusOK, struct {
		Form
		Script template.JS
	}{f, offerScript.source})
}

// Gone answers that a form is no longer to be had, or is of another account, and
// has the tab forget it.
func (p *Pages) Gone(w http.ResponseWriter, ofAnother bool) {
	page := scripted{frame: p.kept.gone, body: keptBlocks.Lookup("gone"), script: offerScript}
	status := http.StatusGone
	if ofAnother {
		page.frame, status = p.kept.others, http.StatusForbidden
	}
	page.send(w, status, struct{ Script template.JS }{offerScript.source})
}

package pages

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPagesOfFormsAllowTheirOwnScriptAlone(t *testing.T) {
	const evil = `"><script>alert(1)</script>`
	p := New(evil)
	form := Form{Action: "/save?x=" + evil, Enctype: evil, Fields: []Field{{Name: evil, Value: evil}, {Name: evil, File: true}}}
	for name, tt := range map[string]struct {
		write  func(w *httptest.ResponseRecorder)
		status int
	}{
		"kept": {func(w *httptest.ResponseRecorder) {
			p.Kept(w, View{Reason: SessionExpired, SignInURL: "/" + evil}, evil, "/"+evil)
		}, 401},
		"resume": {func(w *httptest.ResponseRecorder) { p.Resume(w, "/"+evil) }, 200},
		"offer":  {func(w *httptest.ResponseRecorder) { p.Offer(w, form) }, 200},
		"gone":   {func(w *httptest.ResponseRecorder) { p.Gone(w, false) }, 410},
		"others": {func(w *httptest.ResponseRecorder) { p.Gone(w, true) }, 403},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			tt.write(w)
			checkScript(t, w)
			if w.Code != tt.status {
				t.Errorf("%d", w.Code)
			}
			// What the app answers with is the app's affair, redirects included.
			if got := strings.Contains(w.Header().Get("Content-Security-Policy"), "form-action 'self'"); got == (name == "offer") {
				t.Errorf("form-action: %v", got)
			}
		})
	}
}

func TestAFormThatIsNotKeptHasNoScript(t *testing.T) {
	w := httptest.NewRecorder()
	New("").Kept(w, View{Reason: NoSession, SignInURL: "/auth/signin", Reference: "7F3K"}, "", "/auth/signin?resume=1")
	body := w.Body.String()
	if strings.Contains(body, "<script") || strings.Contains(body, "is not lost") || !strings.Contains(body, "could not be kept") ||
		!strings.Contains(body, "<code>7F3K</code>") || strings.Contains(w.Header().Get("Content-Security-Policy"), "script-src") {
		t.Errorf("%v\n%s", w.Header(), body)
	}
}

// Pressed in the tab itself, the way back to what was typed would be longer than
// the page says.
func TestWhoeverHasALostFormSignsInInAnotherTab(t *testing.T) {
	w := httptest.NewRecorder()
	New("").Kept(w, View{Reason: NoSession, SignInURL: "/auth/signin"}, "", "/auth/signin?resume=1")
	if body := w.Body.String(); !strings.Contains(body, `href="/auth/signin" target="_blank" rel="noopener"`) {
		t.Error(body)
	}
}

func TestAFormIsOfferedToItsOwnSiteAlone(t *testing.T) {
	for _, action := range []string{"https://evil.example/", "//evil.example", "javascript:alert(1)"} {
		w := httptest.NewRecorder()
		New("").Offer(w, Form{Action: action, Enctype: "application/x-www-form-urlencoded"})
		if body := w.Body.String(); strings.Contains(body, "evil") || strings.Contains(body, "javascript:") {
			t.Errorf("%s:\n%s", action, body)
		}
	}
}

func TestPagesWithScriptsLookLikeTheSite(t *testing.T) {
	own, err := ParseTemplate(`<!doctype html><html lang="en"><head>{{.Head}}<title>{{.Title}}</title></head><body><h1>{{.Title}} here</h1>{{.Action}}</body></html>`)
	if err != nil {
		t.Fatal(err)
	}
	p := Branded(Brand{Template: own})
	for name, write := range map[string]func(w *httptest.ResponseRecorder){
		"Taking you to sign in here": func(w *httptest.ResponseRecorder) { p.Leave(w, Leaving{URL: "https://osc.example/a"}) },
		"Send what you wrote? here":  func(w *httptest.ResponseRecorder) { p.Offer(w, Form{Action: "/save"}) },
	} {
		w := httptest.NewRecorder()
		write(w)
		checkScript(t, w)
		if !strings.Contains(w.Body.String(), "<h1>"+name+"</h1>") {
			t.Errorf("%s:\n%s", name, w.Body)
		}
	}
}

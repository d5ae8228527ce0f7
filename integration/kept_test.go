package integration

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// editor is an app with a form; what it was sent is in the app's requests.
func (w *world) editor(enctype string) {
	w.app.handle("/edit", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(rw, `<!doctype html><title>Edit</title><form method="post" action="/save?draft=1" enctype="`+enctype+`">
<input name="title" id="title"><textarea name="note" id="note"></textarea><input name="title"><input type="file" name="picture">
<button id="save">Save</button></form>`)
	})
}

// write fills the form in.
func (b *browser) write() {
	b.t.Helper()
	b.see("#save")
	b.evaluate(`(document.getElementById("title").value = "Grüße & <b>\"x\"</b>", document.getElementById("note").value = "one\ntwo")`)
}

// losesItsSession takes the cookies of the gateway away, and no others: the person is still
// signed in at OSC.
func (b *browser) losesItsSession(w *world) {
	b.t.Helper()
	b.act("losing the session", chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, network.DeleteCookies, network.DeleteCookiesParams{Name: "osc_session", URL: w.gateway.URL})
		return err
	}))
}

func TestAFormSentWhenTheSessionIsOverIsSentOnceThePersonHasSaidSo(t *testing.T) {
	for _, enctype := range []string{"application/x-www-form-urlencoded", "multipart/form-data"} {
		t.Run(enctype, func(t *testing.T) {
			w := newWorld(t, setup{})
			w.editor(enctype)
			b := newBrowser(t)
			b.signIn(w.gateway.URL + "/studio")
			b.open(w.gateway.URL + "/edit")
			b.write()
			b.losesItsSession(w)
			calls := w.app.calls()
			b.press("#save", "#kept")
			eventually(t, "the page says that it is kept", func() bool { return strings.Contains(b.text(), "What you sent is not lost") })
			if text := b.text(); strings.Contains(text, "could not be kept") {
				t.Errorf("both at once:\n%s", text)
			}
			b.press("#kept a", "#allow")
			b.press("#allow", "#again button")
			if text := b.text(); !strings.Contains(text, "/save?draft=1") || w.app.calls() != calls {
				t.Errorf("%d calls of the app; the page:\n%s", w.app.calls()-calls, text)
			}
			b.press("#again button", "#uri")
			got := w.app.last(t)
			if got.Method != http.MethodPost || got.URI != "/save?draft=1" || !strings.HasPrefix(got.Header.Get("Content-Type"), enctype) {
				t.Errorf("%s %s %s", got.Method, got.URI, got.Header.Get("Content-Type"))
			}
			if token, ok := got.token(); !ok || !w.canaries.knows(accessToken, token) {
				t.Error("it came without a token")
			}
			form, err := (&http.Request{Method: http.MethodPost, Header: got.Header, Body: io.NopCloser(strings.NewReader(got.Body))}).MultipartReader()
			if enctype != "multipart/form-data" {
				const want = "title=Gr%C3%BC%C3%9Fe+%26+%3Cb%3E%22x%22%3C%2Fb%3E&note=one%0D%0Atwo&title=&picture="
				if got.Body != want {
					t.Errorf("the app got %s, want %s", got.Body, want)
				}
			} else if err != nil {
				t.Error(err)
			} else if parts, err := form.ReadForm(1 << 20); err != nil || parts.Value["title"][0] != `Grüße & <b>"x"</b>` ||
				parts.Value["note"][0] != "one\r\ntwo" || len(parts.Value["title"]) != 2 || len(parts.File["picture"])+len(parts.Value["picture"]) != 1 {
				t.Errorf("%v %v", parts, err)
			}
			if kept := b.evaluate("sessionStorage.length"); kept != "0" {
				t.Errorf("the tab still keeps %s things", kept)
			}
		})
	}
}

func TestAFormCanBeDiscarded(t *testing.T) {
	w := newWorld(t, setup{})
	w.quickly()
	w.editor("application/x-www-form-urlencoded")
	b := newBrowser(t)
	b.open(w.gateway.URL + "/edit")
	b.write()
	// A field hides what its form has under the same name (HTML §4.10.3).
	b.evaluate(`document.getElementById("title").name = "addEventListener"`)
	b.losesItsSession(w)
	b.press("#save", "#kept")
	b.press("#kept a", "#discard")
	b.press("#discard", "#uri")
	for _, got := range w.app.all() {
		if got.Method == http.MethodPost {
			t.Errorf("the app got %s", got.URI)
		}
	}
	if kept := b.evaluate("sessionStorage.length"); kept != "0" {
		t.Errorf("the tab still keeps %s things", kept)
	}
	b.open(w.gateway.URL + "/auth/resume")
	b.see("#nothing a")
	if text := b.text(); !strings.Contains(text, "This tab keeps nothing") {
		t.Error(text)
	}
}

package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// However the app lets its pages be kept, and wherever they are kept: in the
// cache, or as they were, for the back button.
func TestBackAfterASignOutShowsNothingPrivate(t *testing.T) {
	for _, caching := range []string{"", "private, max-age=3600", "public, max-age=31536000, immutable"} {
		t.Run(caching, func(t *testing.T) {
			w := newWorld(t, setup{})
			for _, path := range []string{"/one", "/two"} {
				w.app.handle(path, func(rw http.ResponseWriter, r *http.Request) {
					rw.Header().Set("Content-Type", "text/html; charset=utf-8")
					if caching != "" {
						rw.Header().Set("Cache-Control", caching)
					}
					fmt.Fprintf(rw, `<!doctype html><title>Private</title><p id="token">the secret of %s</p>
<form method="post" action="/auth/signout"><button id="signout">Sign out</button></form>`, path)
				})
			}
			b := newBrowser(t)
			b.signIn(w.gateway.URL + "/one")
			b.open(w.gateway.URL + "/two")
			b.see("#signout")
			b.signOut("#signout", w.gateway.URL)
			calls := w.app.calls()
			b.act("going back", chromedp.Func(back))
			b.see("#token, #allow")
			if text := b.text(); strings.Contains(text, "secret") {
				t.Errorf("back shows, at %s:\n%s", b.address(), text)
			}
			for _, path := range []string{"/one", "/two"} {
				b.open(w.gateway.URL + path)
				b.see("#token, #allow")
				if text := b.text(); strings.Contains(text, "secret") {
					t.Errorf("%s shows:\n%s", path, text)
				}
			}
			if w.app.calls() != calls {
				t.Error("the app was called")
			}
		})
	}
}

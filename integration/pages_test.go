package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

const pagesLogo = `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4" fill="#e11d48"/></svg>`

// brandedWorld has pages of the nastiest colour for text on white.
func brandedWorld(t *testing.T, oscDown bool) *world {
	t.Helper()
	logo := filepath.Join(t.TempDir(), "logo.svg")
	mustWrite(t, logo, pagesLogo)
	return newWorld(t, setup{oscDown: oscDown, site: fmt.Sprintf(`	osc_proxy {upstream} {
		public   /assets/*
		required /beta/* {
			tenants beta
		}
		pages {
			name    "An app with a name of Donaudampfschifffahrtsgesellschaft"
			logo    %s
			color   fd0
			support mailto:help@example.com
		}
	}
`, logo)})
}

// screens are what pages are looked at on. The narrowest is also a desktop at
// 400 % zoom (WCAG 2.2, 1.4.10), and the next at 200 %.
var screens = []struct {
	name          string
	width, height int64
}{{"phone", 320, 640}, {"zoomed", 640, 400}, {"desktop", 1280, 800}}

// looked is what a page says of itself.
type looked struct {
	Lang, Heading, Focus, Outline, Button string
	Mains, Headings                       int
	Overflow, Logo                        bool
	Target                                float64
}

const lookScript = `(() => {
	const all = s => document.querySelectorAll(s), action = document.querySelector(".button, button"), logo = document.querySelector("img");
	const focus = document.activeElement, style = getComputedStyle(focus);
	return JSON.stringify({
		lang: document.documentElement.lang, heading: all("h1")[0].textContent, mains: all("main").length, headings: all("h1").length,
		overflow: document.documentElement.scrollWidth > innerWidth, focus: focus === action ? "action" : focus.tagName,
		outline: style.outlineStyle + " " + style.outlineWidth, button: action ? getComputedStyle(action).backgroundColor : "",
		target: action ? action.getBoundingClientRect().height : 0, logo: logo !== null && logo.naturalWidth > 0,
	});
})()`

// inspect looks at a page on every screen, in light and in dark, with a keyboard.
func (b *browser) inspect(name string) {
	b.t.Helper()
	for _, screen := range screens {
		for _, scheme := range []string{"light", "dark"} {
			b.act("changing the screen", chromedp.EmulateViewport(screen.width, screen.height), chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
				_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
				})
				return err
			}))
			at := name + ", " + screen.name + ", " + scheme
			b.picture(strings.NewReplacer(", ", "-", " ", "-").Replace(at))
			var page looked
			// Pages that load themselves again lose the focus, so it is set anew.
			eventually(b.t, at+" has its focus on what there is to do", func() bool {
				b.ask("document.activeElement.blur()")
				if chromedp.Do(b.ctx, chromedp.KeyEvent(kb.Tab)) != nil || json.Unmarshal([]byte(b.ask(lookScript)), &page) != nil {
					return false
				}
				return page.Focus == "action"
			})
			if page.Overflow || page.Lang != "en" || page.Mains != 1 || page.Headings != 1 || !page.Logo {
				b.t.Errorf("%s: %+v", at, page)
			}
			if page.Outline != "solid 3px" || page.Target < 44 || page.Button != "rgb(255, 221, 0)" {
				b.t.Errorf("%s: what there is to do: %+v", at, page)
			}
		}
	}
	b.act("changing the screen back", chromedp.EmulateViewport(1280, 800))
}

// picture keeps what the tab shows, for people to look at: go test -artifacts.
func (b *browser) picture(name string) {
	b.t.Helper()
	shot := get(b, "taking a picture", chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".png"), shot, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// complaints are what Chromium has to say about pages, but for their status.
func (b *browser) complaints() func() []string {
	b.t.Helper()
	var mu sync.Mutex
	var all []string
	b.act("listening", chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		if err := chromedp.Listen(b.ctx, func(event any) {
			if added, ok := event.(*log.EventEntryAdded); ok && added.Entry.Source != log.EntrySourceNetwork && added.Entry.Level != log.EntryLevelInfo {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, added.Entry.URL+": "+added.Entry.Text)
			}
		}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, tab, log.Enable, cdp.Empty{})
		return err
	}))
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// state is one that no browser began a sign-in with.
const strayState = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func TestEveryPageIsRightOnEveryScreen(t *testing.T) {
	w := brandedWorld(t, false)
	b := newBrowser(t)
	complaints := b.complaints()
	shows := func(page, text string) {
		t.Helper()
		eventually(t, page+" says "+text, func() bool { return strings.Contains(b.text(), text) })
		b.inspect(page)
	}
	for path, reason := range map[string]string{
		"/auth/signout": "Sign out",
		// As it is once it has loaded itself again.
		"/auth/signed-out?cleared": "You are signed out",
		"/auth/callback":           "bad_request",
		"/auth/callback?error=access_denied&state=" + strayState: "state_mismatch",
		"/auth/callback?code=x&state=" + strayState + ".2":       "flow_expired",
	} {
		b.open(w.gateway.URL + path)
		shows(reason, reason)
	}

	b.open(w.gateway.URL + "/studio")
	b.press("#account-alice", "#deny")
	b.press("#deny", "a.button")
	shows("consent_denied", "consent_denied")

	w.osc.SetKnobs(func(k *simulator.Knobs) { k.Faults = []simulator.Fault{{Kind: simulator.FaultHTML, Count: 1}} })
	b.press("a.button", "#allow")
	b.press("#allow", "main h1")
	shows("provider_error", "provider_error")

	b.press("a.button", "#allow")
	b.press("#allow", "#token")
	b.open(w.gateway.URL + "/beta/studio")
	shows("tenant_forbidden", "alice")

	w.app.Close()
	b.open(w.gateway.URL + "/assets/start")
	shows("app_unavailable", "app_unavailable")

	if said := complaints(); len(said) > 0 {
		t.Errorf("Chromium complains:\n%s", strings.Join(said, "\n"))
	}
}

func TestThePageThatWaitsForOSCIsRightOnEveryScreen(t *testing.T) {
	w := brandedWorld(t, true)
	b := newBrowser(t)
	complaints := b.complaints()
	b.open(w.gateway.URL + "/studio")
	b.see("main h1")
	if text := b.text(); !strings.Contains(text, "provider_unavailable") {
		t.Fatal(text)
	}
	b.inspect("provider_unavailable")
	if said := complaints(); len(said) > 0 {
		t.Errorf("Chromium complains:\n%s", strings.Join(said, "\n"))
	}
	w.osc.up()
	b.see("#account-alice") // by itself
}

// What the documentation shows works as it stands, in a real browser.
func TestTheDocumentedTemplateIsShownAsItWasWritten(t *testing.T) {
	doc, err := os.ReadFile("../docs/pages.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), "\n```html\n")
	text, _, found := strings.Cut(text, "```\n")
	if !found {
		t.Fatal("docs/pages.md has no template")
	}
	template := filepath.Join(t.TempDir(), "page.html")
	mustWrite(t, template, text)
	w := newWorld(t, setup{site: "\tosc_proxy {upstream} {\n\t\tpages {\n\t\t\ttemplate " + template + "\n\t\t}\n\t}\n"})
	b := newBrowser(t)
	complaints := b.complaints()
	b.signIn(w.gateway.URL + "/studio")
	b.open(w.gateway.URL + "/auth/signout")
	b.see("h1")
	if got := b.evaluate(`getComputedStyle(document.body).fontFamily + getComputedStyle(document.querySelector("button")).backgroundColor`); got != "Georgia, serifrgb(34, 34, 34)" {
		t.Errorf("its style is %s", got)
	}
	b.signOut("button", w.gateway.URL)
	if said := complaints(); len(said) > 0 {
		t.Errorf("Chromium complains:\n%s", strings.Join(said, "\n"))
	}
}

// The wrong workspace is changed by one press of a button, and the way back leads
// to the page that was asked for.
func TestAPersonChangesAccountsInOneGo(t *testing.T) {
	w := brandedWorld(t, false)
	b := newBrowser(t)
	b.signIn(w.gateway.URL + "/studio")
	b.open(w.gateway.URL + "/beta/studio?room=1")
	if text := b.text(); !strings.Contains(text, "alice") || !strings.Contains(text, "acme") || !strings.Contains(text, "This page is for") || !strings.Contains(text, "beta") {
		t.Errorf("at %s:\n%s", b.address(), text)
	}
	b.press("button", "#allow") // at OSC, by itself
	if !strings.HasPrefix(b.address(), w.osc.URL) {
		t.Errorf("at %s:\n%s", b.address(), b.text())
	}
	b.press("#allow", "main h1") // the same person again, since OSC keeps them signed in
	if got := b.address(); got != w.gateway.URL+"/beta/studio?room=1" {
		t.Errorf("at %s", got)
	}
}

// A page about an app that is starting becomes the app's own.
func TestAPersonWaitsForAnAppThatStarts(t *testing.T) {
	address := freeAddress(t)
	w := newWorld(t, setup{site: "\tosc_proxy " + address + " {\n\t\tpublic /\n\t}\n"})
	b := newBrowser(t)
	b.open(w.gateway.URL + "/")
	b.see("main h1")
	if text := b.text(); !strings.Contains(text, "The app is not ready yet") {
		t.Fatal(text)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	app := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<p id="here">here it is</p>`)
	})}
	t.Cleanup(func() { app.Close() })
	go app.Serve(listener)
	b.see("#here")
}

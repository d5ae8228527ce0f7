package integration

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// browser is a Chromium of its own, with one tab open.
type browser struct {
	t   testing.TB
	ctx context.Context
}

// newBrowser starts Chromium with a fresh profile.
func newBrowser(t testing.TB) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program(t, "OSC_GATEWAY_TEST_CHROMIUM", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-features", "OptimizationHints,MediaRouter,Translate"),
		// Nothing but this machine is there.
		chromedp.Flag("host-resolver-rules", "MAP localhost 127.0.0.1, EXCLUDE 127.0.0.1, MAP * ~NOTFOUND"),
		chromedp.WSURLReadTimeout(patience),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, quit := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	ctx, late := context.WithTimeout(ctx, 2*patience)
	b := &browser{t: t, ctx: ctx}
	t.Cleanup(func() { late(); quit(); stop() })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	b.watch()
	return b
}

// tab opens another tab of the same browser.
func (b *browser) tab() *browser {
	b.t.Helper()
	ctx, stop := chromedp.NewContext(b.ctx)
	tab := &browser{t: b.t, ctx: ctx}
	b.t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatalf("opening a tab: %v", err)
	}
	tab.watch()
	return tab
}

// watch has a picture taken of what the tab shows when the test has failed.
func (b *browser) watch() {
	b.t.Cleanup(func() {
		if !b.t.Failed() {
			return
		}
		ctx, stop := context.WithTimeout(b.ctx, 5*time.Second)
		defer stop()
		picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(90))
		if err != nil {
			return
		}
		file, err := os.CreateTemp(b.t.ArtifactDir(), "screen-*.jpeg")
		if err != nil {
			return
		}
		defer file.Close()
		file.Write(picture)
		name, _ := filepath.Abs(file.Name())
		b.t.Logf("what Chromium showed: %s", name)
	})
}

// act runs actions; one that does not come to its end fails the test.
func (b *browser) act(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	get(b, what, chromedp.Steps(actions...))
}

// get runs an action and returns what comes of it.
func get[T any](b *browser, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	got, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("%s: %v (at %s)\n%s", what, err, b.address(), b.text())
	}
	return got
}

// cookies are those the browser would send to url.
func (b *browser) cookies(url string) []*network.Cookie {
	b.t.Helper()
	return get(b, "reading the cookies", func(ctx context.Context, tab *chromedp.Target) ([]*network.Cookie, error) {
		got, err := cdp.Call(ctx, tab, network.GetCookies, network.GetCookiesParams{URLs: []string{url}})
		return got.Cookies, err
	})
}

func (b *browser) open(url string) {
	b.t.Helper()
	b.act("opening "+url, chromedp.Navigate(url))
}

// press clicks what is there under a selector, and waits for what comes of it.
func (b *browser) press(selector, thenSee string) {
	b.t.Helper()
	b.see(selector)
	b.evaluate("document.querySelector(`" + selector + "`).click()")
	b.see(thenSee)
}

// see waits until there is something under a selector. It asks the page itself:
// one that comes out of the back-forward cache tells nobody that it is there.
func (b *browser) see(selector string) {
	b.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for b.ask("document.querySelector(`"+selector+"`) !== null") != "true" {
		select {
		case <-ticker.C:
		case <-deadline.C:
			b.t.Fatalf("no %s at %s:\n%s", selector, b.address(), b.text())
		}
	}
}

// read is the text under a selector.
func (b *browser) read(selector string) string {
	b.t.Helper()
	return strings.TrimSpace(b.evaluate("document.querySelector(`" + selector + "`).textContent"))
}

// evaluate is what a script of the page comes to, which may be a promise.
func (b *browser) evaluate(script string) string {
	b.t.Helper()
	return get(b, "evaluating "+script, chromedp.Evaluate[string]("Promise.resolve("+script+").then(String)", chromedp.EvalAwaitPromise))
}

// ask is evaluate for a page that may be on its way out: "" if so.
func (b *browser) ask(script string) string {
	ctx, stop := context.WithTimeout(b.ctx, 5*time.Second)
	defer stop()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+script+")"))
	if err != nil {
		return ""
	}
	return text
}

// text is the page as it can be read, and address where it is.
func (b *browser) text() string    { return b.ask("document.body ? document.body.innerText : ''") }
func (b *browser) address() string { return b.ask("location.href") }

package integration

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// signIn opens a page and goes through the sign-in and the consent page.
func (b *browser) signIn(url string) {
	b.t.Helper()
	b.open(url)
	b.press("#account-alice", "#allow")
	b.press("#allow", "#token")
}

// signOut presses a button that signs out and waits for the page that says so,
// which loads twice: the second time has the browser forget the page it left.
func (b *browser) signOut(button, gateway string) {
	b.t.Helper()
	b.press(button, "a.button")
	eventually(b.t, "the page says that one is signed out", func() bool {
		return b.address() == gateway+"/auth/signed-out?cleared" && strings.Contains(b.text(), "signed out")
	})
}

func TestAPersonSignsInAndTheirBrowserHoldsOneOpaqueCookie(t *testing.T) {
	w := newWorld(t, setup{})
	b := newBrowser(t)
	b.signIn(w.gateway.URL + "/studio?room=1")
	if got := b.read("#token"); got != "arrived" {
		t.Errorf("the token: %s", got)
	}
	if user, at := b.read("#user"), b.address(); user != "alice" || at != w.gateway.URL+"/studio?room=1" {
		t.Errorf("%s at %s", user, at)
	}
	if cookies := b.evaluate("document.cookie"); cookies != "" {
		t.Errorf("scripts read %q", cookies)
	}
	kept := b.cookies(w.gateway.URL)
	if len(kept) != 1 || kept[0].Name != "osc_session" || !kept[0].HTTPOnly {
		t.Errorf("the browser keeps %+v", kept)
	}
	status := b.evaluate(`fetch("/api/rooms").then(answer => answer.status)`)
	if token, ok := w.app.last(t).token(); status != "200" || !ok || !w.canaries.knows(accessToken, token) {
		t.Errorf("a script's fetch: %s, token %v", status, ok)
	}
}

func TestTwoTabsSignInAtOnce(t *testing.T) {
	w := newWorld(t, setup{})
	one := newBrowser(t)
	two := one.tab()
	one.open(w.gateway.URL + "/one")
	two.open(w.gateway.URL + "/two")
	one.press("#account-alice", "#allow")
	two.open(two.address()) // signed in at OSC by now
	two.see("#allow")
	two.press("#allow", "#token")
	one.press("#allow", "#token")
	for path, tab := range map[string]*browser{"/one": one, "/two": two} {
		if got := tab.address(); got != w.gateway.URL+path || tab.read("#token") != "arrived" {
			t.Errorf("%s ended at %s", path, got)
		}
		tab.act("reloading", chromedp.Reload())
		tab.see("#token")
		if tab.read("#token") != "arrived" {
			t.Errorf("%s: signed out by the other", path)
		}
	}
}

func TestAPersonRefusesConsentAndCanChangeTheirMind(t *testing.T) {
	w := newWorld(t, setup{})
	b := newBrowser(t)
	b.open(w.gateway.URL + "/studio")
	b.press("#account-alice", "#deny")
	b.press("#deny", "a.button")
	if text := b.text(); !strings.Contains(text, "consent_denied") || !strings.HasPrefix(b.address(), w.gateway.URL+"/auth/callback") {
		t.Errorf("at %s:\n%s", b.address(), text)
	}
	if n := w.osc.Counters(); n.Authorizations != 1 || n.CodeExchanges != 0 {
		t.Errorf("%d authorizations, %d exchanges", n.Authorizations, n.CodeExchanges)
	}
	b.press("a.button", "#allow")
	b.press("#allow", "#token")
	if b.read("#token") != "arrived" {
		t.Error("the second attempt did not work")
	}
}

func TestAPersonSignsOutAndBackShowsNothing(t *testing.T) {
	w := newWorld(t, setup{})
	b := newBrowser(t)
	b.signIn(w.gateway.URL + "/studio")
	b.signOut("#signout", w.gateway.URL)
	calls, flows := w.app.calls(), w.osc.Counters().Authorizations
	if flows != 1 {
		t.Errorf("a flow began by itself: %d", flows)
	}

	b.act("going back", chromedp.Func(back))
	b.see("#user, #allow")
	if text := b.text(); strings.Contains(text, "Private page") {
		t.Errorf("back shows, at %s:\n%s", b.address(), text)
	}
	b.open(w.gateway.URL + "/studio")
	b.see("#allow")
	if w.app.calls() != calls {
		t.Error("the app was called")
	}
}

// back presses the back button and waits for nothing: what comes may be a page
// of the cache.
func back(ctx context.Context, tab *chromedp.Target) error {
	history, err := cdp.Call(ctx, tab, page.GetNavigationHistory, cdp.Empty{})
	if err != nil {
		return err
	}
	before := history.Entries[history.CurrentIndex-1]
	_, err = cdp.Call(ctx, tab, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: before.ID})
	return err
}

func TestTheBackButtonIntoASignInEndsSomewhereSensible(t *testing.T) {
	w := newWorld(t, setup{})
	b := newBrowser(t)
	b.open(w.gateway.URL + "/assets/start")
	b.see("#uri")
	b.signIn(w.gateway.URL + "/studio")

	// The consent page once more: it was answered, and is answered again.
	b.act("going back", chromedp.Func(back))
	b.see("#allow")
	b.press("#allow", "#token")
	if b.read("#token") != "arrived" || !strings.HasPrefix(b.address(), w.gateway.URL) {
		t.Errorf("at %s", b.address())
	}
}

func TestALateOrRepeatedCallbackDoesNoHarm(t *testing.T) {
	w := newWorld(t, setup{})
	b := newBrowser(t)
	b.signIn(w.gateway.URL + "/studio")
	old := w.oldCallback(t)

	b.open(old) // signed in: an old link of the history
	b.see("#token")
	if b.read("#token") != "arrived" {
		t.Errorf("at %s", b.address())
	}
	b.act("deleting the cookies", chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, network.ClearBrowserCookies, cdp.Empty{})
		return err
	}))
	b.open(old) // signed out: starts over
	b.press("#account-alice", "#allow")
	b.press("#allow", "#token")
	if b.read("#token") != "arrived" || w.osc.Counters().CodeReuse != 0 {
		t.Errorf("at %s, %d codes came again", b.address(), w.osc.Counters().CodeReuse)
	}
}

// oldCallback is the address of a callback that was finished by somebody else.
func (w *world) oldCallback(t *testing.T) string {
	t.Helper()
	v := w.visitor()
	callback := v.toCallback(v.open("/"))
	v.open(callback)
	return callback
}

func TestAStrictCookieSurvivesTheWayBackFromTheProvider(t *testing.T) {
	w := newWorld(t, setup{site: "\tosc_proxy {upstream} {\n\t\tsame_site strict\n\t}\n"})
	b := newBrowser(t)
	b.signIn(w.gateway.URL + "/studio?room=1")
	if got := b.read("#token"); got != "arrived" || b.address() != w.gateway.URL+"/studio?room=1" {
		t.Errorf("%s at %s", got, b.address())
	}
	if n := w.osc.Counters().Authorizations; n != 1 {
		t.Errorf("%d sign-ins", n)
	}
}

func TestAPageAboutAFailedSignInTellsNobodyTheCode(t *testing.T) {
	w := newWorld(t, setup{})
	w.osc.SetKnobs(func(k *simulator.Knobs) { k.Faults = []simulator.Fault{{Kind: simulator.FaultHTML, Count: 1}} })
	b := newBrowser(t)
	b.open(w.gateway.URL + "/studio")
	b.press("#account-alice", "#allow")
	b.press("#allow", "a.button")
	if text := b.text(); !strings.Contains(text, "provider_error") {
		t.Errorf("at %s:\n%s", b.address(), text)
	}
	b.press("a.button", "#allow") // its address, code and all, must not go along
	b.press("#allow", "#token")
	if b.read("#token") != "arrived" {
		t.Error("the second attempt did not work")
	}
}

func TestTheGatewaysOwnButtonSignsOutToo(t *testing.T) {
	w := newWorld(t, setup{})
	b := newBrowser(t)
	b.signIn(w.gateway.URL + "/studio")
	b.open(w.gateway.URL + "/auth/signout")
	b.signOut("button", w.gateway.URL)
	b.press("a.button", "#allow")
}

package integration

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// history are the addresses the back button of the tab leads through.
func (b *browser) history() (addresses []string) {
	b.t.Helper()
	got := get(b, "reading the history", func(ctx context.Context, tab *chromedp.Target) (page.GetNavigationHistoryResult, error) {
		return cdp.Call(ctx, tab, page.GetNavigationHistory, cdp.Empty{})
	})
	for _, entry := range got.Entries {
		addresses = append(addresses, entry.URL)
	}
	return addresses
}

func TestTheFragmentOfAPageSurvivesASignInWithConsent(t *testing.T) {
	for name, site := range map[string]string{
		"a lax cookie":    "",
		"a strict cookie": "\tosc_proxy {upstream} {\n\t\tsame_site strict\n\t\tpublic /assets/*\n\t}\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{site: site})
			b := newBrowser(t)
			b.open(w.gateway.URL + "/assets/start")
			b.see("#uri")
			wanted := w.gateway.URL + "/studio?room=1#/tab/2?x=%C3%A9;y"
			b.signIn(wanted)
			if got := b.address(); got != wanted || b.read("#token") != "arrived" {
				t.Errorf("%s at %s", b.read("#token"), got)
			}
			var studio int
			for _, address := range b.history() {
				if strings.HasPrefix(address, w.gateway.URL+"/studio") {
					studio++
				} else if strings.Contains(address, "#") {
					t.Errorf("the fragment went to %s", address)
				}
			}
			if studio != 1 {
				t.Errorf("the history: %q", b.history())
			}
			for _, cookie := range b.cookies(w.gateway.URL + "/auth/callback") {
				if strings.Contains(cookie.Name, "_fragment_") {
					t.Errorf("the browser still keeps %s", cookie.Name)
				}
			}
		})
	}
}

func TestThePageBeforeASignInIsOneStepBack(t *testing.T) {
	w := newWorld(t, setup{})
	w.quickly()
	b := newBrowser(t)
	b.open(w.gateway.URL + "/assets/start")
	b.see("#uri")
	b.open(w.gateway.URL + "/studio#part")
	eventually(t, "the page is there", func() bool {
		return b.address() == w.gateway.URL+"/studio#part" && strings.Contains(b.text(), "arrived")
	})
	b.act("going back", chromedp.Func(back))
	eventually(t, "back leads to the page before", func() bool { return strings.HasSuffix(b.address(), "/assets/start") })
	if n := w.osc.Counters().Authorizations; n != 1 {
		t.Errorf("%d sign-ins", n)
	}
}

func TestABrowserWithoutScriptsIsSentToSignInToo(t *testing.T) {
	w := newWorld(t, setup{})
	b := newBrowser(t)
	b.act("switching scripts off", chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	b.open(w.gateway.URL + "/studio#part")
	b.see("#account-alice, #allow")
	if !strings.HasPrefix(b.address(), w.osc.URL) {
		t.Errorf("at %s", b.address())
	}
}

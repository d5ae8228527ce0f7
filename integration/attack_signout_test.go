package integration

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// attackSignOuts are attacks on the end of a session, each in a world of its
// own.
var attackSignOuts = []struct {
	name string
	run  func(t *testing.T, a *attackRig)
}{
	{"LO-001 a provider that hangs holds nobody back", attackMuteProvider},
	{"LO-002 the cookie goes as it came, and no other", attackDeletion},
	{"LO-003 a sign-out leads nowhere else", attackLeavingSomewhere},
	{"LO-004 a sign-out of nobody", attackNobodysSignOut},
	{"LO-005 what was seen is not kept", attackKeptPages},
}

// attackLeave is the button of a page of the site's.
const attackLeave = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nContent-Length: 0\r\n"

func TestAttacksOnSigningOut(t *testing.T) {
	t.Parallel()
	for _, c := range attackSignOuts {
		t.Run(c.name, func(t *testing.T) {
			a := newAttackRig(t, attackSetup{})
			a.signIn("/")
			c.run(t, a)
			a.alive(t)
		})
	}
}

// leave signs out.
func (a *attackRig) leave(t *testing.T, target, lines string) answer {
	t.Helper()
	return a.send(t, attackRequest("POST", target, lines+attackOrigin+attackLeave)+attackEnd)
}

// checkSignedOut checks that a session is no more.
func (a *attackRig) checkSignedOut(t *testing.T) {
	t.Helper()
	got := a.send(t, attackRequest("GET", "/studio", attackCookie+attackPerson)+attackEnd)
	if requests := a.upstream.take(); !a.toProvider(got) || len(requests) != 0 {
		t.Errorf("still signed in: %v, the app got %q", got, requests)
	}
}

func attackMuteProvider(t *testing.T, a *attackRig) {
	a.osc.down()
	attackMute(t, a.osc.address)
	if got := a.leave(t, "/auth/signout", attackCookie); got.Status != http.StatusSeeOther {
		t.Error(got)
	}
	a.checkSignedOut(t)
}

func attackLeavingSomewhere(t *testing.T, a *attackRig) {
	got := a.leave(t, "/auth/signout?return_to=//elsewhere.example&redirect_uri=https://elsewhere.example", attackCookie+"Referer: https://elsewhere.example/\r\n")
	a.answered(t, got)
	if got.Status != http.StatusSeeOther || got.Header.Get("Location") != "/auth/signed-out" {
		t.Error(got)
	}
	a.checkSignedOut(t)
}

func attackNobodysSignOut(t *testing.T, a *attackRig) {
	for range 2 {
		for _, lines := range []string{"", "Cookie: osc_session=garbage\r\n", "Cookie: osc_session=\r\n"} {
			got := a.leave(t, "/auth/signout", lines)
			a.answered(t, got)
			if got.Status != http.StatusSeeOther {
				t.Errorf("%q: %v", lines, got)
			}
		}
	}
	a.checkSignedIn(t)
	for range 2 { // the second time it has ended already
		if got := a.leave(t, "/auth/signout", attackCookie); got.Status != http.StatusSeeOther {
			t.Error(got)
		}
	}
	a.checkSignedOut(t)
}

func attackKeptPages(t *testing.T, a *attackRig) {
	seen := a.send(t, attackRequest("GET", "/studio", attackCookie+attackPerson)+attackEnd)
	if seen.Header.Get("Cache-Control") != "private" || !strings.Contains(strings.Join(seen.Header["Vary"], ","), "Cookie") {
		t.Errorf("the page: %v", seen.Header)
	}
	a.upstream.take()
	done := a.leave(t, "/auth/signout", attackCookie)
	goodbye := a.send(t, attackRequest("GET", done.Header.Get("Location"), attackPerson)+attackEnd)
	for what, got := range map[string]answer{"signing out": done, "the page that says so": goodbye} {
		if got.Header.Get("Clear-Site-Data") != `"cache"` {
			t.Errorf("%s: Clear-Site-Data is %q", what, got.Header["Clear-Site-Data"])
		}
	}
	a.checkSignedOut(t)
}

// attackDeletion is about a site with https, whose cookies have a prefix that
// browsers insist on when they are deleted, too.
func attackDeletion(t *testing.T, plain *attackRig) {
	secure := newAttackProxy(t, "https://app.example.com")
	secure.signInByHand(t)
	for prefix, a := range map[string]*attackRig{"": plain, "__Host-": secure} {
		name := prefix + "osc_session"
		got := a.leave(t, "/auth/signout", strings.Replace(attackCookie, "osc_session", name, 1))
		var deleted int
		for _, line := range got.Header["Set-Cookie"] {
			set, err := http.ParseSetCookie(line)
			if err != nil || !strings.HasPrefix(set.Name, name) || set.Domain != "" || set.Value != "" || set.MaxAge >= 0 {
				t.Errorf("%s: %v", line, err)
			}
			if set.Name == name {
				deleted++
				if set.Path != "/" || !set.HttpOnly || set.SameSite != http.SameSiteLaxMode || set.Secure != (prefix != "") {
					t.Errorf("deleted with %s", line)
				}
			}
		}
		if got.Status != http.StatusSeeOther || deleted != 1 {
			t.Errorf("%v, deleted %d times", got, deleted)
		}
		// "cookies", or everything, would be those of all sites of the domain.
		if cleared := got.Header["Clear-Site-Data"]; len(cleared) != 1 || cleared[0] != `"cache"` {
			t.Errorf("Clear-Site-Data is %q", cleared)
		}
	}
}

// signInByHand signs alice in at a site that browsers reach by https.
func (a *attackRig) signInByHand(t *testing.T) {
	t.Helper()
	start := a.send(t, attackRequest("GET", "/auth/signin", attackPerson)+attackEnd)
	callback := newVisitor(t, a.origin).toCallback(start)
	done := a.send(t, attackRequest("GET", strings.TrimPrefix(callback, a.origin), attackPerson+"Cookie: "+attackSetCookies(start)+"\r\n")+attackEnd)
	for pair := range strings.SplitSeq(attackSetCookies(done), "; ") {
		if value, ok := strings.CutPrefix(pair, "__Host-osc_session="); ok {
			a.session = value
		}
	}
	if a.session == "" {
		t.Fatalf("not signed in: %v", done)
	}
	a.canaries.note(cookie, a.session)
}

// attackSetCookies is what a browser sends back after an answer.
func attackSetCookies(got answer) string {
	var pairs []string
	for _, line := range got.Header["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		pairs = append(pairs, pair)
	}
	return strings.Join(pairs, "; ")
}

// attackMute is a provider that takes connections and never says a word.
func attackMute(t *testing.T, address string) {
	var listener net.Listener
	eventually(t, "the address is free", func() (ok bool) {
		var err error
		listener, err = net.Listen("tcp", address)
		return err == nil
	})
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(io.Discard, conn)
			}()
		}
	}()
}

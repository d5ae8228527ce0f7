package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// answers writes every kind of answer once and names it.
func answers(app string, v View) map[string]*httptest.ResponseRecorder {
	p := New(app)
	all := map[string]*httptest.ResponseRecorder{"signed out": httptest.NewRecorder(), "confirm": httptest.NewRecorder()}
	p.SignedOut(all["signed out"], v.SignInURL)
	p.ConfirmSignOut(all["confirm"], "/auth/signout")
	for _, reason := range append(allReasons(), "no such reason") {
		v.Reason = reason
		for _, page := range []bool{true, false} {
			w := httptest.NewRecorder()
			p.Refuse(w, v, page)
			all[string(reason)+" page "+strconv.FormatBool(page)] = w
		}
	}
	return all
}

func refusePage(v View) (*httptest.ResponseRecorder, string) {
	w := httptest.NewRecorder()
	New("Intercom").Refuse(w, v, true)
	return w, w.Body.String()
}

func TestEveryAnswerIsUncachedUnframedAndOfItsType(t *testing.T) {
	for name, w := range answers("Intercom", View{SignInURL: "/auth/signin?return_to=%2F", Reference: "7F3K"}) {
		t.Run(name, func(t *testing.T) {
			contentType := "text/html; charset=utf-8"
			if strings.HasSuffix(name, "false") {
				contentType = "application/problem+json"
			}
			for field, want := range map[string]string{
				"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
				"Content-Type": contentType, "Content-Length": strconv.Itoa(w.Body.Len()),
			} {
				if got := w.Header().Get(field); got != want {
					t.Errorf("%s: %q, want %q", field, got, want)
				}
			}
			policy := w.Header().Get("Content-Security-Policy")
			for _, directive := range []string{"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
				if !strings.Contains(policy, directive) {
					t.Errorf("Content-Security-Policy %q lacks %s", policy, directive)
				}
			}
			if strings.Contains(policy, "unsafe") {
				t.Errorf("Content-Security-Policy %q", policy)
			}
		})
	}
}

var styleElement = regexp.MustCompile(`(?s)<style>(.*?)</style>`)

func TestEveryPageStandsAlone(t *testing.T) {
	for name, w := range answers("", View{SignInURL: "/auth/signin", RetryAfter: time.Second, Hint: "Set public_url."}) {
		if strings.HasSuffix(name, "false") {
			continue
		}
		body := w.Body.String()
		t.Run(name, func(t *testing.T) {
			styles := styleElement.FindAllStringSubmatch(body, -1)
			if len(styles) != 1 {
				t.Fatalf("%d style elements", len(styles))
			}
			sum := sha256.Sum256([]byte(styles[0][1]))
			hash := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
			if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "style-src "+hash) {
				t.Errorf("the style's hash is %s, the policy %q", hash, policy)
			}
			for _, foreign := range []string{"://", "src=", "url(", "@import", "<script", "<img", "<link", " style=", " on", "ZgotmplZ"} {
				if tag := regexp.MustCompile(`<[^>]*` + regexp.QuoteMeta(foreign)); tag.MatchString(body) || foreign != " on" && strings.Contains(body, foreign) {
					t.Errorf("the page contains %q", foreign)
				}
			}
			for _, once := range []string{"<!doctype html>", `<html lang="en">`, `name="viewport"`, "<title>", "</head>\n<body>", "<h1>", "<main>", "</main>", "</body>\n</html>"} {
				if strings.Count(body, once) != 1 {
					t.Errorf("%q stands there %d times", once, strings.Count(body, once))
				}
			}
			if actions := strings.Count(body, `class="button"`) + strings.Count(body, "<button"); actions > 1 {
				t.Errorf("%d things to do", actions)
			}
		})
	}
}

func TestPageSaysReasonReferenceAndHint(t *testing.T) {
	w, body := refusePage(View{Reason: BadRequest, Status: 405, Reference: "7F3K-2Q", Hint: "Set public_url https://app.example.com."})
	if w.Code != 405 {
		t.Errorf("status %d", w.Code)
	}
	for _, want := range []string{"<title>This request cannot be answered · Intercom</title>", "<code>bad_request</code>",
		"<code>7F3K-2Q</code>", "Set public_url https://app.example.com.", `href="/"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if _, body := refusePage(View{Reason: BadRequest}); strings.Contains(body, "Reference") || strings.Contains(body, "run this site:") {
		t.Error("an empty part is shown")
	}
}

func TestPageOffersOneThingToDo(t *testing.T) {
	const signIn = "/auth/signin?return_to=%2Fa%3Fb%3D1%26c"
	tests := []struct {
		name string
		v    View
		want string
	}{
		{"sign in", View{Reason: NoSession, SignInURL: signIn}, `<a class="button" href="` + signIn + `">Sign in</a>`},
		{"sign in again", View{Reason: SessionExpired, SignInURL: signIn}, `>Sign in again</a>`},
		{"nothing, where no sign-in is offered", View{Reason: NoSession}, ""},
		{"another account", View{Reason: TenantForbidden, SignInURL: signIn, SignOutURL: "/auth/signout"},
			`<form method="post" action="/auth/signout"><button>Use another account</button></form>`},
		{"another account without a sign-out", View{Reason: TenantForbidden, SignInURL: signIn}, `>Sign in with another account</a>`},
		{"the same page again", View{Reason: StoreUnavailable}, `<a class="button" href="">Try again</a>`},
		{"the same page again, now", View{Reason: StoreUnavailable, SignInURL: signIn, RetryAfter: time.Second}, `<a class="button" href="">Try again now</a>`},
		{"another page", View{Reason: ProviderUnavailable, RetryAfter: time.Second, RetryURL: signIn}, `<a class="button" href="` + signIn + `">Try again now</a>`},
		{"another page, which takes no waiting", View{Reason: ConsentDenied, SignInURL: "/no", RetryURL: signIn}, `<a class="button" href="` + signIn + `">Sign in</a>`},
		{"another page for no reason of its own", View{Reason: BadRequest, RetryURL: signIn}, `<a class="button" href="` + signIn + `">Try again</a>`},
		{"the start page", View{Reason: CrossOrigin, SignInURL: signIn}, `<a class="button" href="/">Go to the start page</a>`},
		{"an unknown reason", View{Reason: "no such reason"}, `<a class="button" href="">Try again</a>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, body := refusePage(tt.v)
			found := regexp.MustCompile(`(?s)<form.*?</form>|<a .*?</a>`).FindAllString(body, -1)
			switch {
			case tt.want == "" && len(found) == 0:
			case len(found) != 1 || tt.want == "" || !strings.Contains(html.UnescapeString(found[0]), tt.want):
				t.Errorf("got %q, want %q", found, tt.want)
			}
		})
	}
}

func TestPageReloadsItself(t *testing.T) {
	tests := []struct {
		v               View
		meta, retryTime string
	}{
		{View{RetryAfter: 1500 * time.Millisecond}, `content="2"`, "2"},
		{View{RetryAfter: 30 * time.Second, RetryURL: "/auth/signin"}, `content="30; url=/auth/signin"`, "30"},
		{View{RetryAfter: time.Nanosecond, RetryURL: "https://evil.example/"}, `content="1"`, "1"},
		{View{RetryURL: "/auth/signin"}, "", ""},
		{View{RetryAfter: -time.Second}, "", ""},
	}
	for _, tt := range tests {
		tt.v.Reason = ProviderUnavailable
		w, body := refusePage(tt.v)
		if got := w.Header().Get("Retry-After"); got != tt.retryTime {
			t.Errorf("%+v: Retry-After %q", tt.v, got)
		}
		meta := regexp.MustCompile(`<meta http-equiv="refresh" ([^>]*)>[^<]*</head>`).FindStringSubmatch(body)
		switch {
		case tt.meta == "" && meta == nil && !strings.Contains(body, "http-equiv"):
		case meta == nil || meta[1] != tt.meta:
			t.Errorf("%+v: %v, want %q", tt.v, meta, tt.meta)
		}
	}
}

func TestNothingGivenCanBreakOut(t *testing.T) {
	const evil = `"><script>alert(1)</script>{{.}}</title></style>`
	for name, w := range answers(evil, View{SignInURL: "/" + evil, SignOutURL: "/" + evil, RetryURL: "/" + evil,
		RetryAfter: time.Second, Hint: evil, Reference: evil}) {
		body := w.Body.String()
		for _, tag := range []string{"<script", "</title></style>", `"><script`} {
			if strings.Contains(body, tag) {
				t.Errorf("%s: %s got through", name, tag)
			}
		}
	}
	for _, url := range []string{"javascript:alert(1)", "https://evil.example", "//evil.example", `/\evil.example`, "/\t/evil.example", "evil"} {
		for name, w := range answers("", View{SignInURL: url, SignOutURL: url, RetryURL: url, RetryAfter: time.Second}) {
			if strings.Contains(w.Body.String(), "evil") || strings.Contains(w.Body.String(), "javascript:") {
				t.Errorf("%s shows %q", name, url)
			}
		}
	}
}

func TestSigningOutIsHonest(t *testing.T) {
	w := httptest.NewRecorder()
	New("Intercom").SignedOut(w, "/auth/signin")
	for _, want := range []string{"You are signed out", "up to an hour", "still be signed in to Open Source Cloud", `href="/auth/signin"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "http-equiv") {
		t.Error("the signed-out page must stay where it is")
	}
	w = httptest.NewRecorder()
	New("").ConfirmSignOut(w, "/auth/signout")
	if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, `<form method="post" action="/auth/signout"><button>Sign out</button></form>`) {
		t.Errorf("%d %s", w.Code, body)
	}
	// A form on a page without referrer is posted with "Origin: null".
	if !strings.Contains(w.Body.String(), `<meta name="referrer" content="strict-origin">`) {
		t.Error("our own form would look cross-origin")
	}
}

func TestTheWrongWorkspaceSaysWhoOneIsAndWhoMayGoOn(t *testing.T) {
	v := View{Reason: TenantForbidden, SignOutURL: "/auth/signout?switch=%2Fa", User: "alice", Tenant: "gamma", Tenants: []string{"acme", "beta"}}
	_, body := refusePage(v)
	for _, want := range []string{"<dd>alice</dd>", "<dd>gamma</dd>", "<dd>acme, beta</dd>", "sign out of Open Source Cloud itself"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing", want)
		}
	}
	v.Tenants = []string{"a1", "b2", "c3", "d4", "e5", "f6"}
	if _, body = refusePage(v); strings.Contains(body, "c3") || strings.Contains(body, "This page is for") || !strings.Contains(body, "alice") {
		t.Error("a long list helps nobody, and tells who the customers are")
	}
	if _, body = refusePage(View{Reason: TenantForbidden}); strings.Contains(body, "<dl>") {
		t.Error("nothing is known, and a list of it is shown")
	}
	w := httptest.NewRecorder()
	New("").Refuse(w, v, false)
	if strings.Contains(w.Body.String(), "alice") || strings.Contains(w.Body.String(), "gamma") {
		t.Errorf("programs have /auth/session for this: %s", w.Body)
	}
}

func TestSwitchingAccountsGoesOnByItself(t *testing.T) {
	w := httptest.NewRecorder()
	New("").SwitchAccount(w, "/auth/signin?return_to=%2Fa")
	if got := w.Header().Get("Refresh"); w.Code != http.StatusOK || got != "0; url=/auth/signin?return_to=%2Fa" || !strings.Contains(w.Body.String(), `href="/auth/signin?return_to=%2Fa"`) {
		t.Errorf("%d, Refresh %q\n%s", w.Code, got, w.Body)
	}
	w = httptest.NewRecorder()
	New("").SwitchAccount(w, "https://evil.example/")
	if got := w.Header().Get("Refresh"); strings.Contains(got+w.Body.String(), "evil") {
		t.Errorf("Refresh %q\n%s", got, w.Body)
	}
}

// Who can't see a page hears it: one heading, what it is about as its main part,
// and what changes by itself announced.
func TestPagesAreForScreenReaders(t *testing.T) {
	w := httptest.NewRecorder()
	support, err := ParseSupport("https://example.com/help")
	if err != nil {
		t.Fatal(err)
	}
	Branded(Brand{Name: "Intercom", Support: support}).Refuse(w, View{Reason: StoreUnavailable, RetryAfter: time.Second}, true)
	body := w.Body.String()
	for _, want := range []string{`<html lang="en">`, "<header><span>Intercom</span></header>\n<main>\n<h1>", `<p role="status">This page tries again`, "</main>\n<footer>"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	p := New("")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.Refuse(w, View{Reason: StoreUnavailable}, true)
	}))
	defer server.Close()
	response, err := http.Head(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != 503 || response.ContentLength < 1000 {
		t.Errorf("%d with Content-Length %d", response.StatusCode, response.ContentLength)
	}
}

func BenchmarkRefusePage(b *testing.B) {
	p := New("Intercom")
	v := View{Reason: StoreUnavailable, RetryAfter: 5 * time.Second, Reference: "7F3K-2Q"}
	for b.Loop() {
		p.Refuse(httptest.NewRecorder(), v, true)
	}
}

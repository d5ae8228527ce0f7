package gate_test

import (
	"cmp"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// formPost is what browsers send with a form of the site's own page.
var formPost = headers{
	"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-User": "?1",
	"Accept": "text/html", "Upgrade-Insecure-Requests": "1", "Origin": origin, "Content-Type": "application/x-www-form-urlencoded",
}

func (h headers) but(name, value string) headers {
	changed := headers{name: value}
	for other, value := range h {
		if other != name {
			changed[other] = value
		}
	}
	return changed
}

// post sends a body.
func (b *browser) post(target, body string, with headers) answer {
	b.rig.t.Helper()
	r := request(b.rig.t, "POST", target, with)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return b.send(r)
}

var sealedInput = regexp.MustCompile(`id="sealed" value="([^"]*)"`)

// sealed is the form that a page has the tab keep.
func (a answer) sealed(t testing.TB) string {
	t.Helper()
	found := sealedInput.FindStringSubmatch(a.Body.String())
	if found == nil {
		t.Fatalf("%d keeps nothing:\n%s", a.Code, a.Body)
	}
	return html.UnescapeString(found[1])
}

// signInFor signs in to come back for a form.
func (b *browser) signInFor(a answer) {
	b.rig.t.Helper()
	if !strings.Contains(a.Body.String(), `href="/auth/signin?resume=1"`) {
		b.rig.t.Fatalf("no way to sign in for it:\n%s", a.Body)
	}
	if done := b.finish(b.navigate("/auth/signin?resume=1").state(b.rig.t)); done.location() != "/auth/resume" {
		b.rig.t.Fatalf("ended at %d %s", done.Code, done.location())
	}
	if page := b.navigate("/auth/resume"); page.Code != http.StatusOK || !strings.Contains(page.Body.String(), `action="/auth/resume"`) {
		b.rig.t.Fatalf("%d %s", page.Code, page.Body)
	}
}

func (b *browser) resume(sealed string) answer {
	b.rig.t.Helper()
	return b.post("/auth/resume", url.Values{"kept": {sealed}}.Encode(), formPost)
}

var fieldInput = regexp.MustCompile(`<input type="(hidden|file)" name="([^"]*)"(?: value="([^"]*)")?`)

// offered are the fields of the form a page offers to send, "name=value" each.
func (a answer) offered() (fields []string) {
	for _, found := range fieldInput.FindAllStringSubmatch(a.Body.String(), -1) {
		field := html.UnescapeString(found[2]) + "=" + html.UnescapeString(found[3])
		if found[1] == "file" {
			field += " (file)"
		}
		fields = append(fields, field)
	}
	return fields
}

const multipartType = "multipart/form-data; boundary=xx"

func parts(lines ...string) string { return strings.Join(append(lines, ""), "\r\n") }

func TestAFormSentWhenTheSessionIsOverIsOfferedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		kind, body, enctype string
		want                []string
	}{
		"a form": {formPost["Content-Type"], "b=2&a=1+%2B%26&a=&note=line%0D%0Atwo&%3Cx%3E=%22%3E%3Cscript%3E", `enctype="application/x-www-form-urlencoded"`,
			[]string{"b=2", "a=1 +&", "a=", "note=line\r\ntwo", `<x>="><script>`}},
		"one with a file nobody chose": {multipartType, parts("--xx", `Content-Disposition: form-data; name="title"`, "", "Ada", "--xx",
			`Content-Disposition: form-data; name="picture"; filename=""`, "Content-Type: application/octet-stream", "", "", "--xx--"),
			`enctype="multipart/form-data"`, []string{"title=Ada", "picture= (file)"}},
		"an empty one": {formPost["Content-Type"], "", `enctype="application/x-www-form-urlencoded"`, nil},
	} {
		for _, ended := range []tokens.EndReason{tokens.EndExpired, tokens.EndRevoked, tokens.EndRejected, ""} {
			r := newRig(t)
			b := r.signedIn("ada", "acme")
			if ended == "" {
				b = r.browser()
			} else {
				r.vault.end(b.session, ended)
			}
			a := b.post("/app/save?x=1&y=%22", tt.body, formPost.but("Content-Type", tt.kind))
			if a.Code != http.StatusUnauthorized || a.passed || a.Header().Get("WWW-Authenticate") == "" || !strings.Contains(a.Body.String(), string(r.observer.last())) {
				t.Fatalf("%s, %s: %d %s", name, ended, a.Code, a.Body)
			}
			sealed := a.sealed(t)
			if strings.Contains(strings.ReplaceAll(a.Body.String(), sealed, ""), "Ada") { // what is sealed may spell anything
				t.Errorf("%s: the page shows what was sent", name)
			}
			b.signInFor(a)
			offer := b.resume(sealed)
			body := offer.Body.String()
			if got := offer.offered(); strings.Join(got, "|") != strings.Join(tt.want, "|") || offer.Code != http.StatusOK {
				t.Errorf("%s: %d offers %q, want %q", name, offer.Code, got, tt.want)
			}
			if !strings.Contains(body, `method="post" action="/app/save?x=1&amp;y=%22" `+tt.enctype) || strings.Count(body, "<script") != 1 {
				t.Errorf("%s: %s", name, body)
			}
			if r.app.count() != 0 {
				t.Errorf("%s: sent without anybody's press", name)
			}
			r.checkLog("Ada", sealed[:20])
		}
	}
}

func TestAFormOfSomebodyElseIsNeitherShownNorSent(t *testing.T) {
	r := newRig(t)
	b := r.signedIn("grace", "acme")
	r.vault.end(b.session, tokens.EndExpired)
	a := b.post("/app/save", "note=hers", formPost)
	b.signInFor(a) // as ada
	if got := b.resume(a.sealed(t)); got.Code != http.StatusForbidden || strings.Contains(got.Body.String(), "note") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestWhatIsNoFormOfTheSitesOwnIsNotKeptAndNotRead(t *testing.T) {
	for name, tt := range map[string]struct {
		target string
		with   headers
	}{
		"a route for programs":   {"/api/save", formPost},
		"a path for programs":    {"/robots.txt", formPost},
		"fetch()":                {"/app", scripted.but("Origin", origin)},
		"another site's":         {"/app", formPost.but("Sec-Fetch-Site", "cross-site").but("Origin", "https://evil.example")},
		"a neighbour's":          {"/app", formPost.but("Sec-Fetch-Site", "same-site").but("Origin", "https://b.example.com")},
		"a liar's":               {"/app", formPost.but("Origin", "https://evil.example")},
		"a program's":            {"/app", formPost.but("Upgrade-Insecure-Requests", "0")},
		"a frame's":              {"/app", formPost.but("Sec-Fetch-Dest", "iframe")},
		"a script's by its mark": {"/app", formPost.but("X-Requested-With", "XMLHttpRequest")},
	} {
		b := newRig(t).browser()
		r := request(t, "POST", tt.target, tt.with)
		r.Body, r.ContentLength = unread{t, name}, 7
		if a := b.send(r); a.Code != http.StatusUnauthorized || a.reason() != "no_session" || a.passed {
			t.Errorf("%s: %d %s", name, a.Code, a.Body)
		}
	}
}

// unread is a body that must not be read.
type unread struct {
	t    testing.TB
	name string
}

func (u unread) Read([]byte) (int, error) {
	u.t.Errorf("%s: the body was read", u.name)
	return 0, io.EOF
}

func (unread) Close() error { return nil }

func TestAFormThatCanNotBeSentAgainIsSaidToBeLost(t *testing.T) {
	file := parts("--xx", `Content-Disposition: form-data; name="f"; filename="a.txt"`, "", "text", "--xx--")
	for name, tt := range map[string]struct{ target, kind, body string }{
		"a file":            {"/app", multipartType, file},
		"a cut one":         {"/app", multipartType, file[:40]},
		"too large":         {"/app", formPost["Content-Type"], "a=" + strings.Repeat("a", 64<<10)},
		"too many fields":   {"/app", formPost["Content-Type"], strings.Repeat("a=1&", 1001)},
		"another encoding":  {"/app", "text/plain", "a=1"},
		"no type":           {"/app", "", "a=1"},
		"a broken escape":   {"/app", formPost["Content-Type"], "a=%zz"},
		"no text":           {"/app", formPost["Content-Type"], "a=%ff"},
		"a NUL":             {"/app", formPost["Content-Type"], "a=%00"},
		"no name":           {"/app", formPost["Content-Type"], "=1"},
		"too long a path":   {"/app?" + strings.Repeat("a", 3000), formPost["Content-Type"], "a=1"},
		"a path to nowhere": {"/app/%2525252541", formPost["Content-Type"], "a=1"},
	} {
		for _, length := range []int64{int64(len(tt.body)), -1} {
			b := newRig(t).browser()
			r := request(t, "POST", tt.target, formPost.but("Content-Type", tt.kind))
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(tt.body)), length
			a := b.send(r)
			if a.Code != http.StatusUnauthorized || !strings.Contains(a.Body.String(), "could not be kept") || sealedInput.MatchString(a.Body.String()) || strings.Contains(a.Body.String(), "<script") {
				t.Errorf("%s: %d %s", name, a.Code, a.Body)
			}
			if a.Header().Get("Connection") != "close" {
				t.Errorf("%s: the connection stays open for the rest of the body", name)
			}
		}
	}
}

func TestOnlySoManyFormsAreReadAtATime(t *testing.T) {
	r := newRig(t)
	reading, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			slow := request(t, "POST", "/app", formPost)
			slow.Body, slow.ContentLength = &slowBody{reading: reading, release: release}, -1
			r.serve(slow)
		})
		<-reading
	}
	if a := r.browser().post("/app", "a=1", formPost); sealedInput.MatchString(a.Body.String()) || a.Code != http.StatusUnauthorized {
		t.Errorf("a 17th: %d", a.Code)
	}
	close(release)
	all.Wait()
	r.browser().post("/app", "a=1", formPost).sealed(t)
}

func TestFormsThatAreSentSlowlyKeepNobodyElsesFromBeingRead(t *testing.T) {
	r := newRig(t)
	reading := make(chan struct{})
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	slow := func() (answered <-chan *slowWriter) {
		done := make(chan *slowWriter, 1)
		w := &slowWriter{ResponseRecorder: httptest.NewRecorder(), over: make(chan struct{})}
		t.Cleanup(w.end)
		all.Go(func() {
			request := request(t, "POST", "/app", formPost)
			request.Body, request.ContentLength = &slowBody{reading: reading, release: w.over, err: os.ErrDeadlineExceeded}, -1
			_ = r.gate.ServeHTTP(w, request, r.app)
			done <- w
		})
		select {
		case <-reading:
		case w := <-done:
			t.Fatalf("one more is not read: %d", w.Code)
		}
		return done
	}
	var senders []<-chan *slowWriter
	for range 17 { // at once, of whom the first has to make place
		senders = append(senders, slow())
	}
	if w := <-senders[0]; w.Code != http.StatusUnauthorized || w.Header().Get("Connection") != "close" {
		t.Errorf("who took longest: %d %v", w.Code, w.Header())
	}
	// Somebody whose form comes at once has it kept, and the next to make place is
	// the one who then takes longest.
	r.browser().post("/app", "a=1", formPost).sealed(t)
	<-senders[1]
	senders = append(senders, slow())
	for _, sender := range senders[2:] {
		select {
		case <-sender:
			t.Error("one more had to make place")
		default:
		}
	}
}

// slowWriter ends a slow body when the time to read it is over.
type slowWriter struct {
	*httptest.ResponseRecorder
	over chan struct{}
	once sync.Once
}

func (w *slowWriter) end() { w.once.Do(func() { close(w.over) }) }

func (w *slowWriter) SetReadDeadline(deadline time.Time) error {
	if !deadline.IsZero() && deadline.Before(time.Unix(1e9, 0)) {
		w.end()
	}
	return nil
}

// slowBody says when it is being read, and goes on when it may.
type slowBody struct {
	reading chan<- struct{}
	release <-chan struct{}
	err     error // instead of the body's end
}

func (s *slowBody) Read([]byte) (int, error) {
	s.reading <- struct{}{}
	<-s.release
	return 0, cmp.Or(s.err, io.EOF)
}

func (*slowBody) Close() error { return nil }

func TestWhatATabHandsOverIsWhatItWasGiven(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	a := b.post("/app/save", "note=1", formPost)
	sealed := a.sealed(t)
	b.signInFor(a)
	for name, bad := range map[string]string{
		"nothing": "", "cut": sealed[:len(sealed)-2], "changed": sealed[:30] + flip(sealed[30:]), "no base64": "%%%", "too much": strings.Repeat("A", 2<<20),
	} {
		if got := b.resume(bad); got.Code != http.StatusGone || len(got.offered()) > 0 {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
	other := newRig(t)
	signedIn := other.signedIn("ada", "acme")
	if got := signedIn.resume(sealed); got.Code != http.StatusGone {
		t.Errorf("another gateway's: %d", got.Code)
	}
	if got := b.resume(sealed); got.Code != http.StatusOK {
		t.Errorf("as it was: %d", got.Code)
	}
	r.clock.Advance(10 * time.Minute)
	if got := b.resume(sealed); got.Code != http.StatusGone {
		t.Errorf("too late: %d", got.Code)
	}
}

func flip(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

func TestNobodyElseCanHandAFormOver(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	a := b.post("/app/save", "note=1", formPost)
	sealed := url.Values{"kept": {a.sealed(t)}}.Encode()
	b.signInFor(a)
	for name, with := range map[string]headers{
		"a stranger":  formPost.but("Origin", "https://evil.example").but("Sec-Fetch-Site", "cross-site"),
		"a neighbour": formPost.but("Origin", "https://b.example.com").but("Sec-Fetch-Site", "same-site"),
	} {
		if got := b.post("/auth/resume", sealed, with); got.Code != http.StatusForbidden || len(got.offered()) > 0 {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
	if got := b.do("GET", "/auth/resume", iframe); got.Code != http.StatusForbidden {
		t.Errorf("a frame: %d", got.Code)
	}
	nobody := r.browser()
	if done := nobody.finish(nobody.navigate("/auth/resume").state(t)); done.location() != "/auth/resume" {
		t.Errorf("signed out: %d %s", done.Code, done.location())
	}
	if got := r.browser().post("/auth/resume", sealed, formPost); !got.toProvider() {
		t.Errorf("signed out, with a form: %d", got.Code)
	}
}

func TestAFormThatIsKeptTakesNothingFromTheServer(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	for i := range 20 {
		b.post("/app/"+strconv.Itoa(i), "note=1", formPost).sealed(t)
	}
	if n := r.vault.touched(); n != 0 || len(b.jar) != 0 {
		t.Errorf("%d calls of the vault, cookies %v", n, b.jar)
	}
}

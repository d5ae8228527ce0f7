package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

var scriptElement = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// checkScript checks that the one script of a page is allowed by its hash, and
// nothing else is.
func checkScript(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	scripts := scriptElement.FindAllStringSubmatch(w.Body.String(), -1)
	if len(scripts) != 1 || strings.Count(w.Body.String(), "<script") != 1 {
		t.Fatalf("%d scripts:\n%s", len(scripts), w.Body)
	}
	sum := sha256.Sum256([]byte(scripts[0][1]))
	policy := w.Header().Get("Content-Security-Policy")
	if want := "script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.HasSuffix(policy, want) {
		t.Errorf("the policy is %q, without %s", policy, want)
	}
	for _, directive := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, directive) {
			t.Errorf("the policy is %q, without %s", policy, directive)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Count(policy, "script-src") != 1 {
		t.Errorf("the policy is %q", policy)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

func TestThePageThatLeadsToTheProvider(t *testing.T) {
	const evil = `"><script>alert(1)</script>`
	w := httptest.NewRecorder()
	New("Intercom").Leave(w, Leaving{URL: "https://osc.example/a?b=1&c=2", Cookie: "__Secure-x_1", Attributes: "; Path=/auth/callback; Secure", Limit: 2048})
	checkScript(t, w)
	body := w.Body.String()
	for _, want := range []string{
		`<noscript><meta http-equiv="refresh" content="0; url=https://osc.example/a?b=1&amp;c=2"></noscript>`,
		`href="https://osc.example/a?b=1&amp;c=2" data-cookie="__Secure-x_1" data-attributes="; Path=/auth/callback; Secure" data-limit="2048"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing in\n%s", want, body)
		}
	}
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") != "OSC-Session" || strings.Count(body, `class="button"`) != 1 {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	w = httptest.NewRecorder()
	New(evil).Leave(w, Leaving{URL: "https://osc.example/" + evil, Cookie: evil, Attributes: evil})
	checkScript(t, w)
}

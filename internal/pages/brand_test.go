package pages

import (
	"net/http/httptest"
	"strings"
	"testing"
)

const anSVG = `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`

func TestALogoIsEmbeddedAndLetInAsAPictureAlone(t *testing.T) {
	for mediaType, file := range map[string]string{
		"image/png":     "\x89PNG\x0d\x0a\x1a\x0a rest",
		"image/jpeg":    "\xff\xd8\xff rest",
		"image/gif":     "GIF89a rest",
		"image/webp":    "RIFF\x00\x00\x00\x00WEBPVP8 rest",
		"image/svg+xml": anSVG,
	} {
		logo, err := ReadLogo([]byte(file))
		if err != nil {
			t.Errorf("%s: %v", mediaType, err)
			continue
		}
		w := httptest.NewRecorder()
		Branded(Brand{Logo: logo}).Refuse(w, View{Reason: NoSession}, true)
		if !strings.Contains(w.Body.String(), `<img class="logo" alt="" src="data:`+mediaType+`;base64,`) {
			t.Errorf("%s:\n%s", mediaType, w.Body)
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "; img-src data:; ") || !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") {
			t.Errorf("%s: %s", mediaType, policy)
		}
	}
	if w, _ := refusePage(View{Reason: NoSession}); strings.Contains(w.Header().Get("Content-Security-Policy"), "img-src") {
		t.Error("a page without a picture lets pictures in")
	}
}

func TestWhatIsNoLogo(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"nothing":            {"", "not a picture"},
		"text":               {"hello", "not a picture"},
		"HTML":               {"<html><body><svg></svg></body></html>", "not a picture"},
		"a script":           {"<script>alert(1)</script>", "not a picture"},
		"a PDF":              {"%PDF-1.7", "not a picture"},
		"BMP":                {"BM rest", "not a picture"},
		"no namespace":       {"<svg></svg>", "xmlns"},
		"broken SVG":         {`<svg xmlns="http://www.w3.org/2000/svg"><g></svg>`, "broken SVG"},
		"an SVG that breaks": {`<svg xmlns="http://www.w3.org/2000/svg">`, "broken SVG"},
		"too large":          {"GIF89a" + strings.Repeat("a", MaxLogo), "at most 65536"},
	} {
		if _, err := ReadLogo([]byte(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadLogo([]byte("GIF89a" + strings.Repeat("a", MaxLogo-6))); err != nil {
		t.Errorf("the largest there may be: %v", err)
	}
}

func TestSupportIsALinkThatOpensNothingElse(t *testing.T) {
	for _, text := range []string{"mailto:help@example.com", "mailto:help@example.com?subject=Signing%20in", "https://example.com/help?a=b&c=d"} {
		support, err := ParseSupport(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		w := httptest.NewRecorder()
		Branded(Brand{Support: support}).SignedOut(w, "/auth/signin")
		if link := `<a href="` + strings.ReplaceAll(text, "&", "&amp;") + `">Get help</a>`; !strings.Contains(w.Body.String(), link) {
			t.Errorf("%s is missing:\n%s", link, w.Body)
		}
	}
	for _, text := range []string{
		"", "help@example.com", "javascript:alert(1)", "JavaScript:alert(1)//@", "data:text/html,a@b", "http://example.com", "//example.com",
		"/help", "https:", "https://", "https://user:pass@example.com", "mailto:", "mailto:nobody", "vbscript:a@b", " https://example.com", "https://exa mple.com",
	} {
		if support, err := ParseSupport(text); err == nil {
			t.Errorf("%q is %q", text, support.url)
		}
	}
}

func TestABrandCanNotBreakOut(t *testing.T) {
	support, err := ParseSupport(`https://example.com/"><script>alert(1)</script>`)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	Branded(Brand{Name: `</title></style><script>alert(1)</script>`, Support: support}).Refuse(w, View{Reason: TenantForbidden,
		SignOutURL: "/out", User: `<script>alert(1)</script>`, Tenant: `"><script>`, Tenants: []string{"<script>", "</style>"}}, true)
	if body := w.Body.String(); strings.Contains(body, "<script") || strings.Count(body, "</style>") != 1 || strings.Count(body, "</title>") != 1 {
		t.Error(body)
	}
}

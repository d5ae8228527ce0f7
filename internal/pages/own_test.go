package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// documented is the template of docs/pages.md.
func documented(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/pages.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)\n```html\n(.*?)```\n").FindSubmatch(doc)
	if found == nil {
		t.Fatal("docs/pages.md has no template")
	}
	return string(found[1])
}

func ownTemplate(t *testing.T, text string) *Template {
	t.Helper()
	own, err := ParseTemplate(text)
	if err != nil {
		t.Fatal(err)
	}
	return own
}

func TestTheDocumentedTemplateShowsEveryPage(t *testing.T) {
	for _, newline := range []string{"\n", "\r\n"} {
		own := ownTemplate(t, strings.ReplaceAll(documented(t), "\n", newline))
		for _, reason := range append(allReasons(), "no such reason") {
			w := httptest.NewRecorder()
			Branded(Brand{Name: "Intercom", Template: own}).Refuse(w, View{Reason: reason, SignInURL: "/auth/signin", SignOutURL: "/auth/signout",
				User: "alice", Tenant: "gamma", RetryAfter: 3 * time.Second, Hint: "Look here.", Reference: "7f3k"}, true)
			body := w.Body.String()
			for _, want := range []string{"Georgia", "<h1>" + reason.entry().title + "</h1>", "– Intercom</title>", `<form method="post" action="/auth/signout">`,
				`content="3"`, `<meta name="referrer" content="strict-origin">`, "You are alice", "gamma", "Look here.", string(reason) + " 7f3k"} {
				if !strings.Contains(body, want) {
					t.Errorf("%s: %q is missing:\n%s", reason, want, body)
				}
			}
			_, css, _ := strings.Cut(body, "<style>")
			css, _, _ = strings.Cut(css, "</style>")
			sum := sha256.Sum256([]byte(css))
			if policy := w.Header().Get("Content-Security-Policy"); strings.Contains(body, "\r") || !strings.Contains(policy, base64.StdEncoding.EncodeToString(sum[:])) {
				t.Errorf("%s: its style is not let in by %s", reason, policy)
			}
		}
	}
}

func TestEveryFieldIsDocumentedAndEveryDocumentedFieldIsThere(t *testing.T) {
	doc, err := os.ReadFile("../../docs/pages.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := bytes.Cut(doc, []byte("| field |"))
	table, _, _ = bytes.Cut(table, []byte("\n\n"))
	fields := regexp.MustCompile("`\\.([A-Z][a-z]+)`").FindAllSubmatch(table, -1)
	text := "<head>{{.Head}}</head>{{.Action}}"
	known := map[string]bool{}
	for _, field := range fields {
		text += "{{if ." + string(field[1]) + "}}{{end}}"
		known[string(field[1])] = true
	}
	ownTemplate(t, text)
	if len(known) != 16 {
		t.Errorf("%d fields are documented", len(known))
	}
}

// Every style of a page is let in, and a second one changes nothing for the first.
func TestSeveralStylesAreLetIn(t *testing.T) {
	own := ownTemplate(t, "<head>{{.Head}}<style>{{.Style}}</style><style>p { color: #123456 }</style></head>{{.Action}}")
	w := httptest.NewRecorder()
	Branded(Brand{Template: own}).SignedOut(w, "/auth/signin")
	if policy := w.Header().Get("Content-Security-Policy"); strings.Count(policy, "'sha256-") != 2 || !strings.Contains(policy, "default-src 'none'") {
		t.Error(policy)
	}
}

func TestATemplateThatDoesNotWorkIsRefused(t *testing.T) {
	const head, action = "<head>{{.Head}}</head>", "<body>{{.Action}}</body>"
	for name, c := range map[string]struct{ text, want string }{
		"no template":                        {"{{if}}", "missing value"},
		"an end too few":                     {head + action + "{{if .Hint}}", "unexpected EOF"},
		"an unknown field":                   {head + action + "{{.Colour}}", "Colour"},
		"an unknown one deep in a condition": {head + action + "{{if .Hint}}{{.Colour}}{{end}}", "Colour"},
		"one that escaping can't place":      {head + action + "<a href={{if .Hint}}'{{end}}x>", "end in different contexts"},
		"no head":                            {"<head></head>" + action, ".Head"},
		"no action":                          {head, ".Action"},
		"a script":                           {head + action + "<script>alert(1)</script>", "<script>"},
		"a script in capitals":               {head + action + "<SCRIPT src=x></SCRIPT>", "no script runs there"},
		"a style from elsewhere":             {head + action + `<link rel="stylesheet" href="/style.css">`, "<link>"},
		"a frame":                            {head + action + `<iframe src="/"></iframe>`, "<iframe>"},
		"an attribute style":                 {head + action + `<p style="color: red">`, "write a rule in <style>"},
		"an event":                           {head + action + `<p onclick="alert(1)">`, "no script runs there"},
		"a picture from elsewhere":           {head + action + `<img alt="" src="https://example.com/a.png">`, "data:image/"},
		"a style with an attribute":          {head + action + `<style media="print">p { margin: 0 }</style>`, "without attributes"},
		"a style in capitals":                {head + action + `<STYLE>p { margin: 0 }</STYLE>`, "in lower case"},
		"too large":                          {head + action + strings.Repeat(" ", MaxTemplate), "at most 262144"},
	} {
		if _, err := ParseTemplate(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What was tried may still fail on a page that was not.
func TestATemplateThatFailsAfterAllGivesWayToTheGatewaysOwn(t *testing.T) {
	own := ownTemplate(t, `<head>{{.Head}}</head>{{.Action}}{{if eq .Reference "unforeseen"}}{{index .Notes 99}}{{end}}`)
	w := httptest.NewRecorder()
	Branded(Brand{Template: own}).Refuse(w, View{Reason: StoreUnavailable, Reference: "unforeseen"}, true)
	if body := w.Body.String(); w.Code != 503 || !strings.HasPrefix(body, "<!doctype html>") || strings.Count(body, "<h1>") != 1 || !strings.Contains(body, "unforeseen") {
		t.Errorf("%d\n%s", w.Code, body)
	}
}

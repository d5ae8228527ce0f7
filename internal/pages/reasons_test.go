package pages

import (
	"encoding/json"
	"html"
	"maps"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// allReasons returns all reasons in the order of the documentation.
func allReasons() []Reason { return Reasons() }

func TestEveryReasonHasItsStatusAndWords(t *testing.T) {
	want := map[Reason]int{
		NoSession: 401, SessionExpired: 401, SessionRevoked: 401, RefreshRejected: 401, TokenRejected: 401,
		TenantForbidden: 403, CrossOrigin: 403, ConsentDenied: 403,
		FlowExpired: 400, StateMismatch: 400, BadRequest: 400,
		ProviderError: 502, ProviderUnavailable: 503, StoreUnavailable: 503, TooManySessions: 503, AppUnavailable: 503,
		RedirectLoop: 508, RateLimited: 429,
	}
	reasons := allReasons()
	if len(reasons) != len(want) {
		t.Errorf("%d reasons, want %d", len(reasons), len(want))
	}
	titles := map[string]bool{}
	for _, reason := range reasons {
		if got := reason.Status(); got != want[reason] {
			t.Errorf("%s: status %d, want %d", reason, got, want[reason])
		}
		e := reason.entry()
		if e.title == "" || len(e.text) < 40 || strings.HasSuffix(e.title, ".") || !strings.HasSuffix(e.text, ".") {
			t.Errorf("%s: %q %q", reason, e.title, e.text)
		}
		titles[e.title] = true
	}
	if len(titles) != len(reasons) {
		t.Error("two reasons read the same")
	}
	if got := Reason("no such reason").Status(); got != 500 {
		t.Errorf("an unknown reason is %d", got)
	}
}

func TestEveryReasonIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	var headings []Reason
	for _, m := range regexp.MustCompile(`(?m)^## (\S+)$`).FindAllStringSubmatch(string(doc), -1) {
		headings = append(headings, Reason(m[1]))
	}
	if !slices.Equal(headings, allReasons()) {
		t.Errorf("documented: %v\nknown: %v", headings, allReasons())
	}
	for _, reason := range allReasons() {
		if row := "| [`" + string(reason) + "`](#" + string(reason) + ") | "; !strings.Contains(string(doc), row) {
			t.Errorf("the overview lacks %s", row)
		}
	}
}

func TestProblemDocuments(t *testing.T) {
	p := New("Intercom")
	for _, reason := range allReasons() {
		t.Run(string(reason), func(t *testing.T) {
			w := httptest.NewRecorder()
			p.Refuse(w, View{Reason: reason, SignInURL: "/auth/signin?return_to=%2Fa&b", Reference: "7F3K"}, false)
			var got map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			want := map[string]any{
				"type":  "https://github.com/Eyevinn/osc-gateway/blob/main/docs/reasons.md#" + string(reason),
				"title": reason.entry().title, "detail": reason.entry().text,
				"status": float64(reason.Status()), "reason": string(reason),
				"signin_url": "/auth/signin?return_to=%2Fa&b", "reference": "7F3K",
			}
			if !maps.Equal(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
			if w.Code != reason.Status() {
				t.Errorf("status line %d", w.Code)
			}
		})
	}
}

func TestProblemDocumentOmitsWhatThereIsNot(t *testing.T) {
	w := httptest.NewRecorder()
	New("").Refuse(w, View{Reason: BadRequest, Status: 405, Hint: "Use POST."}, false)
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, []string{"detail", "reason", "status", "title", "type"}) {
		t.Errorf("members %v", keys)
	}
	if w.Code != 405 || got["status"] != 405.0 || !strings.HasSuffix(got["detail"].(string), " Use POST.") {
		t.Errorf("%d %v", w.Code, got)
	}
}

func TestOnly401CarriesAChallengeAndNoneThatAsksForAPassword(t *testing.T) {
	for _, reason := range allReasons() {
		for _, page := range []bool{true, false} {
			w := httptest.NewRecorder()
			New("").Refuse(w, View{Reason: reason}, page)
			got := w.Header().Get("WWW-Authenticate")
			if (got == "OSC-Session") != (reason.Status() == 401) || got != "" && got != "OSC-Session" {
				t.Errorf("%s: WWW-Authenticate %q", reason, got)
			}
		}
	}
}

func TestEveryDiagnosisHasItsWordsAndIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range findings {
		if len(found.text) < 40 || len(found.hint) < 40 || !strings.HasSuffix(found.text, ".") || !strings.HasSuffix(found.hint, ".") {
			t.Errorf("%s: %q %q", found.diagnosis, found.text, found.hint)
		}
		if !strings.Contains(string(doc), "\n| `"+string(found.diagnosis)+"` | ") {
			t.Errorf("docs/reasons.md lacks %s", found.diagnosis)
		}
		for _, page := range []bool{true, false} {
			w := httptest.NewRecorder()
			New("").Refuse(w, View{Reason: RedirectLoop, Diagnosis: found.diagnosis}, page)
			body := html.UnescapeString(w.Body.String())
			if !strings.Contains(body, found.text) || !strings.Contains(body, found.hint+" Diagnosis: "+string(found.diagnosis)+".") || strings.Contains(body, RedirectLoop.entry().text) != (found.text == RedirectLoop.entry().text) {
				t.Errorf("%s as page %v:\n%s", found.diagnosis, page, body)
			}
			if !page && !strings.Contains(body, `"diagnosis":"`+string(found.diagnosis)+`"`) {
				t.Errorf("%s", body)
			}
		}
	}
	w := httptest.NewRecorder()
	New("").Refuse(w, View{Reason: FlowExpired, Diagnosis: LoopCookieMissing, Hint: "Another."}, false)
	if body := w.Body.String(); !strings.Contains(body, FlowExpired.entry().text+" Another.") {
		t.Errorf("%s", body)
	}
}

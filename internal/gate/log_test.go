package gate_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// line is the last line of the log with a message.
func (r *rig) line(message string) string {
	r.t.Helper()
	lines := strings.Split(r.log.String(), "\n")
	for _, line := range slices.Backward(lines) {
		if strings.Contains(line, `msg="`+message+`"`) || strings.Contains(line, "msg="+message+" ") {
			return line
		}
	}
	r.t.Fatalf("no line says %q:\n%s", message, r.log)
	return ""
}

func (r *rig) wantLine(message string, fields ...string) {
	r.t.Helper()
	line := r.line(message)
	for _, field := range fields {
		if !strings.Contains(line+" ", " "+field+" ") {
			r.t.Errorf("%s is missing in\n%s", field, line)
		}
	}
}

func TestTheLogSaysWhoseRequestWasRefusedAndWhy(t *testing.T) {
	r := newRig(t)
	eve := r.signedIn("eve", "evil")
	session := "session=" + eve.session.Digest()
	eve.navigate("/acme/x?secret=in-the-query")
	r.wantLine("refused", "level=INFO", "reason=tenant_forbidden", session, "user=eve", "tenant=evil", "path=/acme/x")
	r.vault.fails("Fresh", &tokens.Ended{Reason: tokens.EndRejected})
	eve.do("GET", "/api/x", scripted)
	r.wantLine("refused", "level=INFO", "reason=refresh_rejected", session, "path=/api/x")
	eve.navigate("/app?secret=in-the-query")
	r.wantLine("sent to sign in again", "level=INFO", "reason=refresh_rejected", session, "path=/app")
	r.checkLog("in-the-query")
}

func TestTheLogSaysOfASignInWhoAndThroughWhichClient(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	if a := b.finish(b.start("/app")); a.Code != http.StatusFound {
		t.Fatal(a.Code)
	}
	r.wantLine("signed in", "level=INFO", "user=ada", "tenant=acme", "session="+r.vault.names()[0].Digest(), "client_id=client-1")
	if before := len(r.log.String()); before == 0 {
		t.Fatal("nothing is logged")
	}
	r.log.out.Reset()
	r.browser().navigate("/app")
	if strings.Contains(r.log.String(), "level=INFO") {
		t.Errorf("a stranger who is sent to sign in is everyday:\n%s", r.log)
	}
}

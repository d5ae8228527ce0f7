package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// oauthError is an error of the token or registration endpoint.
type oauthError struct {
	status      int
	challenge   bool   // Basic was tried and must be offered (RFC 6749 §5.2)
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func oauthErrorf(status int, code, format string, args ...any) *oauthError {
	return &oauthError{status: status, Code: code, Description: fmt.Sprintf(format, args...)}
}

// writeOAuthError answers as RFC 6749 §5.2 and RFC 7591 §3.2.2 have it.
func writeOAuthError(w http.ResponseWriter, e *oauthError) {
	if e.challenge {
		w.Header().Set("WWW-Authenticate", `Basic realm="OSC"`)
	}
	writeJSON(w, e.status, e)
}

// writeJSON answers a JSON document that must not be kept (RFC 6749 §5.1).
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "encoding the answer failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.WriteHeader(status)
	w.Write(body)
}

// writeFastify answers an error in the shape of the framework OSC's services
// are written with.
func writeFastify(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, struct {
		StatusCode int    `json:"statusCode"`
		Code       string `json:"code,omitempty"`
		Error      string `json:"error"`
		Message    string `json:"message"`
	}{status, code, http.StatusText(status), message})
}

// writeReason answers an error in the shape of the platform's own checks.
func writeReason(w http.ResponseWriter, status int, reason string) {
	writeJSON(w, status, map[string]string{"reason": reason})
}

func writeHTML(w http.ResponseWriter, status int, page string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, page)
}

// gatewayPage is what an ingress shows by itself.
func gatewayPage(title string) string {
	return "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
}

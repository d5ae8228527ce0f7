package simulator

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
)

// served is what an instance says about a request it let in.
type served struct {
	ServiceID string `json:"serviceId"`
	TenantID  string `json:"tenantId"`
	Method    string `json:"method"`
	Path      string `json:"path"`
}

// instance is a running service behind OSC's ingress gate: a SAT in
// Authorization or in the service's cookie, or the ingress' own page.
func (s *Server) instance(w http.ResponseWriter, r *http.Request) {
	service := r.PathValue("service")
	token, ok := bearer(r.Header.Values("Authorization"))
	if len(r.Header.Values("Authorization")) == 0 {
		token, ok = satCookie(r, service)
	}
	sat, valid := s.verifySAT(service, token)
	if !ok || !valid {
		writeHTML(w, http.StatusUnauthorized, gatewayPage("401 Authorization Required"))
		return
	}
	who := served{service, sat.TenantID, r.Method, "/" + r.PathValue("path")}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		writeHTML(w, http.StatusOK, fmt.Sprintf("<!doctype html><title>%s</title><h1>%s</h1><p>Serving workspace <b id=\"tenant\">%s</b></p>\n",
			html.EscapeString(service), html.EscapeString(service), html.EscapeString(sat.TenantID)))
		return
	}
	writeJSON(w, http.StatusOK, who)
}

// satCookie reads "<serviceId>.sat=Bearer <sat>", whose space some clients
// send encoded.
func satCookie(r *http.Request, service string) (string, bool) {
	var values []string
	for _, c := range r.CookiesNamed(service + ".sat") {
		value, err := url.PathUnescape(c.Value)
		if err != nil {
			return "", false
		}
		values = append(values, value)
	}
	return bearer(values)
}

// instanceAPI is the rest of a service's own API, which differs by service.
func (s *Server) instanceAPI(w http.ResponseWriter, r *http.Request) {
	sat, ok := s.serviceCaller(w, r)
	switch {
	case !ok:
	case r.PathValue("path") == "health":
		writeJSON(w, http.StatusOK, map[string]string{"health": "running", "status": "running"})
	default:
		writeJSON(w, http.StatusOK, served{sat.ServiceID, sat.TenantID, r.Method, "/" + r.PathValue("path")})
	}
}

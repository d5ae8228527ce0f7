package simulator

import (
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// platform mounts an endpoint that wants a PAT in x-pat-jwt.
func (s *Server) platform(pattern, name string, h func(http.ResponseWriter, *http.Request, patClaims)) {
	s.handle(pattern, name, func(w http.ResponseWriter, r *http.Request) {
		pat, reason := s.platformPAT(r)
		switch {
		case reason != "":
			writeReason(w, http.StatusUnauthorized, reason)
		case jsonWithoutBody(w, r):
		case pat.TenantID == "":
			writeReason(w, http.StatusForbidden, "The user belongs to no workspace")
		default:
			h(w, r, pat)
		}
	})
}

// platformPAT verifies the token of a platform call, or says why not.
func (s *Server) platformPAT(r *http.Request) (patClaims, string) {
	values := r.Header.Values("X-Pat-Jwt")
	if len(values) == 0 && s.Knobs().Platform.AcceptAuthorization {
		values = r.Header.Values("Authorization")
	}
	if len(values) == 0 {
		return patClaims{}, "No x-pat-jwt header"
	}
	token, ok := bearer(values)
	if !ok {
		return patClaims{}, "The x-pat-jwt header is not one Bearer token"
	}
	pat, ok := s.verifyPAT(token)
	if !ok {
		return patClaims{}, "The token is not valid"
	}
	return pat, ""
}

// bearer reads a header of exactly one value with the literal prefix OSC's
// services look for.
func bearer(values []string) (token string, ok bool) {
	if len(values) != 1 {
		return "", false
	}
	token, ok = strings.CutPrefix(values[0], "Bearer ")
	return token, ok && token != "" && !strings.ContainsAny(token, " ,")
}

func isJSON(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "application/json"
}

// jsonWithoutBody answers a call that announces JSON and sends nothing, which
// the framework of OSC's services refuses. It does not parse bodies of GET.
func jsonWithoutBody(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.ContentLength != 0 || !isJSON(r) {
		return false
	}
	writeFastify(w, http.StatusBadRequest, "FST_ERR_CTP_EMPTY_JSON_BODY",
		"Body cannot be empty when content-type is set to 'application/json'")
	return true
}

func subscriptionKey(tenant, service string) string { return tenant + "/" + service }

type subscription struct {
	ServiceID   string `json:"serviceId"`
	APIURL      string `json:"apiUrl"`
	ServiceType string `json:"serviceType"`
}

func (s *Server) listSubscriptions(w http.ResponseWriter, r *http.Request, pat patClaims) {
	list := []subscription{}
	s.mu.Lock()
	s.subs.each(s.now(), func(key string, _ struct{}) {
		if service, ok := strings.CutPrefix(key, pat.TenantID+"/"); ok {
			list = append(list, subscription{service, s.serviceURL(r, service), "instance"})
		}
	})
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, list)
}

func (s *Server) addSubscriptions(w http.ResponseWriter, r *http.Request, pat patClaims) {
	s.changeSubscriptions(w, r, pat, func(service string) {
		s.subs.put(subscriptionKey(pat.TenantID, service), struct{}{}, time.Time{}, s.now())
	})
}

func (s *Server) removeSubscriptions(w http.ResponseWriter, r *http.Request, pat patClaims) {
	s.changeSubscriptions(w, r, pat, func(service string) {
		s.subs.delete(subscriptionKey(pat.TenantID, service))
	})
}

// removeSubscription is how OSC's own SDK does it.
func (s *Server) removeSubscription(w http.ResponseWriter, r *http.Request, pat patClaims) {
	s.mu.Lock()
	s.subs.delete(subscriptionKey(pat.TenantID, r.PathValue("service")))
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) changeSubscriptions(w http.ResponseWriter, r *http.Request, pat patClaims, change func(service string)) {
	var req struct {
		Services []string `json:"services"`
	}
	if !readJSON(w, r, &req) {
		return
	}
	if len(req.Services) == 0 || slices.ContainsFunc(req.Services, func(id string) bool { return !serviceName.MatchString(id) }) {
		writeFastify(w, http.StatusNotFound, "", "Service not found")
		return
	}
	s.mu.Lock()
	for _, service := range req.Services {
		change(service)
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"teamId": pat.TenantID, "services": req.Services})
}

func (s *Server) tenantPlan(w http.ResponseWriter, _ *http.Request, _ patClaims) {
	writeJSON(w, http.StatusOK, map[string]string{"planType": s.Knobs().Platform.Plan})
}

// app is one of "My Apps".
type app struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Type        string `json:"type"`
	GitHubURL   string `json:"gitHubUrl"`
	URL         string `json:"url"`
	AppDNS      string `json:"appDns,omitempty"`
	TenantID    string `json:"tenantId"`
	BuildStatus string `json:"buildStatus"`
}

var (
	appName  = regexp.MustCompile(`^[a-z0-9]{1,20}$`)
	appTypes = []string{"nodejs", "python", "wasm", "golang", "dotnet", "php"}
)

func (s *Server) listApps(w http.ResponseWriter, _ *http.Request, pat patClaims) {
	list := []app{}
	s.mu.Lock()
	s.apps.each(s.now(), func(_ string, a app) {
		if a.TenantID == pat.TenantID {
			list = append(list, a)
		}
	})
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, list)
}

func (s *Server) createApp(w http.ResponseWriter, r *http.Request, pat patClaims) {
	var a app
	if !readJSON(w, r, &a) {
		return
	}
	if !appName.MatchString(a.Name) || !slices.Contains(appTypes, a.Type) || a.GitHubURL == "" {
		writeFastify(w, http.StatusBadRequest, "FST_ERR_VALIDATION", "body does not match the schema")
		return
	}
	a.ID, a.TenantID, a.BuildStatus = s.hex(8), pat.TenantID, "running"
	a.URL = "https://" + pat.TenantID + "-" + a.Name + ".eyevinn-web-runner.auto.prod.osaas.io"
	s.mu.Lock()
	s.apps.put(a.ID, a, time.Time{}, s.now())
	s.mu.Unlock()
	writeJSON(w, http.StatusCreated, a)
}

func (s *Server) showApp(w http.ResponseWriter, r *http.Request, pat patClaims) {
	if a, ok := s.app(r, pat); ok {
		writeJSON(w, http.StatusOK, a)
		return
	}
	writeFastify(w, http.StatusNotFound, "", "App not found")
}

func (s *Server) deleteApp(w http.ResponseWriter, r *http.Request, pat patClaims) {
	a, ok := s.app(r, pat)
	if !ok {
		writeFastify(w, http.StatusNotFound, "", "App not found")
		return
	}
	s.mu.Lock()
	s.apps.delete(a.ID)
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) app(r *http.Request, pat patClaims) (app, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.apps.get(r.PathValue("id"), s.now())
	return a, ok && a.TenantID == pat.TenantID
}

func (s *Server) listDeployments(w http.ResponseWriter, _ *http.Request, _ patClaims) {
	writeJSON(w, http.StatusOK, []struct{}{})
}

package simulator

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed pages/style.css
var style string

// pageTemplates is compiled once; each page stands alone, with its style in it.
var pageTemplates = template.Must(template.New("").Funcs(template.FuncMap{
	"style": func() template.CSS { return template.CSS(style) },
}).ParseFS(pageFiles, "pages/*.html"))

// contentPolicy allows the one style sheet, by its hash, and forms. form-action
// is left out on purpose: browsers apply it to the redirect that follows a
// form, which here leads to the application.
func contentPolicy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; frame-ancestors 'none'"
}

func (s *Server) page(w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&body, name+".html", data); err != nil {
		s.log.Error("rendering a page failed", slog.String("page", name), slog.Any("error", err))
		http.Error(w, "rendering the page failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Security-Policy", contentPolicy())
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "same-origin")
	writeHTML(w, status, body.String())
}

type problemPage struct{ Title, Text string }

type loginPage struct {
	Action, CSRF, Name, Problem string
	ClientName                  string
	Users                       []User
}

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request, req authorizeRequest, status int, name, problem string) {
	s.page(w, status, "login", loginPage{
		Action: r.URL.RequestURI(), CSRF: s.formToken(w, r), Name: name, Problem: problem,
		ClientName: req.client.Name, Users: s.users,
	})
}

type consentPage struct {
	Action, CSRF, Problem string
	ClientName, Target    string
	User                  User
}

func (s *Server) consentPage(w http.ResponseWriter, r *http.Request, req authorizeRequest, user User, status int, problem string) {
	s.page(w, status, "consent", consentPage{
		Action: r.URL.RequestURI(), CSRF: s.formToken(w, r), Problem: problem,
		ClientName: req.client.Name, Target: req.redirectURI, User: user,
	})
}

func (s *Server) landingPage(w http.ResponseWriter, r *http.Request) {
	s.page(w, http.StatusOK, "landing", map[string]string{"Issuer": s.base(r)})
}

func (s *Server) controlPage(w http.ResponseWriter, r *http.Request) {
	k := s.Knobs()
	knobs, _ := json.MarshalIndent(k, "", "  ")
	counters, _ := json.MarshalIndent(s.Counters(), "", "  ")
	s.page(w, http.StatusOK, "control", map[string]any{
		"Issuer":   s.base(r),
		"Presets":  Presets(),
		"Faults":   k.Faults,
		"Knobs":    string(knobs),
		"Counters": string(counters),
		"Families": s.Families(),
	})
}

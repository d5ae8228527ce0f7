package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

const controlPath = "/_simulator/"

// controlRoutes mounts what OSC does not have: the switchboard.
func (s *Server) controlRoutes() {
	s.mux.HandleFunc("GET /{$}", s.landingPage)
	s.mux.HandleFunc("GET /_simulator/{$}", s.controlPage)
	s.mux.HandleFunc("GET /_simulator/knobs", s.showKnobs)
	s.mux.HandleFunc("GET /_simulator/counters", func(w http.ResponseWriter, _ *http.Request) {
		writeIndented(w, s.Counters())
	})
	s.mux.HandleFunc("GET /_simulator/families", s.showFamilies)
	s.mux.HandleFunc("/_simulator/canary", func(w http.ResponseWriter, _ *http.Request) {
		s.count(func(c *Counters) { c.CanaryHits++ })
		writeReason(w, http.StatusTeapot, "A redirect of the token endpoint was followed")
	})
	s.control("PATCH /_simulator/knobs", s.patchKnobs)
	s.control("POST /_simulator/knobs", s.patchKnobs)
	s.control("POST /_simulator/reset-knobs", s.action(func(*http.Request) error {
		s.SetKnobs(func(k *Knobs) { *k = Knobs{} })
		return nil
	}))
	s.control("POST /_simulator/presets/{name}", s.action(func(r *http.Request) error {
		return s.ApplyPreset(r.PathValue("name"))
	}))
	s.control("POST /_simulator/reset-counters", s.action(func(*http.Request) error { s.ResetCounters(); return nil }))
	s.control("POST /_simulator/forget-clients", s.action(func(*http.Request) error { s.ForgetClients(); return nil }))
	s.control("POST /_simulator/expire-access-tokens", s.action(func(*http.Request) error { s.ExpireAccessTokens(); return nil }))
	s.control("POST /_simulator/revoke", s.revoke)
	s.control("POST /_simulator/clients", s.createClient)
	s.control("POST /_simulator/runner-token", s.createRunnerToken)
}

// control mounts a change. There is no password, so that other pages open in
// the same browser are kept out: they can post forms to a loopback address.
func (s *Server) control(pattern string, h http.HandlerFunc) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "none", "same-origin":
		default:
			writeReason(w, http.StatusForbidden, "Not from another site")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		s.log.Info("control", slog.String("path", r.URL.Path))
		h(w, r)
	})
}

// action answers a page's button with the page and a script with the knobs.
func (s *Server) action(do func(*http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(r); err != nil {
			controlError(w, err)
			return
		}
		s.controlDone(w, r, s.Knobs())
	}
}

func (s *Server) controlDone(w http.ResponseWriter, r *http.Request, answer any) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, controlPath, http.StatusSeeOther)
		return
	}
	writeIndented(w, answer)
}

func controlError(w http.ResponseWriter, err error) {
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
}

func writeIndented(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	enc.Encode(v) // an error here is a client that went away
}

func (s *Server) showKnobs(w http.ResponseWriter, _ *http.Request) {
	writeIndented(w, s.Knobs())
}

func (s *Server) showFamilies(w http.ResponseWriter, _ *http.Request) {
	list := []map[string]any{}
	for _, f := range s.Families() {
		list = append(list, map[string]any{
			"id": f.ID, "client_id": f.ClientID, "user": f.UserID, "tenant": f.TenantID,
			"created_at": f.CreatedAt.UTC(), "expires_at": f.ExpiresAt.UTC(), "refreshes": f.Refreshes,
		})
	}
	writeIndented(w, list)
}

// maxPatch bounds the knobs that can be sent at once, in bytes.
const maxPatch = 4 << 20

// patchKnobs merges a JSON document, sent as the body or as the field "json"
// of a form.
func (s *Server) patchKnobs(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPatch))
	if err != nil {
		controlError(w, err)
		return
	}
	// curl -d says that its JSON is a form; what begins like JSON is taken for it.
	patch := strings.TrimSpace(string(body))
	if form, err := url.ParseQuery(patch); !isJSON(r) && !strings.HasPrefix(patch, "{") && err == nil {
		patch = form.Get("json")
	}
	if err := s.PatchKnobs(strings.NewReader(patch)); err != nil {
		controlError(w, err)
		return
	}
	s.controlDone(w, r, s.Knobs())
}

// PatchKnobs merges a JSON object into the knobs: members that are not named
// stay, lists are replaced, an unknown member is an error and changes nothing.
func (s *Server) PatchKnobs(patch io.Reader) error {
	return s.tryKnobs(func(k *Knobs) error {
		faults := k.Faults
		k.Faults = nil // decoding into a used slice would merge its elements
		dec := json.NewDecoder(patch)
		dec.DisallowUnknownFields()
		if err := dec.Decode(k); err != nil {
			return fmt.Errorf("simulator: the knobs cannot be read: %w", err)
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return errors.New("simulator: something follows the knobs")
		}
		if k.Faults == nil {
			k.Faults = faults
		}
		return nil
	})
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	user := r.FormValue("user")
	if user == "" {
		controlError(w, errors.New("user is missing"))
		return
	}
	s.controlDone(w, r, map[string]int{"revoked": s.RevokeUser(user)})
}

// createClient makes an OAuth App: fields name and redirect_uri (repeatable).
func (s *Server) createClient(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || len(r.Form["redirect_uri"]) == 0 {
		controlError(w, errors.New("redirect_uri is missing"))
		return
	}
	for _, uri := range r.Form["redirect_uri"] {
		if why := badRedirectURI(uri, s.Knobs().Registration.AllowHTTP); why != "" {
			controlError(w, errors.New(why))
			return
		}
	}
	c := s.AddClient(Client{Name: r.Form.Get("name"), RedirectURIs: r.Form["redirect_uri"]})
	writeIndented(w, c)
}

func (s *Server) createRunnerToken(w http.ResponseWriter, r *http.Request) {
	user, ok := s.user(r.FormValue("user"))
	if !ok {
		controlError(w, errors.New("user is missing or malformed"))
		return
	}
	writeIndented(w, map[string]string{"token": s.IssueRunnerToken(user.Name, user.tenant(r.FormValue("tenant")))})
}

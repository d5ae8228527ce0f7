package simulator

import (
	"net/http"
	"net/url"
)

// authorizePage asks the next thing there is to ask, or answers at once.
func (s *Server) authorizePage(w http.ResponseWriter, r *http.Request, req authorizeRequest) {
	k := s.Knobs().Authorize
	if k.Deny {
		s.deny(w, r, req)
		return
	}
	user, ok := s.signedIn(r)
	if k.AutoUser != "" {
		user, ok = s.user(k.AutoUser)
	}
	if !ok {
		s.loginPage(w, r, req, http.StatusOK, "", "")
		return
	}
	tenant := user.tenant(k.AutoTenant)
	if k.AutoApprove || (k.RememberConsent && s.consented(user, req.client)) {
		s.allow(w, r, req, user, tenant)
		return
	}
	s.consentPage(w, r, req, user, http.StatusOK, "")
}

// authorizeForm takes a submitted page.
func (s *Server) authorizeForm(w http.ResponseWriter, r *http.Request, req authorizeRequest) {
	if err := r.ParseForm(); err != nil || !s.formTokenOK(r) {
		s.page(w, http.StatusForbidden, "problem", problemPage{
			Title: "This page is out of date", Text: "Go back to the application and sign in again. Cookies must be allowed.",
		})
		return
	}
	decision := r.PostForm.Get("decision")
	user, ok := s.signedIn(r)
	switch {
	case decision == "":
		s.login(w, r, req)
	case decision == "switch":
		s.setLogin(w, r, "")
		back(w, r)
	case !ok:
		s.loginPage(w, r, req, http.StatusOK, "", "Your sign-in has ended. Please sign in again.")
	case decision == "deny":
		s.deny(w, r, req)
	case decision == "allow":
		s.decide(w, r, req, user)
	default:
		s.consentPage(w, r, req, user, http.StatusBadRequest, "Please allow or decline.")
	}
}

func (s *Server) login(w http.ResponseWriter, r *http.Request, req authorizeRequest) {
	name := r.PostForm.Get("user")
	if account := r.PostForm.Get("account"); account != "" {
		name = account
	}
	user, ok := s.user(name)
	if !ok {
		s.loginPage(w, r, req, http.StatusBadRequest, name, "A user name is made of letters, digits and hyphens, at most 32.")
		return
	}
	s.setLogin(w, r, user.Name)
	back(w, r)
}

// decide takes the consent, for the workspace chosen if there is a choice.
func (s *Server) decide(w http.ResponseWriter, r *http.Request, req authorizeRequest, user User) {
	workspace := r.PostForm.Get("workspace")
	if len(user.Tenants) > 1 && !user.memberOf(workspace) {
		s.consentPage(w, r, req, user, http.StatusBadRequest, "Please choose one of your workspaces.")
		return
	}
	s.allow(w, r, req, user, user.tenant(workspace))
}

func (s *Server) allow(w http.ResponseWriter, r *http.Request, req authorizeRequest, user User, tenant string) {
	code := s.newCode(authorizationCode{
		clientID:    req.client.ID,
		redirectURI: req.redirectURI,
		challenge:   req.challenge,
		user:        user.Name,
		tenant:      tenant,
	})
	s.mu.Lock()
	s.counters.ConsentsAllowed++
	s.consents.put(consentKey(user, req.client), struct{}{}, s.now().Add(loginLifetime), s.now())
	s.mu.Unlock()
	s.answerClient(w, r, req, url.Values{"code": {code}})
}

func (s *Server) deny(w http.ResponseWriter, r *http.Request, req authorizeRequest) {
	s.count(func(c *Counters) { c.ConsentsDenied++ })
	s.answerClient(w, r, req, url.Values{
		"error":             {"access_denied"},
		"error_description": {"The user declined"},
	})
}

func (s *Server) consented(user User, client Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.consents.get(consentKey(user, client), s.now())
	return ok
}

func consentKey(user User, client Client) string { return user.Name + "\x00" + client.ID }

// back leads a submitted form to the same request by GET, so that a reload
// submits nothing.
func back(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", r.URL.RequestURI())
	w.WriteHeader(http.StatusSeeOther)
}

package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Cookies of the sign-in pages. Their path keeps them away from an application
// served from another port of the same host, since cookies know no ports.
const (
	loginCookie   = "osc_sim"      // who is signed in, signed
	formCookie    = "osc_sim_form" // what the form token is derived from
	cookiePath    = "/api/connect"
	loginLifetime = 12 * time.Hour
)

// mac authenticates value for one purpose.
func mac(key []byte, purpose, value string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose + "\x00" + value))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func macOK(key []byte, purpose, value, sum string) bool {
	return hmac.Equal([]byte(mac(key, purpose, value)), []byte(sum))
}

// signedIn reads the login cookie: name, expiry and signature.
func (s *Server) signedIn(r *http.Request) (User, bool) {
	c, err := r.Cookie(loginCookie)
	if err != nil {
		return User{}, false
	}
	value, sum, ok := cutLast(c.Value, ".")
	if !ok || !macOK(s.keys.browser, "login", value, sum) {
		return User{}, false
	}
	name, until, _ := cutLast(value, ".")
	expiry, err := strconv.ParseInt(until, 10, 64)
	if err != nil || s.now().Unix() >= expiry {
		return User{}, false
	}
	return s.user(name)
}

// setLogin signs in as name; an empty name signs out.
func (s *Server) setLogin(w http.ResponseWriter, r *http.Request, name string) {
	cookie := s.cookie(r, loginCookie, "")
	cookie.MaxAge = -1
	if name != "" {
		value := name + "." + strconv.FormatInt(s.now().Add(loginLifetime).Unix(), 10)
		cookie.Value = value + "." + mac(s.keys.browser, "login", value)
		cookie.MaxAge = int(loginLifetime / time.Second)
	}
	http.SetCookie(w, cookie)
}

func (s *Server) cookie(r *http.Request, name, value string) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: cookiePath,
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(s.base(r), "https://"),
	}
}

// formToken returns what a form must carry to prove that this browser was
// shown it, and sets the cookie it goes with.
func (s *Server) formToken(w http.ResponseWriter, r *http.Request) string {
	c, err := r.Cookie(formCookie)
	if err != nil || c.Value == "" {
		c = s.cookie(r, formCookie, s.opaqueToken(16))
		http.SetCookie(w, c)
	}
	return mac(s.keys.browser, "form", c.Value)
}

func (s *Server) formTokenOK(r *http.Request) bool {
	c, err := r.Cookie(formCookie)
	return err == nil && c.Value != "" && macOK(s.keys.browser, "form", c.Value, r.PostForm.Get("csrf"))
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

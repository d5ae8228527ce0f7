package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// signIn has every visitor sign in at the gateway as a browser does, and makes
// sure that each one's own token arrived.
func (r *rig) signIn(ctx context.Context, s *subject) ([]identity, error) {
	identities := make([]identity, visitors)
	for i := range identities {
		r.provider.next(userName(i))
		browser, err := newBrowser()
		if err != nil {
			return nil, err
		}
		cookie, err := visit(ctx, browser, s, s.path(i))
		if err != nil {
			return nil, fmt.Errorf("signing in: %w", err)
		}
		browser.CloseIdleConnections()
		token, _ := r.upstream.saw(s.path(i))
		if err := r.checkToken(ctx, userName(i), token); err != nil {
			return nil, fmt.Errorf("signing in: %w", err)
		}
		identities[i] = identity{cookie, token}
	}
	return identities, nil
}

// signInPath is where a browser goes to sign in and return to path.
func (s *subject) signInPath(path string) string {
	if s.signInAt != nil {
		return s.signInAt(path)
	}
	return "/auth/signin?" + url.Values{"return_to": {path}}.Encode()
}

// newBrowser is one that nobody has used yet: without cookies or connections.
func newBrowser() (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &http.Client{Jar: jar, Timeout: patience, Transport: &http.Transport{}}, nil
}

// visit follows a browser's way from signing in to path, and returns the
// cookies it has there.
func visit(ctx context.Context, browser *http.Client, s *subject, path string) (string, error) {
	site := url.URL{Scheme: "http", Host: s.address, Path: path}
	answer, err := get(ctx, browser, "http://"+s.address+s.signInPath(path), "")
	if err != nil {
		return "", err
	}
	if answer.status != http.StatusOK || answer.path != path || len(answer.body) != answerBytes {
		return "", fmt.Errorf("ended with %d at %s", answer.status, answer.path)
	}
	var pairs []string
	for _, c := range browser.Jar.Cookies(&site) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; "), nil
}

var errNotTheirs = errors.New("the upstream got no token, or not the visitor's")

// checkToken tells whether a header field holds a token of this user that the
// provider itself takes for good.
func (r *rig) checkToken(ctx context.Context, user, field string) error {
	token, bearer := strings.CutPrefix(field, "Bearer ")
	parts := strings.Split(token, ".")
	if !bearer || len(parts) != 3 {
		return errNotTheirs
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return errNotTheirs
	}
	var claims struct {
		UserID string `json:"userId"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.UserID != user {
		return errNotTheirs
	}
	answer, err := get(ctx, http.DefaultClient, r.provider.issuer+"/catalog/mysubscriptions", field)
	if err != nil {
		return err
	}
	if answer.status != http.StatusOK {
		return fmt.Errorf("the provider refuses its token: %d", answer.status)
	}
	if want := len("Bearer " + r.provider.token()); len(field) != want {
		return fmt.Errorf("the token field has %d bytes, that of %q %d", len(field), constantName, want)
	}
	return nil
}

// answer is what is left of a response once it is read.
type answer struct {
	status int
	path   string
	body   []byte
}

// get fetches an address, with a token or without.
func get(ctx context.Context, client *http.Client, address, token string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Accept", "text/html,*/*;q=0.8") // only pages are sent to sign in
	if token != "" {
		request.Header.Set(tokenHeader, token)
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Request.URL.Path, body}, err
}

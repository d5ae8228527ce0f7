package integration

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// osc is a simulated OSC that listens, and notes every secret that it makes or
// is sent.
type osc struct {
	*simulator.Server
	handler  http.Handler // what answers: the simulator
	t        testing.TB
	canaries *canaries
	address  string
	URL      string
	server   *http.Server
}

// newOSC reserves an address; up makes it answer there.
func newOSC(t testing.TB, c *canaries) *osc {
	t.Helper()
	address := freeAddress(t)
	o := &osc{t: t, canaries: c, address: address, URL: "http://" + address}
	o.Server = simulator.New(simulator.Config{Issuer: o.URL})
	o.handler = o.Server
	t.Cleanup(o.down)
	return o
}

func (o *osc) up() {
	o.t.Helper()
	var listener net.Listener
	eventually(o.t, "the address is free", func() (ok bool) {
		var err error
		listener, err = net.Listen("tcp", o.address)
		return err == nil
	})
	o.server = &http.Server{Handler: http.HandlerFunc(o.serve)}
	go o.server.Serve(listener)
}

// down refuses connections from here on, and drops those there are.
func (o *osc) down() {
	if o.server != nil {
		o.server.Close()
	}
}

func (o *osc) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch r.URL.Path {
	case "/api/connect/token":
		form, _ := url.ParseQuery(string(body))
		o.canaries.note(code, form.Get("code"))
		o.canaries.note(verifier, form.Get("code_verifier"))
		o.canaries.note(clientSecret, form.Get("client_secret"))
		o.canaries.note(refreshToken, form.Get("refresh_token"))
		w = &secretWriter{ResponseWriter: w, canaries: o.canaries}
	case "/api/connect/register":
		w = &secretWriter{ResponseWriter: w, canaries: o.canaries}
	default:
		defer func() { o.noteCode(w.Header().Get("Location")) }()
	}
	o.handler.ServeHTTP(w, r)
}

func (o *osc) noteCode(location string) {
	if u, err := url.Parse(location); err == nil {
		o.canaries.note(code, u.Query().Get("code"))
	}
}

// secretWriter notes the secrets of JSON answers before they are sent.
type secretWriter struct {
	http.ResponseWriter
	canaries *canaries
	body     []byte
}

func (w *secretWriter) Write(b []byte) (int, error) {
	const enough = 64 << 10
	if len(w.body) < enough {
		w.body = append(w.body, b...)
		noteSecrets(w.canaries, w.body)
	}
	return w.ResponseWriter.Write(b)
}

func (w *secretWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// noteSecrets notes what a token or registration response holds.
func noteSecrets(c *canaries, body []byte) {
	var answer map[string]any
	if json.Unmarshal(body, &answer) != nil {
		return
	}
	for member, k := range map[string]kind{
		"access_token": accessToken, "refresh_token": refreshToken,
		"client_secret": clientSecret, "registration_access_token": clientSecret,
	} {
		if value, ok := answer[member].(string); ok {
			c.note(k, value)
		}
	}
}

// allow makes a client that was registered by hand.
func (o *osc) allow(id, secret, redirectURI string) {
	o.AddClient(simulator.Client{ID: id, Secret: secret, RedirectURIs: []string{redirectURI}})
}

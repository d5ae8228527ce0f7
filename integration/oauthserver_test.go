package integration

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// startOAuthServer starts the server, noting secrets on the way there, and
// returns its issuer.
func startOAuthServer(t testing.TB, c *canaries, lifetime string, more ...string) string {
	t.Helper()
	node := program(t, "OSC_GATEWAY_TEST_NODE", "node", "nodejs")
	dir := installNode(t, "oauthserver", "server.mjs")
	listen, public := freeAddress(t), freeAddress(t)
	_, port, _ := strings.Cut(listen, ":")
	output, err := os.CreateTemp(t.TempDir(), "oauthserver")
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd := exec.Command(node, append([]string{"server.mjs", port, lifetime, "http://" + public}, more...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if text, err := os.ReadFile(output.Name()); t.Failed() {
			t.Logf("the OAuth server said (%v):\n%s", err, text)
		}
	})
	front := noting(t, c, "http://"+listen, public)
	eventually(t, "the OAuth server answers", func() bool {
		answer, err := http.Get(front + "/.well-known/oauth-authorization-server")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode != http.StatusBadGateway
	})
	return front
}

// noting is a proxy at address that notes the secrets of OAuth's endpoints.
func noting(t testing.TB, c *canaries, target, address string) string {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }}
	watcher := &osc{t: t, canaries: c, address: address, URL: "http://" + address, handler: proxy}
	watcher.up()
	t.Cleanup(watcher.down)
	return watcher.URL
}

func TestAnOAuthServerThatKnowsNothingOfOSCWorksToo(t *testing.T) {
	for name, more := range map[string][]string{"with metadata": {"metadata"}, "without metadata": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &canaries{}
			useOAuthServer(t, c, startOAuthServer(t, c, "6", more...))
		})
	}
}

// useOAuthServer signs in, stays signed in, and signs out.
func useOAuthServer(t *testing.T, c *canaries, issuer string) {
	t.Helper()
	w := &world{t: t, canaries: c, app: newApp(t, c), gateway: newGateway(t, c)}
	w.gateway.configure("\t\tissuer "+issuer+"\n", w.withUpstream(usualSite))
	w.gateway.start()

	v := w.visitor()
	page := v.signIn("/studio?room=1")
	if page.Status != http.StatusOK || page.URL.RequestURI() != "/studio?room=1" || !strings.Contains(page.Body, ">arrived<") {
		t.Fatalf("%v\n%s", page, page.Body)
	}
	checkCookies(t, v)
	first, _ := w.app.last(t).token()
	eventually(t, "the app gets a token of a second refresh", func() bool {
		if got := v.open("/studio"); got.Status != http.StatusOK {
			t.Fatal(got)
		}
		return len(distinctTokens(w.app)) >= 3
	})
	for token := range distinctTokens(w.app) {
		if !c.knows(accessToken, token) {
			t.Error("the app got something else than the server's tokens")
		}
	}
	if now, _ := w.app.last(t).token(); now == first {
		t.Error("the token is still the first")
	}
	done := v.signOut()
	if done.Status != http.StatusSeeOther || v.follow(done).Status != http.StatusOK || v.session() != "" {
		t.Errorf("signing out: %v", done)
	}
	if got := v.open("/studio"); got.Status != http.StatusFound || !strings.HasPrefix(got.Header.Get("Location"), issuer) {
		t.Errorf("afterwards: %v", got)
	}
}

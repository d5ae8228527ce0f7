package integration

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

func TestProxyPutsTheGatewayInFrontOfAnAppWithoutAFile(t *testing.T) {
	t.Parallel()
	c := &canaries{}
	w := &world{t: t, canaries: c, osc: newOSC(t, c), app: newApp(t, c)}
	w.osc.up()
	// Everything by variable but what is a flag here: both are the same.
	w.gateway = newGateway(t, c, "OSC_GATEWAY_ISSUER="+w.osc.URL, "OSC_GATEWAY_PUBLIC=/assets/*,/about", "OSC_GATEWAY_STORE=memory")
	w.gateway.launch("proxy", "--from", w.gateway.anyHost(), "--to", strings.TrimPrefix(w.app.URL, "http://"), "--api", "/api/*")
	eventually(t, "the gateway answers", w.gateway.answers)

	v := w.visitor()
	for _, path := range []string{"/assets/a.js", "/about"} {
		if got := v.open(path); got.Status != http.StatusOK {
			t.Errorf("%s: %v", path, got)
		}
	}
	if got := v.fetch(http.MethodGet, "/api/rooms"); got.Status != http.StatusUnauthorized {
		t.Errorf("an API: %v", got)
	}
	page := v.signIn("/studio")
	if token, ok := w.app.last(t).token(); page.Status != http.StatusOK || !ok || !c.knows(accessToken, token) {
		t.Errorf("%v, token %v", page, ok)
	}
}

func TestProxyRunsTheAppAndKeepsTheGatewaysSecretsFromIt(t *testing.T) {
	t.Parallel()
	c := &canaries{}
	w := &world{t: t, canaries: c, osc: newOSC(t, c)}
	w.osc.up()
	w.quickly()
	random := make([]byte, 32)
	rand.Read(random)
	key := hex.EncodeToString(random)
	for _, value := range []string{marker + "-secret", marker + "-pat", key} {
		c.note(planted, value)
	}
	w.gateway = newGateway(t, c, beTheApp+"=1", "OSC_CLIENT_ID=our-app", "OSC_CLIENT_SECRET="+marker+"-secret",
		"OSC_ACCESS_TOKEN="+marker+"-pat", "OSC_GATEWAY_KEY="+key, "THE_APPS_OWN=setting")
	w.osc.allow("our-app", marker+"-secret", w.gateway.URL+"/auth/callback")
	_, port, _ := net.SplitHostPort(freeAddress(t))
	w.gateway.status = statusOfTheApp
	w.gateway.launch("proxy", "--from", w.gateway.anyHost(), "--to", "127.0.0.1:"+port, "--issuer", w.osc.URL, "--store", "memory",
		"--", os.Args[0])
	eventually(t, "the gateway answers", w.gateway.answers)

	v := w.visitor()
	var page answer
	eventually(t, "the app answers", func() bool { page = v.signIn("/"); return page.Status == http.StatusOK })
	if !strings.Contains(page.Body, "token true user alice") || !strings.Contains(page.Body, "THE_APPS_OWN=setting") ||
		!strings.Contains(page.Body, "PORT="+port+"\n") {
		t.Errorf("the app says:\n%s", page.Body)
	}
	for _, name := range []string{"OSC_CLIENT_SECRET", "OSC_ACCESS_TOKEN", "OSC_GATEWAY_KEY"} {
		if strings.Contains(page.Body, name+"=") {
			t.Errorf("the app has %s", name)
		}
	}
}

func TestASecretOnTheCommandLineIsRefused(t *testing.T) {
	t.Parallel()
	c := &canaries{}
	g := newGateway(t, c)
	for _, arguments := range [][]string{
		{"--client-secret", marker}, {"--key", marker}, {"--store", "redis://user:" + marker + "@localhost"},
	} {
		if output, status := g.run(append([]string{"proxy", "--to", ":3000"}, arguments...)...); status == 0 || strings.Contains(output, marker) {
			t.Errorf("%s: status %d: %s", arguments[0], status, output)
		}
	}
}

func TestAVariableThatIsNoOptionEndsTheStart(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &canaries{}, "OSC_GATEWAY_TENNANT="+marker)
	for _, command := range []string{"proxy", "doctor"} {
		output, status := g.run(command, "--to", ":1", "--from", ":not-a-port")
		if status == 0 || strings.Contains(output, marker) || !strings.Contains(output, "OSC_GATEWAY_TENNANT is no option") || !strings.Contains(output, "the nearest is OSC_GATEWAY_TENANT ") {
			t.Errorf("%s: status %d: %s", command, status, output)
		}
	}
}

// anyHost is where the gateway listens, whatever it is called: ":port".
func (g *gateway) anyHost() string {
	_, port, _ := net.SplitHostPort(g.address)
	return ":" + port
}

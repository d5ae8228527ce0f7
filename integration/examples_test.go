package integration

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// example is the path of a file below examples.
func example(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// exampleWorld is a simulated OSC and a gateway to start an example with.
func exampleWorld(t testing.TB, env ...string) *world {
	t.Helper()
	c := &canaries{}
	w := &world{t: t, canaries: c, osc: newOSC(t, c), app: newApp(t, c)}
	w.osc.up()
	w.quickly()
	w.gateway = newGateway(t, c, env...)
	return w
}

func TestExampleOfAJobThatOutlivesItsTokens(t *testing.T) {
	t.Parallel()
	w := exampleWorld(t)
	w.osc.SetKnobs(func(k *simulator.Knobs) { k.Token.AccessLifetimeSeconds = 3 })
	app, jobs := freeAddress(t), freeAddress(t)
	_, port, _ := net.SplitHostPort(app)
	w.gateway.env = append(w.gateway.env, "DEPLOY_API="+w.osc.URL+"/deploy", "STEPS=20", "STEP_MS=500")
	w.gateway.launch("proxy", "--from", w.gateway.anyHost(), "--to", ":"+port, "--issuer", w.osc.URL, "--store", "memory",
		"--jobs", "12h", "--jobs-from", jobs, "--", program(t, "OSC_GATEWAY_TEST_NODE", "node", "nodejs"), example(t, "long-job/server.js"))
	eventually(t, "the gateway answers", w.gateway.answers)
	v := w.visitor()
	v.signIn("/")
	eventually(t, "the app answers", func() bool { return v.open("/").Status == http.StatusOK })
	headers := form.Clone()
	headers.Set("Origin", v.base)
	var job struct {
		ID, State, User string
		Tokens          int
	}
	read := func(got answer) {
		t.Helper()
		if err := json.Unmarshal([]byte(got.Body), &job); err != nil {
			t.Fatalf("%v: %v", err, got)
		}
	}
	read(v.send(http.MethodPost, "/transcode/", headers, ""))
	eventually(t, "the job is done", func() bool {
		read(v.fetch(http.MethodGet, "/transcode/"+job.ID))
		return job.State != "running"
	})
	if job.State != "done" || job.Tokens < 3 || job.User != "alice" {
		t.Errorf("%+v", job)
	}
	w.gateway.status = 143 // Node's, which is sent the signal
}

func TestExampleOfAServiceInstanceWithSignIn(t *testing.T) {
	t.Parallel()
	const service = "eyevinn-intercom-manager"
	w := exampleWorld(t)
	// An instance has a host of its own; the simulated one is below a path.
	target, err := url.Parse(w.osc.URL + "/instance/" + service)
	if err != nil {
		t.Fatal(err)
	}
	instance := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	t.Cleanup(instance.Close)
	w.gateway.env = append(w.gateway.env, "OSC_ISSUER="+w.osc.URL, "OSC_TOKEN_SERVICE="+w.osc.URL+"/token",
		"SITE="+w.gateway.anyHost(), "INSTANCE="+instance.URL)
	w.gateway.launch("run", "--config", example(t, "service-instance/Caddyfile"))
	eventually(t, "the gateway answers", w.gateway.answers)
	v := w.visitor()
	v.signIn("/")
	got := v.open("/api/v1/production")
	if got.Status != http.StatusOK || !strings.Contains(got.Body, "acme") {
		t.Errorf("%v", got)
	}
	if w.osc.Counters().ServiceTokens != 1 {
		t.Errorf("%d service tokens", w.osc.Counters().ServiceTokens)
	}
}

func TestExampleOfTheHowToWithoutItsAuthCode(t *testing.T) {
	t.Parallel()
	w, p := sdkWorld(t, "../examples/express", "server.js")
	v := w.visitor()
	page := v.signIn("/")
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "Intercoms of acme") || !strings.Contains(page.Body, "You are alice") {
		t.Fatalf("%v\n%s", page, page.Body)
	}
	press := func(path, body string) {
		t.Helper()
		headers := form.Clone()
		headers.Set("Origin", v.base)
		headers.Set("Content-Type", "application/x-www-form-urlencoded")
		if got := v.send(http.MethodPost, path, headers, body); got.Status != http.StatusSeeOther {
			t.Fatalf("%v", got)
		}
	}
	const link = `<a href="https://acme-stage1.eyevinn-intercom-manager.auto.prod.osaas.io">stage1</a>`
	press("/instances", "name=stage1")
	if page := v.open("/"); !strings.Contains(page.Body, link) {
		t.Errorf("after creating one:\n%s", page.Body)
	}
	press("/instances/stage1/remove", "")
	if page := v.open("/"); strings.Contains(page.Body, link) {
		t.Errorf("after removing it:\n%s", page.Body)
	}
	// It is in the visitor's workspace, and in nobody else's.
	press("/instances", "name=stage2")
	w.osc.SetKnobs(func(k *simulator.Knobs) { k.Authorize.AutoUser = "bob" })
	if page := w.visitor().signIn("/"); !strings.Contains(page.Body, "Intercoms of beta") || strings.Contains(page.Body, "stage2") {
		t.Errorf("bob sees:\n%s", page.Body)
	}
	w.osc.ExpireAccessTokens()
	if page := v.open("/"); page.Status != http.StatusOK || !strings.Contains(page.Body, "stage2") {
		t.Errorf("after OSC forgot the token: %v", page)
	}
	if len(p.hosts()) != 3 {
		t.Errorf("it asked %q", p.hosts())
	}
}

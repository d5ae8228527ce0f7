package integration

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// launchProxy starts `proxy` in front of the app, with secrets by variable.
func launchProxy(t *testing.T, arguments []string, env ...string) *world {
	t.Helper()
	c := &canaries{}
	w := &world{t: t, canaries: c, osc: newOSC(t, c), app: newApp(t, c)}
	w.osc.up()
	w.quickly()
	w.gateway = newGateway(t, c, append([]string{"OSC_GATEWAY_ISSUER=" + w.osc.URL}, env...)...)
	w.gateway.launch(append([]string{"proxy", "--from", w.gateway.anyHost(), "--to", strings.TrimPrefix(w.app.URL, "http://")}, arguments...)...)
	eventually(t, "the gateway answers", w.gateway.answers)
	return w
}

// askAs sends one request to an address under the name of a host.
func askAs(t testing.TB, address, host, path string) answer {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	client := &http.Client{
		Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	got, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{Status: got.StatusCode, Body: string(body)}
}

func TestProxyCanBeOperatedAndItsConfigurationHoldsNoSecret(t *testing.T) {
	t.Parallel()
	random := make([]byte, 32)
	rand.Read(random)
	key := hex.EncodeToString(random)
	w := launchProxy(t, []string{"--store", "memory"}, "OSC_GATEWAY_KEY="+key, "OSC_GATEWAY_CLIENT_SECRET="+marker+"-secret", "OSC_GATEWAY_CLIENT_ID=our-app",
		"OSC_ACCESS_TOKEN="+marker+"-pat")
	for _, value := range []string{key, marker + "-secret", marker + "-pat"} {
		w.canaries.note(planted, value)
	}
	w.osc.allow("our-app", marker+"-secret", w.gateway.URL+"/auth/callback")
	v := w.visitor()
	if page := v.signIn("/studio"); page.Status != http.StatusOK {
		t.Fatal(page)
	}

	if config := askSocket(t, w.gateway.proxyAdmin(t), "/config/"); !strings.Contains(config, "{env.OSC_GATEWAY_KEY}") {
		t.Errorf("the configuration: %s", config)
	} else {
		w.canaries.absent(t, "the configuration", []byte(config))
	}

	list, status := w.gateway.run("sessions", "list", "--json")
	var sessions []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(list), &sessions); err != nil || status != 0 || len(sessions) != 1 {
		t.Fatalf("status %d: %s", status, list)
	}
	id := sessions[0].ID
	story, status := w.gateway.run("explain-session", id[:6])
	for _, want := range []string{"Session " + id + " is living.", "alice", "through the client our-app", "next refresh", "in the background", "signed in"} {
		if status != 0 || !strings.Contains(story, want) {
			t.Errorf("status %d, %q is missing:\n%s", status, want, story)
		}
	}
	v.signOut()
	story, status = w.gateway.run("explain-session", id)
	if want := "Session " + id + " has ended: the visitor signed out (signed_out)."; status != 0 || !strings.Contains(story, want) {
		t.Errorf("status %d, %q is missing:\n%s", status, want, story)
	}
	for _, wrong := range []string{"0000000000000000", "x", id[:5]} {
		output, status := w.gateway.run("explain-session", wrong)
		if status == 0 || strings.Contains(output, "is the gateway running") {
			t.Errorf("%s: %s", wrong, output)
		}
	}
	eventually(t, "the end is in the log", func() bool {
		return regexp.MustCompile(`"msg":"session ended","reason":"signed_out","session":"` + id + `","user":"alice","tenant":"[^"]+","age":[0-9.]+,"idle":[0-9.]+`).
			Match(w.gateway.output())
	})
}

// proxyAdmin is the socket that the admin API of `proxy` is on.
func (g *gateway) proxyAdmin(t testing.TB) string {
	t.Helper()
	sockets, err := filepath.Glob(filepath.Join(g.dir, "home", "data", "caddy", "osc_auth", "admin-*.sock"))
	if err != nil || len(sockets) != 1 {
		t.Fatalf("sockets %v, %v", sockets, err)
	}
	return sockets[0]
}

func askSocket(t testing.TB, socket, path string) string {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := (&http.Client{Transport: transport, Timeout: patience}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil || got.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", path, got.StatusCode, body, err)
	}
	return string(body)
}

func TestTwoProxiesOnOneMachineDoNotCollide(t *testing.T) {
	t.Parallel()
	w := launchProxy(t, []string{"--store", "memory"})
	second := newGateway(t, w.canaries)
	second.dir, second.config = w.gateway.dir, w.gateway.config // one home for both
	second.env = w.gateway.env
	first := w.gateway.cmd.Process.Pid
	cmd := second.command("proxy", "--from", second.anyHost(), "--to", ":1", "--store", "memory", "--issuer", w.osc.URL)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	eventually(t, "the second answers", func() bool {
		connection, err := net.Dial("tcp", second.address)
		if err == nil {
			connection.Close()
		}
		return err == nil
	})
	eventually(t, "both are found", func() bool {
		output, status := w.gateway.run("sessions", "list")
		return status != 0 && strings.Contains(output, "several gateways run here") && strings.Count(output, "--address unix/") == 2
	})
	if w.gateway.cmd.Process.Pid != first || !w.gateway.answers() {
		t.Error("the first has ended")
	}
}

func TestHostsThatAreNotServedAreMisdirected(t *testing.T) {
	t.Parallel()
	w := launchProxy(t, []string{"--store", "memory", "--public-url", "https://app.example.com"})
	for host, want := range map[string]int{
		"app.example.com": http.StatusUnauthorized, "APP.example.com:443": http.StatusUnauthorized, "localhost:1": http.StatusUnauthorized, "127.0.0.1": http.StatusUnauthorized,
		"10.1.2.3:8080": http.StatusUnauthorized, "[::1]:80": http.StatusUnauthorized,
		"other.example.com": http.StatusMisdirectedRequest, "app.example.com.evil.example": http.StatusMisdirectedRequest, "1.2.3.4.evil.example": http.StatusMisdirectedRequest, "evil.1.2.3.4": http.StatusMisdirectedRequest,
	} {
		if got := askAs(t, w.gateway.address, host, "/studio"); got.Status != want {
			t.Errorf("%s: %d, want %d", host, got.Status, want)
		}
	}
	if got := askAs(t, w.gateway.address, "other.example.com", "/auth/health/live"); got.Status != http.StatusOK {
		t.Errorf("a health check under another host: %d", got.Status)
	}
	if seen := w.app.calls(); seen != 0 {
		t.Errorf("the app got %d requests", seen)
	}
}

func TestASiteOfOneHostMisdirectsTheOthers(t *testing.T) {
	t.Parallel()
	c := &canaries{}
	g := newGateway(t, c)
	_, port, _ := net.SplitHostPort(g.address)
	g.launch("proxy", "--from", "localhost:"+port, "--to", ":1", "--store", "memory")
	eventually(t, "the gateway answers", g.answers)
	if got := askAs(t, g.address, "localhost:"+port, "/"); got.Status != http.StatusUnauthorized {
		t.Errorf("its own host: %d", got.Status)
	}
	if got := askAs(t, g.address, "other.example.com", "/"); got.Status != http.StatusMisdirectedRequest {
		t.Errorf("another host: %d", got.Status)
	}
	if runtime.GOOS == "linux" { // where all of 127/8 is this machine
		if conn, err := net.Dial("tcp", "127.0.0.2:"+port); err == nil {
			conn.Close()
			t.Error("it listens at other addresses too")
		}
	}
}

// metricOf finds the gateway's metrics in queries and documentation.
var metricOf = regexp.MustCompile(`caddy_osc_auth_[a-z_]+`)

func TestMetricsHaveAListenerOfTheirOwnAndAllThatIsShownExists(t *testing.T) {
	t.Parallel()
	at := freeAddress(t)
	w := launchProxy(t, []string{"--store", "memory", "--metrics-from", at})
	v := w.visitor()
	if page := v.signIn("/studio"); page.Status != http.StatusOK {
		t.Fatal(page)
	}
	if got := askAs(t, w.gateway.address, strings.TrimPrefix(w.gateway.URL, "http://"), "/metrics"); got.Status == http.StatusOK {
		t.Error("visitors are shown the metrics")
	}
	if got := askAs(t, at, "whatever", "/config/"); strings.Contains(got.Body, "osc_auth") {
		t.Errorf("there is more than metrics: %d %s", got.Status, got.Body)
	}
	metrics := askAs(t, at, "prometheus", "/metrics")
	w.canaries.absent(t, "the metrics", []byte(metrics.Body))
	there := map[string]bool{}
	for _, name := range metricOf.FindAllString(metrics.Body, -1) {
		there[name] = true
	}
	if len(there) < 20 {
		t.Fatalf("%d metrics: %s", len(there), metrics.Body)
	}
	for _, file := range []string{"../deploy/grafana/osc-gateway.json", "../deploy/prometheus/osc-gateway.rules.yml", "../docs/operating.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shown := metricOf.FindAllString(string(text), -1)
		if len(shown) == 0 {
			t.Errorf("%s shows none", file)
		}
		for _, name := range shown {
			if !there[name] {
				t.Errorf("%s shows %s, and there is no such metric", file, name)
			}
		}
	}
	// And the other way round: an operator is told of every metric.
	operating, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(metrics.Body, "\n") {
		if name, found := strings.CutPrefix(line, "# TYPE "); found && strings.HasPrefix(name, "caddy_osc_auth_") {
			if name, _, _ = strings.Cut(name, " "); !strings.Contains(string(operating), "`"+name) {
				t.Errorf("docs/operating.md does not tell of %s", name)
			}
		}
	}
}

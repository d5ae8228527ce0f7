package integration

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// runExample starts an example's configuration with an admin API of its own.
func (g *gateway) runExample(config string, env ...string) {
	g.t.Helper()
	g.env = append(append(g.env, "ADMIN=unix/"+g.admin(), "PORT="+strings.TrimPrefix(g.anyHost(), ":")), env...)
	g.launch("run", "--config", config, "--adapter", "caddyfile")
}

// startReplicas starts two gateways that share a Redis, and the balancer in front
// of them, which visitors come to.
func startReplicas(t testing.TB, w *world, redis *redisServer) (replicas []*gateway) {
	t.Helper()
	balancer := w.gateway
	env := []string{"OSC_ISSUER=" + w.osc.URL, "REDIS_URL=redis://" + redis.address, "APP=" + w.app.Listener.Addr().String(),
		"PUBLIC_URL=" + balancer.URL, "OSC_GATEWAY_KEY=" + gatewayKey}
	replicas = []*gateway{newGateway(t, w.canaries), newGateway(t, w.canaries)}
	for _, g := range replicas {
		g.runExample(example(t, "replicas/Caddyfile"), env...)
	}
	for _, g := range replicas {
		eventually(t, "a replica answers", g.answers)
	}
	balancer.runExample(example(t, "replicas/balancer.Caddyfile"), "GATEWAYS="+replicas[0].address+" "+replicas[1].address)
	eventually(t, "the balancer answers", balancer.answers)
	return replicas
}

func TestExampleOfReplicas(t *testing.T) {
	t.Parallel()
	w := exampleWorld(t)
	redis := newRedis(t)
	replicas := startReplicas(t, w, redis)
	v := w.visitor()
	if page := v.signIn("/studio"); page.Status != http.StatusOK {
		t.Fatal(page)
	}
	for _, g := range replicas { // past the balancer, where it is not for it to choose
		past := newVisitor(t, "http://"+g.address).withCookie("osc_session=" + v.session())
		if got := past.fetch(http.MethodGet, "/studio"); got.Status != http.StatusOK {
			t.Errorf("%s: %v", g.address, got)
		}
	}
	for range 4 {
		if got := v.open("/studio"); got.Status != http.StatusOK {
			t.Error(got)
		}
	}
	replicas[0].kill()
	for range 6 {
		if got := v.open("/studio"); got.Status != http.StatusOK {
			t.Errorf("with one replica: %v", got)
		}
	}
	if listed := replicas[1].mustAdmin(http.MethodGet, "/osc_auth/sessions"); strings.Count(listed, `"user":"alice"`) != 1 {
		t.Errorf("the replica that is left lists %s", listed)
	}
	redis.kill()
	eventually(t, "the page says that the store is away", func() bool {
		got := v.open("/studio")
		return got.Status == http.StatusServiceUnavailable && strings.Contains(got.Body, "store_unavailable")
	})
	redis.start()
	eventually(t, "there are pages again", func() bool { return v.open("/assets/a").Status != http.StatusServiceUnavailable })
	if got := w.osc.Counters().CodeExchanges; got != 1 {
		t.Errorf("%d sign-ins", got)
	}
}

// startExampleNginx starts nginx with the example's configuration, at another
// address and with another certificate, in front of the gateway.
func startExampleNginx(t testing.TB, g *gateway, front string) (trust *tls.Config) {
	t.Helper()
	certificate, key, trust := certificateFor(t, "localhost")
	raw, err := os.ReadFile(example(t, "behind-proxy/nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for was, is := range map[string]string{
		"127.0.0.1:8080": g.address, "listen 443 ssl": "listen " + front + " ssl", "app.example.com;": "localhost;",
		"/etc/nginx/app.example.com.pem": certificate, "/etc/nginx/app.example.com.key": key,
		"events {}": nginxHere, "http {\n": "http {\n" + nginxDirectories,
	} {
		if strings.Count(text, was) != 1 {
			t.Fatalf("the example does not say %q once", was)
		}
		text = strings.Replace(text, was, is, 1)
	}
	config := filepath.Join(t.TempDir(), "nginx.conf")
	mustWrite(t, config, text)
	path := program(t, "OSC_GATEWAY_TEST_NGINX", "nginx", "/usr/sbin/nginx")
	startServer(t, "nginx", front, exec.Command(path, "-e", "stderr", "-p", filepath.Dir(config), "-c", config))
	return trust
}

func TestExampleOfAGatewayBehindAProxy(t *testing.T) {
	t.Parallel()
	w := exampleWorld(t)
	front := freeAddress(t)
	_, port, _ := net.SplitHostPort(front)
	public := "https://localhost:" + port
	w.gateway.runExample(example(t, "behind-proxy/Caddyfile"), "OSC_ISSUER="+w.osc.URL, "PUBLIC_URL="+public, "APP="+w.app.Listener.Addr().String())
	eventually(t, "the gateway answers", w.gateway.answers)
	trust := startExampleNginx(t, w.gateway, front)

	v := newVisitor(t, public)
	v.client.Transport.(*http.Transport).TLSClientConfig = trust
	begun := v.open("/studio")
	if uri := begun.location(t).Query().Get("redirect_uri"); uri != public+"/auth/callback" {
		t.Errorf("the redirect URI is %s", uri)
	}
	if page := v.finish(begun); page.Status != http.StatusOK {
		t.Fatal(page)
	}
	for _, kept := range v.cookies() {
		if !strings.HasPrefix(kept.Name, "__Host-") {
			t.Errorf("a cookie %s", kept.Name)
		}
	}
	forged := navigation.Clone()
	forged.Set("X-Forwarded-For", "203.0.113.7")
	forged.Set("X-Forwarded-Host", "evil.example")
	if got := v.send(http.MethodGet, "/studio", forged, ""); got.Status != http.StatusOK {
		t.Fatal(got)
	}
	got := w.app.last(t)
	if _, there := got.token(); !there || got.Header.Get("X-Forwarded-Proto") != "https" ||
		strings.Contains(got.Header.Get("X-Forwarded-For"), "203.0.113.7") || got.Header.Get("X-Forwarded-Host") != "localhost:"+port {
		t.Errorf("the app was sent %v", got.Header)
	}
}

// certificateFor makes the two files a server needs, and what its clients trust.
func certificateFor(t testing.TB, host string) (certificate, key string, trust *tls.Config) {
	t.Helper()
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	private, issued := attack2Issue(t, template, template, nil)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	pemCertificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issued})
	mustWrite(t, certificate, string(pemCertificate))
	mustWrite(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pemCertificate)
	return certificate, key, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// nginxHere and nginxDirectories have nginx stay where it was started.
const (
	nginxHere        = "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {}"
	nginxDirectories = "access_log off;\nclient_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n"
)

// startSites starts the studio and the wiki on one gateway, and tells where
// visitors find a site.
func startSites(t testing.TB, w *world) (site func(name string) string) {
	t.Helper()
	_, port, _ := net.SplitHostPort(w.gateway.tap.listener.Addr().String())
	_, listen, _ := net.SplitHostPort(w.gateway.address)
	site = func(name string) string { return "http://" + name + ".localhost:" + port }
	address := w.app.Listener.Addr().String()
	w.gateway.URL = "http://studio.localhost:" + listen // for the question whether it answers
	w.gateway.runExample(example(t, "several-sites/Caddyfile"), "OSC_ISSUER="+w.osc.URL, "STUDIO_APP="+address, "WIKI_APP="+address,
		"STUDIO=http://studio.localhost:"+listen, "WIKI=http://wiki.localhost:"+listen)
	eventually(t, "the gateway answers", w.gateway.answers)
	return site
}

func TestExampleOfSeveralSites(t *testing.T) {
	t.Parallel()
	w := exampleWorld(t)
	site := startSites(t, w)
	v := newVisitor(t, site("studio"))
	if page := v.signIn("/"); page.Status != http.StatusOK {
		t.Fatal(page)
	}
	if got := w.app.last(t); !strings.HasPrefix(got.Header.Get("Authorization"), "Bearer ") {
		t.Errorf("the studio's app was sent %v", got.Header)
	}
	studio := v.session()

	if page := v.open(site("wiki") + "/"); page.Status != http.StatusOK {
		t.Error(page)
	}
	if got := w.app.last(t); got.Header.Get("X-Osc-User") != "" {
		t.Errorf("the wiki knows %v", got.Header)
	}
	if edit := v.open(site("wiki") + "/edit/a"); !edit.redirects() {
		t.Errorf("a session of the studio opens the wiki's editor: %v", edit)
	}
	thief := newVisitor(t, site("wiki")).withCookie("osc_session=" + studio)
	if got := thief.fetch(http.MethodGet, "/api/pages"); got.Status != http.StatusUnauthorized {
		t.Errorf("the studio's cookie at the wiki: %v", got)
	}
	if back := newVisitor(t, site("studio")).withCookie("osc_session="+studio).fetch(http.MethodGet, "/"); back.Status != http.StatusOK {
		t.Errorf("the studio's cookie at the studio, which shows that it is one: %v", back)
	}

	// Somebody of another workspace may write in the wiki and not enter the studio.
	w.osc.SetKnobs(func(k *simulator.Knobs) { k.Authorize.AutoUser = "mallory" })
	other := newVisitor(t, site("studio"))
	if page := other.signIn("/"); page.Status != http.StatusForbidden {
		t.Errorf("mallory at the studio: %v", page)
	}
	if page := other.signIn(site("wiki") + "/edit/a"); page.Status != http.StatusOK {
		t.Errorf("mallory at the wiki: %v", page)
	}
	got := w.app.last(t)
	if _, hasToken := got.token(); hasToken || got.Header.Get("Authorization") != "" || got.Header.Get("X-Osc-User") != "mallory" {
		t.Errorf("the wiki's app was sent %v", got.Header)
	}
}

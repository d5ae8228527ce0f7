package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// platform is the simulated OSC under its own host names, over TLS.
type platform struct {
	port string
	ca   string // the file with the certificate to trust
	mu   sync.Mutex
	seen map[string]bool // hosts that were asked
}

// newPlatform has the simulator answer for *.svc and *.auto of production.
func newPlatform(t testing.TB, osc http.Handler, dir string) *platform {
	t.Helper()
	certificate, authority := oscCertificate(t)
	p := &platform{ca: filepath.Join(dir, "ca.pem"), seen: map[string]bool{}}
	mustWrite(t, p.ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority})))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.seen[r.Host] = r.TLS.ServerName == r.Host
		p.mu.Unlock()
		osc.ServeHTTP(w, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, p.port, _ = net.SplitHostPort(server.Listener.Addr().String())
	return p
}

// oscCertificate makes a certificate for OSC's hosts, and the authority that
// signed it.
func oscCertificate(t testing.TB) (certificate tls.Certificate, authority []byte) {
	t.Helper()
	sign := func(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
		template.SerialNumber = big.NewInt(1)
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		signed, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	caKey, key := newKey(), newKey()
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "a test's own"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	authority = sign(ca, ca, caKey, caKey)
	leaf := &x509.Certificate{DNSNames: []string{"*.svc.prod.osaas.io", "*.auto.prod.osaas.io"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	return tls.Certificate{Certificate: [][]byte{sign(leaf, ca, key, caKey)}, PrivateKey: key}, authority
}

// hosts are those that were asked by their right names.
func (p *platform) hosts() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for host, right := range p.seen {
		if right {
			all = append(all, host)
		}
	}
	slices.Sort(all)
	return all
}

// sdkWorld is a gateway in front of an app of Node.js which finds OSC's hosts
// at the simulated OSC.
func sdkWorld(t testing.TB, source, script string) (*world, *platform) {
	t.Helper()
	w := exampleWorld(t)
	dir := installNode(t, source, script)
	p := newPlatform(t, w.osc.handler, w.gateway.dir)
	loopback, err := filepath.Abs("sdk/loopback.cjs")
	if err != nil {
		t.Fatal(err)
	}
	w.gateway.env = append(w.gateway.env, "NODE_EXTRA_CA_CERTS="+p.ca, "OSC_TLS_PORT="+p.port,
		"OSC_ACCESS_TOKEN="+w.osc.IssuePAT("owner", "owner"))
	w.gateway.status = 143 // Node's, which is sent the signal
	w.gateway.launch("proxy", "--from", w.gateway.anyHost(), "--to", freePort(t), "--issuer", w.osc.URL, "--store", "memory",
		"--public", "/nobody", "--", program(t, "OSC_GATEWAY_TEST_NODE", "node", "nodejs"), "--require", loopback, filepath.Join(dir, script))
	eventually(t, "the app answers", func() bool { return w.gateway.says("the app answers at") })
	eventually(t, "the gateway answers", w.gateway.answers)
	return w, p
}

func TestOSCsOwnSDKWorksWithTheTokenTheAppIsHanded(t *testing.T) {
	t.Parallel()
	w, p := sdkWorld(t, "sdk", "app.mjs")
	v := w.visitor()
	if page := v.signIn("/"); page.Status != http.StatusOK {
		t.Fatal(page)
	}
	page := v.open("/walk")
	var walk struct {
		Before, Listed, After, Unsubscribed []map[string]any
		Made, Got                           map[string]any
		Health                              string
		Subscribed, Logs                    []string
		Missing                             bool
	}
	if err := json.Unmarshal([]byte(page.Body), &walk); err != nil || page.Status != http.StatusOK {
		t.Fatalf("%v: %s", page, page.Body)
	}
	const url = "https://acme-guide.eyevinn-intercom-manager.auto.prod.osaas.io"
	if !slices.Equal(walk.Subscribed, []string{"eyevinn-intercom-manager"}) || len(walk.Unsubscribed) != 0 {
		t.Errorf("subscriptions: %s", page.Body)
	}
	if len(walk.Before) != 0 || len(walk.Listed) != 1 || len(walk.After) != 0 || walk.Made["url"] != url ||
		walk.Got["size"] != "small" || walk.Health != "running" || len(walk.Logs) != 1 || !walk.Missing {
		t.Errorf("%s", page.Body)
	}
	want := []string{"api-eyevinn-intercom-manager.auto.prod.osaas.io", "catalog.svc.prod.osaas.io", "token.svc.prod.osaas.io"}
	if got := p.hosts(); !slices.Equal(got, want) {
		t.Errorf("the SDK asked %q, want %q", got, want)
	}
	if page := v.open("/stale"); page.Body != `{"get":"UnauthorizedError","list":"FetchError 401"}` {
		t.Errorf("a service token that is over: %v", page)
	}
	// Nobody's request is nobody's, though the gateway has the owner's token.
	if page := w.visitor().open("/nobody"); page.Status != http.StatusInternalServerError || !strings.Contains(page.Body, "Personal access token is required") {
		t.Errorf("without a user: %v", page)
	}
}

func TestOSCsOwnSDKOutlivesItsTokens(t *testing.T) {
	t.Parallel()
	w, _ := sdkWorld(t, "sdk", "app.mjs")
	v := w.visitor()
	if page := v.signIn("/instances"); page.Status != http.StatusOK || page.Body != "[]" {
		t.Fatal(page)
	}
	// OSC refuses the token before its time: the SDK says so, the app passes the
	// 401 on, and the gateway renews the token and asks again.
	w.osc.ExpireAccessTokens()
	before := w.osc.Counters().RefreshesOK
	if page := v.open("/instances"); page.Status != http.StatusOK || page.Body != "[]" {
		t.Errorf("after OSC forgot the token: %v", page)
	}
	if now := w.osc.Counters().RefreshesOK; now != before+1 {
		t.Errorf("%d refreshes", now-before)
	}
	// And tokens that end all the time go unnoticed.
	w.osc.SetKnobs(func(k *simulator.Knobs) { k.Token.AccessLifetimeSeconds = 3 })
	other := w.visitor()
	if page := other.signIn("/instances"); page.Status != http.StatusOK {
		t.Fatal(page)
	}
	eventually(t, "the token has been renewed twice", func() bool {
		if page := other.open("/instances"); page.Status != http.StatusOK {
			t.Fatal(page)
		}
		return w.osc.Counters().RefreshesOK >= before+3
	})
}

package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// attack2Certificates are a provider's: good, and not.
type attack2Certificates struct {
	current atomic.Pointer[tls.Certificate]
	good    *tls.Certificate
	bad     map[string]*tls.Certificate
	ca      []byte
}

func newAttack2Certificates(t testing.TB) *attack2Certificates {
	t.Helper()
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a CA"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey, caDER := attack2Issue(t, ca, ca, nil)
	leaf := func(from, to time.Duration, host string, signer *ecdsa.PrivateKey) *tls.Certificate {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, NotBefore: now.Add(from), NotAfter: now.Add(to),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = []net.IP{ip}
		} else {
			template.DNSNames = []string{host}
		}
		parent := ca
		if signer == nil {
			parent = template
		}
		key, der := attack2Issue(t, template, parent, signer)
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	const hour = time.Hour
	c := &attack2Certificates{good: leaf(-hour, hour, "127.0.0.1", caKey), ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})}
	c.bad = map[string]*tls.Certificate{
		"signed by itself": leaf(-hour, hour, "127.0.0.1", nil), "for another host": leaf(-hour, hour, "elsewhere.example", caKey),
		"expired": leaf(-2*hour, -hour, "127.0.0.1", caKey), "of tomorrow": leaf(hour, 2*hour, "127.0.0.1", caKey),
	}
	c.current.Store(c.good)
	return c
}

// attack2Issue makes a key and a certificate for it; without a signer, it signs
// itself.
func attack2Issue(t testing.TB, template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

func TestAttack2ProvidersThatAreNotWhoTheySay(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the test's CA is trusted by a variable, which Go reads here only")
	}
	certificates := newAttack2Certificates(t)
	c := &canaries{}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	mustWrite(t, ca, string(certificates.ca))
	w := &world{t: t, canaries: c, osc: newOSC(t, c), app: newApp(t, c), gateway: newGateway(t, c, "SSL_CERT_FILE="+ca)}
	serveTLS(t, w.osc, certificates)
	a := &attack2{world: w, origin: w.gateway.URL}
	w.configure("", "")
	w.gateway.start()
	w.quickly()
	t.Cleanup(func() { w.osc.Close() })

	a.throughTLS(t)
	for name, bad := range certificates.bad {
		t.Run("TE-028 "+name, func(t *testing.T) {
			certificates.current.Store(certificates.good)
			v := a.overTLS(t)
			callback := v.toCallback(v.open("/studio"))
			certificates.current.Store(bad)
			before := a.calls()
			got := v.open(callback)
			if got.Status != http.StatusServiceUnavailable && got.Status != http.StatusBadGateway || a.held(v) != "" || a.calls() != before {
				t.Errorf("%v", got)
			}
			a.own(t, got)
		})
	}
	certificates.current.Store(certificates.good)
	a.throughTLS(t)
}

// serveTLS makes the simulator answer with the certificate of the moment, on a
// new connection each time.
func serveTLS(t testing.TB, o *osc, certificates *attack2Certificates) {
	t.Helper()
	o.URL = strings.Replace(o.URL, "http:", "https:", 1)
	o.Server = simulator.New(simulator.Config{Issuer: o.URL})
	o.handler = o.Server
	listener, err := net.Listen("tcp", o.address)
	if err != nil {
		t.Fatal(err)
	}
	o.server = &http.Server{
		Handler: http.HandlerFunc(o.serve), ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificates.current.Load(), nil }},
	}
	o.server.SetKeepAlivesEnabled(false)
	go o.server.ServeTLS(listener, "", "")
}

// overTLS is a visitor who trusts every provider.
func (a *attack2) overTLS(t *testing.T) *visitor {
	v := newVisitor(t, a.origin)
	v.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	return v
}

// throughTLS signs in.
func (a *attack2) throughTLS(t *testing.T) {
	t.Helper()
	v := a.overTLS(t)
	if page := v.signIn("/studio"); page.Status != http.StatusOK || a.held(v) == "" {
		t.Errorf("a provider in order: %v", page)
	}
}

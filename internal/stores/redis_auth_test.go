package stores

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens/tokenstest"
)

const redisPassword = "correct:horse/battery@staple%"

func TestAPasswordOpensTheServerAndIsNeverShown(t *testing.T) {
	server := startRedis(t, "--requirepass", redisPassword)
	escaped := "correct%3Ahorse%2Fbattery%40staple%25"
	right := openBench(t, "redis://:"+escaped+"@"+server.address, RedisConfig{})
	right.awaitTracking(t, 1)
	right.mustCreate(t, 1, "one")
	named := openBench(t, "redis://default:"+escaped+"@"+server.address, RedisConfig{})
	if record, err := named.Load(t.Context(), redisName(1)); err != nil || string(record.Sealed) != "one" {
		t.Errorf("Load by name = %v", err)
	}
	for name, url := range map[string]string{
		"a wrong one":             "redis://:wrong-" + escaped + "@" + server.address,
		"none":                    server.url(),
		"right, but nobody there": "redis://:" + escaped + "@127.0.0.1:1",
	} {
		t.Run(name, func(t *testing.T) {
			b := openBench(t, url, RedisConfig{})
			_, err := b.Load(t.Context(), redisName(1))
			wantUnknown(t, "Load", err)
			for _, shown := range []string{fmt.Sprint(err), b.log.String(), fmt.Sprintf("%+v", b.options.url)} {
				if strings.Contains(shown, "horse") {
					t.Errorf("shown: %s", shown)
				}
			}
		})
	}
}

func TestAUserWhoMayDoOnlyWhatIsNeededIsEnough(t *testing.T) {
	server := startRedis(t)
	server.do("ACL", "SETUSER", "gateway", "on", ">secret", "~osc-gw:*", "resetchannels", "-@all",
		"+eval", "+evalsha", "+lindex", "+lset", "+rpush", "+pexpire", "+pttl", "+del", "+scan", "+hello", "+ping", "+role", "+client|tracking", "+cluster|slots")
	b := openBench(t, "redis://gateway:secret@"+server.address, RedisConfig{})
	b.awaitTracking(t, 1)
	tokenstest.RunStoreTests(t, b.open(server))
}

func TestTLSIsSpokenAndVerified(t *testing.T) {
	dir := t.TempDir()
	roots := makeCertificates(t, dir)
	server := startRedisTLS(t, dir, roots)
	url := "rediss://" + server.address
	b := openBench(t, url, RedisConfig{TLS: &tls.Config{RootCAs: roots}})
	b.awaitTracking(t, 1)
	tokenstest.RunStoreTests(t, b.open(server))

	stranger := openBench(t, url, RedisConfig{})
	_, err := stranger.Load(t.Context(), redisName(1))
	wantUnknown(t, "Load", err)
	if !strings.Contains(fmt.Sprint(err), "certificate") {
		t.Errorf("a server nobody vouches for: %v", err)
	}
	plain := openBench(t, server.url(), RedisConfig{})
	_, err = plain.Load(t.Context(), redisName(1))
	wantUnknown(t, "Load without TLS", err)
}

// The system's roots are read once in a process, so another one is asked.
func TestTLSGoesByTheSystemsRoots(t *testing.T) {
	const variable = "OSC_GATEWAY_TEST_REDIS_URL"
	if url := os.Getenv(variable); url != "" {
		openBench(t, url, RedisConfig{}).mustCreate(t, 1, "one")
		return
	}
	dir := t.TempDir()
	server := startRedisTLS(t, dir, makeCertificates(t, dir))
	again := exec.Command(os.Args[0], "-test.run=^TestTLSGoesByTheSystemsRoots$")
	again.Env = append(os.Environ(), variable+"=rediss://"+server.address, "SSL_CERT_FILE="+filepath.Join(dir, "ca.pem"))
	if runtime.GOOS == "darwin" {
		return // its roots are not in a file
	}
	if output, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}

// startRedisTLS starts a server that speaks nothing but TLS.
func startRedisTLS(t *testing.T, dir string, roots *x509.CertPool) *redisServer {
	t.Helper()
	s := &redisServer{t: t, address: freeAddress(t), tls: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}}
	_, port, _ := net.SplitHostPort(s.address)
	s.args = []string{"--bind", "127.0.0.1", "--port", "0", "--tls-port", port, "--save", "", "--dir", dir,
		"--tls-cert-file", filepath.Join(dir, "server.pem"), "--tls-key-file", filepath.Join(dir, "server.key"),
		"--tls-ca-cert-file", filepath.Join(dir, "ca.pem"), "--tls-auth-clients", "no"}
	s.run()
	t.Cleanup(s.kill)
	return s
}

// makeCertificates writes an authority and a server's certificate by it.
func makeCertificates(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	authorityKey, serverKey := newKey(t), newKey(t)
	signed := func(certificate *x509.Certificate, key *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, certificate, authority, &key.PublicKey, authorityKey)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	ca := signed(authority, authorityKey)
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"ca.pem":     {Type: "CERTIFICATE", Bytes: ca},
		"server.pem": {Type: "CERTIFICATE", Bytes: signed(server, serverKey)},
		"server.key": {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca}))
	return roots
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

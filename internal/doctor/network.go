package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/osc"
)

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 256 << 10

// newTransport is Go's, with a new connection for every probe. With local, the
// certificate is not asked for: what listens on this machine is looked for by
// address, whatever it is called.
func newTransport(local bool) *http.Transport {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, asBrowsersDo(address))
		},
	}
	if local {
		transport.Proxy = nil
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // nothing is sent there
	}
	return transport
}

// asBrowsersDo takes every name below localhost for this machine (RFC 6761 §6.3),
// which not all name servers do.
func asBrowsersDo(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err == nil && net.ParseIP(host) == nil && osc.IsLoopback(host) {
		return net.JoinHostPort("localhost", port)
	}
	return address
}

func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// answer is what came of a probe.
type answer struct {
	status       int
	header       http.Header
	body         []byte
	tls          *tls.ConnectionState
	begun, ended time.Time
}

func (a answer) took() time.Duration { return a.ended.Sub(a.begun) }

// middle is about when the other side answered.
func (a answer) middle() time.Time { return a.begun.Add(a.took() / 2) }

func (a answer) isHTML() bool { return strings.HasPrefix(a.header.Get("Content-Type"), "text/html") }

// get asks for a page, or an endpoint, and follows no redirect.
func (d *Doctor) get(ctx context.Context, target string, fields ...string) (answer, error) {
	return d.ask(ctx, d.http, http.MethodGet, target, fields...)
}

// ask makes one request with further header fields, name and value in turn.
func (d *Doctor) ask(ctx context.Context, client *http.Client, method, target string, fields ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("User-Agent", "osc-gateway doctor")
	request.Header.Set("Accept", "application/json")
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "Host" {
			request.Host = fields[i+1]
		} else {
			request.Header.Set(fields[i], fields[i+1])
		}
	}
	a := answer{begun: d.Now()}
	response, err := client.Do(request)
	if err != nil {
		return a, err
	}
	defer func() { _ = response.Body.Close() }()
	a.ended = d.Now()
	a.status, a.header, a.tls = response.StatusCode, response.Header, response.TLS
	a.body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return a, err
}

// trouble is why something could not be reached, in words that quote no URL, and
// what to do about it.
type trouble struct {
	message, fix string
	// refused says that nobody listens there; anything else is no matter of the
	// other side not having been started.
	refused bool
}

// diagnose sorts the errors of a call to a host.
func (d *Doctor) diagnose(err error, host string) trouble {
	var (
		unknownHost *net.DNSError
		unverified  *tls.CertificateVerificationError
		plain       tls.RecordHeaderError
		network     *net.OpError
	)
	name, _, splitErr := net.SplitHostPort(host)
	if splitErr != nil {
		name = host
	}
	switch {
	case errors.As(err, &unknownHost) && unknownHost.IsNotFound:
		return trouble{message: "the name " + name + " does not resolve", fix: "check its spelling, and its record in the DNS"}
	case errors.As(err, &unknownHost):
		return trouble{message: "the name " + name + " can't be looked up: the name server does not answer", fix: "check this machine's DNS"}
	case errors.As(err, &unverified):
		why := certificateTrouble(unverified)
		why.message = host + ": " + why.message
		return why
	case errors.As(err, &plain), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return trouble{message: host + " speaks plain http where https was expected", fix: "write http:// for it, or have it serve TLS at that port"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return trouble{message: "nothing listens at " + host, refused: true}
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return trouble{
			message: fmt.Sprintf("%s does not answer within %v", host, d.Timeout),
			fix:     "look for a firewall or proxy in the way; some networks can't reach their own public address from inside, so try from elsewhere too",
		}
	case errors.As(err, &network) && network.Op == "remote error":
		return trouble{message: host + " refuses the TLS handshake (" + network.Err.Error() + ")", fix: "check that it has a certificate for that name"}
	case errors.As(err, &network):
		return trouble{message: host + " can't be reached: " + network.Err.Error(), fix: "check the route there: firewall, proxy, network"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return trouble{message: host + " closes the connection without an answer", fix: "see the log of what listens there"}
	default:
		return trouble{message: host + " gives no answer that can be read", fix: "see the log of what listens there"}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// certificateTrouble says what is wrong with a certificate.
func certificateTrouble(err *tls.CertificateVerificationError) trouble {
	var (
		invalid  x509.CertificateInvalidError
		hostname x509.HostnameError
		unknown  x509.UnknownAuthorityError
	)
	issuer := ""
	if len(err.UnverifiedCertificates) > 0 {
		issuer = ", issued by " + issuerOf(err.UnverifiedCertificates[0])
	}
	switch {
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.Expired:
		return trouble{message: "its certificate is expired or not valid yet" + issuer, fix: "renew it; if it is new, check this machine's clock"}
	case errors.As(err.Err, &hostname):
		return trouble{message: "its certificate is for another name" + issuer, fix: "get one for " + hostname.Host + ", or use the name it is for"}
	case errors.As(err.Err, &unknown):
		return trouble{
			message: "its certificate is of an authority this machine does not know" + issuer,
			fix:     "install that authority's certificate here (SSL_CERT_FILE names a file with it), or serve the whole chain",
		}
	default:
		return trouble{message: "its certificate does not verify" + issuer, fix: "get one that browsers accept"}
	}
}

func issuerOf(certificate *x509.Certificate) string {
	switch issuer := certificate.Issuer; {
	case len(issuer.Organization) > 0 && issuer.CommonName != "":
		return issuer.Organization[0] + " (" + issuer.CommonName + ")"
	case issuer.CommonName != "":
		return issuer.CommonName
	case len(issuer.Organization) > 0:
		return issuer.Organization[0]
	default:
		return "an unnamed authority"
	}
}

// soonExpired is when a certificate should have been renewed: within its last
// two weeks, or of those that live shorter, their last quarter.
func soonExpired(certificate *x509.Certificate) time.Time {
	lifetime := certificate.NotAfter.Sub(certificate.NotBefore)
	return certificate.NotAfter.Add(-min(14*24*time.Hour, lifetime/4))
}

// certificate tells of a certificate that verified.
func (d *Doctor) certificate(check string, state *tls.ConnectionState) Result {
	if state == nil || len(state.PeerCertificates) == 0 {
		return Result{Check: check, Status: OK, Message: "plain http, which is for this machine alone"}
	}
	leaf := state.PeerCertificates[0]
	result := Result{
		Check: check, Status: OK,
		Message: fmt.Sprintf("issued by %s, good until %s", issuerOf(leaf), leaf.NotAfter.UTC().Format("2006-01-02 15:04 MST")),
	}
	if d.Now().After(soonExpired(leaf)) {
		result.Status, result.Fix = Warn, "find out why it was not renewed"
	}
	return result
}

package caddymodule

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// masked is what OSC's parameter store gives for a secret it was not asked
// for with its key.
const masked = "***"

var errMasked = errors.New("reads ***: OSC's parameter store masked the secret; store it as a plain parameter, or give the app the store's key")

// resolve replaces placeholders like {env.X} and {file.path}. One that is
// unset or empty is an error, never an empty credential.
func resolve(option, value string) (string, error) {
	resolved, err := caddy.NewReplacer().ReplaceOrErr(value, true, true)
	if err != nil {
		return "", fmt.Errorf("%s: %w; set it, or remove the line", option, err)
	}
	return strings.TrimSpace(resolved), nil
}

// isPlaceholder tells that a value is known only when it is loaded.
func isPlaceholder(value string) bool { return strings.Contains(value, "{") }

// checkCredential refuses what can't be a client id or secret.
func checkCredential(what, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("%s is empty", what)
	case value == masked:
		return fmt.Errorf("%s %w", what, errMasked)
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return fmt.Errorf("%s has characters no credential has; is a placeholder missing its braces?", what)
	default:
		return nil
	}
}

var envPlaceholder = regexp.MustCompile(`\{env\.([^}]+)\}`)

// checkEnv reports placeholders of variables that are not set, while there is
// still a line to name.
func checkEnv(value string) error {
	for _, found := range envPlaceholder.FindAllStringSubmatch(value, -1) {
		if os.Getenv(found[1]) == "" {
			return fmt.Errorf("the variable %s is not set: set it, or remove the line", found[1])
		}
	}
	return nil
}

// checkOrigin returns an origin as browsers serialize it (RFC 6454 §6.2).
func checkOrigin(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("%q is not an origin; write it like https://app.example.com", raw)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return "", fmt.Errorf("%q must be scheme and host only; write %s://%s", raw, u.Scheme, u.Host)
	}
	if strings.ContainsAny(u.Host, "*{} ") || u.Hostname() == "" {
		return "", fmt.Errorf("%q must name one host", raw)
	}
	return serializeOrigin(u.Scheme, u.Host), nil
}

// serializeOrigin is an origin in lower case, without a default port and
// without the dot that ends a fully qualified name.
func serializeOrigin(scheme, hostport string) string {
	hostport = strings.ToLower(hostport)
	host, port, found := strings.Cut(hostport, ":")
	if strings.HasPrefix(hostport, "[") { // an IPv6 address
		end := strings.LastIndexByte(hostport, ']')
		host, port = hostport[:end+1], strings.TrimPrefix(hostport[end+1:], ":")
		found = port != ""
	}
	host = strings.TrimSuffix(host, ".")
	if !found || port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		return scheme + "://" + host
	}
	return scheme + "://" + host + ":" + port
}

var (
	fieldName   = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	cookieName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	prefixPath  = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)
	serviceName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
	tenantName  = regexp.MustCompile(`^[!-~]{1,256}$`)
)

// unfitForTokens are fields that mean something to HTTP, to the gateway or to
// proxies on the way.
var unfitForTokens = map[string]bool{
	"connection": true, "content-length": true, "content-type": true, "cookie": true, "expect": true, "forwarded": true,
	"host": true, "keep-alive": true, "proxy-authorization": true, "proxy-connection": true, "te": true, "trailer": true,
	"transfer-encoding": true, "upgrade": true, "origin": true, "referer": true, "accept": true, "user-agent": true, "via": true,
	"x-real-ip": true,
}

// hyphens reads a field's name as CGI and its heirs do (RFC 3875 §4.1.18).
var hyphens = strings.NewReplacer("_", "-", ".", "-")

// checkTokenField tells whether a token may travel in a field of that name.
func checkTokenField(name string) error {
	lower := hyphens.Replace(strings.ToLower(name))
	switch {
	case !fieldName.MatchString(name):
		return fmt.Errorf("%q is not a header field's name", name)
	case unfitForTokens[lower], strings.HasPrefix(lower, "x-forwarded-"), strings.HasPrefix(lower, "sec-"),
		strings.HasPrefix(lower, "if-"), strings.HasPrefix(lower, "x-osc-"):
		return fmt.Errorf("%s has a meaning of its own; choose another field for the token", name)
	default:
		return nil
	}
}

// requestPlaceholder finds what a client can choose.
var requestPlaceholder = regexp.MustCompile(`\{(http\.|query\.|header\.|path|uri|host|cookie\.|labels\.|re\.|vars\.|file\b|dir\b|method|remote|client_ip)`)

// checkUpstream refuses an address that a request could choose: the token goes
// only where the configuration says.
func checkUpstream(dial string) error {
	if requestPlaceholder.MatchString(dial) {
		return fmt.Errorf("upstream %q is chosen by the request; a token is only sent to upstreams written down here", dial)
	}
	return checkEnv(dial)
}

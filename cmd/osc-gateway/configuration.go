package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// configuration is a Caddyfile being written from options, which remembers
// which option each of its lines came from.
type configuration struct {
	lines []string
	from  []string
}

func (c *configuration) add(option, line string) {
	c.lines, c.from = append(c.lines, line), append(c.from, option)
}

// gracePeriod is how long an answer that goes on may hold up the end of the
// process. Caddy's own default is for ever.
const gracePeriod = "10s"

var errNoApp = errors.New("--to: where is the app? Give its address, like --to :3000")

// configure writes the configuration that the options ask for.
func configure(values given) (*configuration, error) {
	if len(values["to"]) == 0 {
		return nil, errNoApp
	}
	address, err := siteAddress(values)
	if err != nil {
		return nil, err
	}
	for _, upstream := range upstreams(values["to"]) {
		if err := clash(address, upstream); err != nil {
			return nil, err
		}
	}
	admin, err := adminListen(values, address)
	if err != nil {
		return nil, err
	}
	c := new(configuration)
	c.add("", "{")
	c.add("admin", "\tadmin "+quote(admin))
	if admin != noAdmin { // its loggers below go on; it itself warns of every socket
		c.add("", "\tlog default {\n\t\texclude admin\n\t}\n\tlog admin {\n\t\tinclude admin.api\n\t}")
	}
	c.add("", "\tpersist_config off")
	c.add("", "\tgrace_period "+gracePeriod)
	c.add("", "\tservers {")
	if proxies := values["trusted-proxies"]; len(proxies) > 0 {
		// What a client says of its own address before the first of them is not theirs.
		c.add("trusted-proxies", "\t\ttrusted_proxies static "+quoteAll(proxies)+"\n\t\ttrusted_proxies_strict")
	}
	if strings.HasPrefix(address, "http://") { // the others need TLS, and Caddy says so at every start
		c.add("", "\t\tprotocols h1")
	}
	c.add("", "\t}")
	c.add("", "\tosc_auth {")
	for _, o := range options {
		if o.place == global && len(values[o.name]) > 0 {
			c.add(o.name, "\t\t"+o.word()+" "+quoteAll(values[o.name]))
		}
	}
	c.add("", "\t}\n}")
	named := siteName(address, values)
	c.add("from", quote(named)+" {"+bind(address))
	c.addElsewhere(values, endpointsOf(values))
	c.add("to", "\tosc_proxy "+quoteAll(upstreams(values["to"]))+" {")
	c.addSite(values)
	c.add("", "\t}\n}")
	if named == address {
		c.addOtherSites(address)
	}
	if from := values["metrics-from"]; len(from) > 0 {
		if err := c.addMetrics(from[0], address); err != nil {
			return nil, err
		}
	}
	if at := jobsAddress(values); at != "" {
		c.add("jobs-from", "http://"+at+" {"+bind("http://"+at)+"\n\tosc_jobs\n}")
	}
	return c, nil
}

// siteName is the address under which the site stands in the Caddyfile. One of
// this machine with a public URL is where a proxy comes, under the public name;
// and the one that stands for all addresses is the name of none.
func siteName(address string, values given) string {
	u, err := url.Parse(address)
	if err != nil || bind(address) == "" {
		return address
	}
	if ip := net.ParseIP(u.Hostname()); len(servedHosts(values)) == 0 && !ip.IsUnspecified() {
		return address
	}
	return "http://:" + u.Port()
}

// bind has a site at an address of this machine listen there and nowhere else.
// The address alone only says which Host is meant, which anybody can send.
func bind(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	switch host := u.Hostname(); {
	case host == "localhost":
		return "\n\tbind 127.0.0.1"
	case net.ParseIP(host) != nil:
		return "\n\tbind " + host
	default:
		return ""
	}
}

// addMetrics adds a listener for the metrics alone.
func (c *configuration) addMetrics(from, address string) error {
	host, port, err := net.SplitHostPort(from)
	if err != nil {
		return fmt.Errorf("--metrics-from: expected an address like 127.0.0.1:9180, got %q", from)
	}
	if u, err := url.Parse(address); err == nil && u.Port() == port {
		return errors.New("--metrics-from: this is where visitors come; metrics are not for them")
	}
	c.add("metrics-from", "http://:"+port+" {")
	if host != "" {
		c.add("metrics-from", "\tbind "+quote(host))
	}
	c.add("", "\tmetrics /metrics\n}")
	return nil
}

// endpointsOf is the prefix of the gateway's own paths.
func endpointsOf(values given) string {
	if prefix := values["endpoints"]; len(prefix) > 0 {
		return prefix[0]
	}
	return "/auth"
}

// jobsAddress is where handles of jobs are traded; "" where there are none.
func jobsAddress(values given) string {
	switch {
	case len(values["jobs"]) == 0:
		return ""
	case len(values["jobs-from"]) > 0:
		return values["jobs-from"][0]
	default:
		return "127.0.0.1:9900"
	}
}

// addSite adds what stands in the block of osc_proxy.
func (c *configuration) addSite(values given) {
	for _, o := range options {
		if o.place == site && len(values[o.name]) > 0 {
			c.addSiteOption(o, values)
		}
	}
	c.addLook(values)
	if tenants := values["tenant"]; len(tenants) > 0 {
		c.add("tenant", "\t\trequired {\n\t\t\ttenants "+quoteAll(tenants)+"\n\t\t}")
	}
}

// addSiteOption adds an option's line. Workspaces to let in are those of every
// route one must be signed in for.
func (c *configuration) addSiteOption(o option, values given) {
	line := "\t\t" + o.word() + " " + quoteAll(values[o.name])
	if tenants := values["tenant"]; len(tenants) > 0 && (o.name == "api" || o.name == "required") {
		line += " {\n\t\t\ttenants " + quoteAll(tenants) + "\n\t\t}"
	}
	c.add(o.name, line)
}

// addLook adds the block about the gateway's own pages, if there is anything in
// it.
func (c *configuration) addLook(values given) {
	isLook := func(o option) bool { return o.place == look && len(values[o.name]) > 0 }
	if !slices.ContainsFunc(options, isLook) {
		return
	}
	c.add("", "\t\tpages {")
	for _, o := range options {
		if isLook(o) {
			c.add(o.name, "\t\t\t"+o.word()+" "+quoteAll(values[o.name]))
		}
	}
	c.add("", "\t\t}")
}

// siteAddress is where to listen, as a Caddyfile's address. Without a host
// name there is no certificate to be had, so it is plain http.
func siteAddress(values given) (string, error) {
	from := ":8080"
	if port := os.Getenv("PORT"); port != "" {
		from = ":" + port
	}
	if len(values["from"]) > 0 {
		from = values["from"][0]
	}
	if strings.Contains(from, "://") {
		return from, nil
	}
	if _, err := strconv.Atoi(from); err == nil {
		from = ":" + from
	}
	host, port, err := net.SplitHostPort(from)
	if err != nil {
		host, port = from, ""
	}
	if port != "" {
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return "", fmt.Errorf("--from: %q is not a port", port)
		}
	}
	if ip := net.ParseIP(host); host == "" || host == "localhost" || ip != nil {
		return "http://" + from, nil
	}
	return from, nil
}

// upstreams are the app's addresses; a bare port is one of this machine.
func upstreams(to []string) []string {
	out := make([]string, len(to))
	for i, address := range to {
		if _, err := strconv.Atoi(address); err == nil {
			address = ":" + address
		}
		if strings.HasPrefix(address, ":") {
			address = "localhost" + address
		}
		out[i] = address
	}
	return out
}

// quote writes a value as one token of a Caddyfile.
func quote(value string) string {
	return `"` + strings.ReplaceAll(value, `"`, `\"`) + `"`
}

func quoteAll(values []string) string {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = quote(value)
	}
	return strings.Join(quoted, " ")
}

var lineOfError = regexp.MustCompile(`,? at [^ ]*Caddyfile:(\d+)(?: import chain: .*)?`)

// adapt turns the configuration into Caddy's, or says which option is wrong.
func (c *configuration) adapt() (*caddy.Config, error) {
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(strings.Join(c.lines, "\n")), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return nil, c.explain(err)
	}
	config := new(caddy.Config)
	if err := json.Unmarshal(adapted, config); err != nil {
		return nil, err
	}
	return config, nil
}

// explain names the option instead of a line of a file nobody has written.
func (c *configuration) explain(err error) error {
	message := err.Error()
	found := lineOfError.FindStringSubmatch(message)
	if found == nil {
		return err
	}
	number, convertErr := strconv.Atoi(found[1])
	if convertErr != nil {
		return err
	}
	message = strings.Replace(message, found[0], "", 1)
	line := 1
	for i, text := range c.lines {
		line += 1 + strings.Count(text, "\n")
		if number < line {
			if c.from[i] == "" {
				break
			}
			return fmt.Errorf("--%s: %s", c.from[i], message)
		}
	}
	return errors.New(message)
}

// reachedAt is where a person opens the gateway, for the greeting.
func reachedAt(values given, address string) string {
	if public := values["public-url"]; len(public) > 0 {
		return public[0]
	}
	if !strings.Contains(address, "://") {
		return "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "" || ip != nil && ip.IsUnspecified() {
		u.Host = net.JoinHostPort("localhost", u.Port())
	}
	return u.String()
}

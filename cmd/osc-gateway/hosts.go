package main

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// misdirected is what a host the gateway does not serve is answered with.
const misdirected = `"This host is not served here. Who runs the gateway names it in --public-url." 421`

// servedHosts are the hosts the options name, each once; none where it is any.
func servedHosts(values given) []string {
	var hosts []string
	for _, raw := range values["public-url"] {
		u, err := url.Parse(raw)
		if err != nil || u.Hostname() == "" {
			continue
		}
		if host := strings.ToLower(u.Hostname()); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// addElsewhere answers hosts other than those served, on a site that listens for
// any. This machine, health checks, which go by address, and proxies that are
// trusted come under whatever host they like.
func (c *configuration) addElsewhere(values given, endpoints string) {
	hosts := servedHosts(values)
	if len(hosts) == 0 {
		return
	}
	c.add("public-url", "\t@elsewhere {")
	for _, local := range []string{"localhost", "*.localhost"} {
		if !slices.Contains(hosts, local) { // Caddy refuses a host that is named twice
			hosts = append(hosts, local)
		}
	}
	c.add("public-url", "\t\tnot host "+quoteAll(hosts))
	c.add("", "\t\tnot header_regexp Host `^([0-9.]+|\\[[0-9a-fA-F:.]+\\])(:[0-9]+)?$`")
	c.add("endpoints", "\t\tnot path "+quote(endpoints+"/health")+" "+quote(endpoints+"/health/*"))
	if proxies := values["trusted-proxies"]; len(proxies) > 0 {
		c.add("trusted-proxies", "\t\tnot remote_ip "+quoteAll(proxies))
	}
	c.add("", "\t}\n\trespond @elsewhere "+misdirected)
}

// addOtherSites answers hosts other than the one the site's address names. With
// https the plain http of the served host goes on to https all the same: Caddy
// puts that redirect before a site for any host.
func (c *configuration) addOtherSites(address string) {
	scheme, hostport, found := strings.Cut(address, "://")
	if !found {
		scheme, hostport = "https", address
	}
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = hostport, ""
	}
	if host == "" {
		return
	}
	answer := " {" + bind(address) + "\n\trespond " + misdirected + "\n}"
	if port != "" {
		port = ":" + port
	}
	c.add("", scheme+"://"+port+answer)
	if scheme == "https" {
		c.add("", "http://"+answer)
	}
}

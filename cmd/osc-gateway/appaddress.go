package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// appAddress is where an app is dialled.
type appAddress struct {
	network, address string
}

// parseAppAddress reads an upstream of --to.
func parseAppAddress(upstream string) appAddress {
	if path, ok := strings.CutPrefix(upstream, "unix/"); ok {
		return appAddress{"unix", path}
	}
	if u, err := url.Parse(upstream); err == nil && u.Host != "" {
		if u.Port() == "" && u.Scheme == "https" {
			return appAddress{"tcp", net.JoinHostPort(u.Hostname(), "443")}
		}
		upstream = u.Host
	}
	if _, _, err := net.SplitHostPort(upstream); err != nil {
		return appAddress{"tcp", net.JoinHostPort(strings.Trim(upstream, "[]"), "80")}
	}
	return appAddress{"tcp", upstream}
}

func (a appAddress) String() string { return a.address }

// port is what the app is told to listen on; "" where it is no port.
func (a appAddress) port() string {
	if a.network != "tcp" {
		return ""
	}
	_, port, _ := net.SplitHostPort(a.address)
	return port
}

// answers tells whether somebody listens there.
func (a appAddress) answers(ctx context.Context) bool {
	dialer := net.Dialer{Timeout: appDialTimeout}
	connection, err := dialer.DialContext(ctx, a.network, a.address)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}

// hint says what to look at when nobody does. Not every machine means both of
// its loopback addresses by localhost, and apps differ in which they take; many
// take no notice of PORT. instead are the ports the app listens at, if known.
func (a appAddress) hint(ctx context.Context, instead []int) string {
	port := a.port()
	if port == "" {
		return "does it listen on that socket?"
	}
	if a.address == "localhost:"+port {
		for _, ip := range []string{"::1", "127.0.0.1"} {
			if other := (appAddress{"tcp", net.JoinHostPort(ip, port)}); other.answers(ctx) {
				return fmt.Sprintf("it listens at %s only, which localhost is not here: use --to %s", other, other)
			}
		}
	}
	switch len(instead) {
	case 0:
	case 1:
		return fmt.Sprintf("it listens on port %d instead: use --to :%d, or have it listen on $PORT", instead[0], instead[0])
	default:
		return fmt.Sprintf("it listens on the ports %v instead: name one by --to, or have it listen on $PORT", instead)
	}
	return fmt.Sprintf("it was started with PORT=%s: does it listen on that port, or should --to name the one it does listen on?", port)
}

// startable tells what is wrong with an upstream as the address of an app that
// is to be started there.
func startable(upstream string) error {
	if strings.HasPrefix(upstream, "unix/") {
		return nil
	}
	host := upstream
	if u, err := url.Parse(upstream); err == nil && u.Host != "" {
		host = u.Host
	}
	if _, port, err := net.SplitHostPort(host); err != nil || port == "" {
		return fmt.Errorf("--to: %q has no port; the app that is started has to be told one, like --to :3000", upstream)
	}
	return nil
}

// clash tells whether the gateway would pass requests on to itself, which is
// what comes of giving the app the port in PORT.
func clash(site, upstream string) error {
	own, err := url.Parse(site)
	if err != nil || own.Port() == "" {
		return nil
	}
	to := parseAppAddress(upstream)
	host, port, err := net.SplitHostPort(to.address)
	if err != nil || to.network != "tcp" || port != own.Port() || !local(host) || own.Hostname() != "" && !local(own.Hostname()) {
		return nil
	}
	return fmt.Errorf("--to: the gateway itself listens on port %s (--from, or PORT); give the app another, like --to :3000", port)
}

// local tells of names and addresses that are this machine's for certain.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
)

// listen tells of every address the gateway listens at whether it does, or
// could. running then tells which sites are served.
func (d *Doctor) listen(ctx context.Context) (results []Result, running func(Site) bool) {
	served := map[string]bool{}
	for _, site := range d.Setup.Sites {
		for _, address := range site.Listen {
			if _, known := served[address]; known {
				continue
			}
			result, answers := d.listenAt(ctx, site, address)
			results, served[address] = append(results, result), answers
		}
	}
	if len(results) == 0 {
		results = skipped("the gateway listens at no TCP port", "", CheckListen)
	}
	return results, func(site Site) bool {
		return slices.ContainsFunc(site.Listen, func(address string) bool { return served[address] })
	}
}

func (d *Doctor) listenAt(ctx context.Context, site Site, address string) (result Result, answers bool) {
	result = Result{Check: CheckListen, Status: OK}
	listener, err := d.Listen("tcp", address)
	switch {
	case err == nil:
		_ = listener.Close()
		result.Message = address + " is free: the gateway is not running on this machine"
		return result, false
	case errors.Is(err, syscall.EADDRINUSE):
		if d.servesAt(ctx, site, address) {
			result.Message = "the gateway answers at " + address
			return result, true
		}
		result.Status, result.Message = Fail, address+" is taken by something that is not this gateway"
		result.Fix = fmt.Sprintf("end that (ss -ltnp 'sport = :%s' names it), or listen elsewhere", portOf(address))
		return result, false
	case errors.Is(err, os.ErrPermission):
		result.Status, result.Message = Warn, "this user may not listen at "+address
		result.Fix = "grant the gateway cap_net_bind_service (AmbientCapabilities in systemd), or choose a port from 1024 up"
		return result, false
	default:
		result.Status, result.Message = Fail, address+" can't be listened at: "+reasonOf(err)
		result.Fix = "name an address of this machine"
		return result, false
	}
}

func reasonOf(err error) string {
	if network, ok := errors.AsType[*net.OpError](err); ok {
		return network.Err.Error()
	}
	return err.Error()
}

func portOf(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return port
}

// servesAt tells whether a site of the gateway answers at an address of this
// machine.
func (d *Doctor) servesAt(ctx context.Context, site Site, address string) bool {
	transport := newTransport(true)
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", dialable(address))
	}
	scheme := "http"
	if site.TLS {
		scheme = "https"
	}
	host := net.JoinHostPort(site.Host, portOf(address))
	found, err := d.ask(ctx, newClient(transport), http.MethodGet, scheme+"://"+host+site.Endpoints+"/health")
	return err == nil && isGateway(found)
}

// dialable is an address to reach a listener at that takes all of them.
func dialable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return address
}

// health is what the gateway answers there: that it is well, or a problem.
type health struct {
	Status any    `json:"status"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// longestDetail is more than the gateway ever says.
const longestDetail = 1000

func readHealth(found answer) health {
	var said health
	if json.Unmarshal(found.body, &said) != nil {
		return health{}
	}
	if len(said.Detail) > longestDetail { // then it is not the gateway's
		said.Detail = ""
	}
	return said
}

// isGateway tells whether an answer of the health endpoint is a gateway's.
func isGateway(found answer) bool {
	said := readHealth(found)
	return found.status == http.StatusOK && said.Status == "ok" || said.Reason == "store_unavailable"
}

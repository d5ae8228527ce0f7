package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// house is a subject that is stopped and started again with what it keeps on
// disk, and whose visitors have their sessions already.
type house struct {
	*subject
	lab    *lab
	home   string
	config string
}

// sessionsIn are the lines that have a gateway keep its sessions there.
func (l *lab) sessionsIn(store string) string {
	return fmt.Sprintf("\tosc_auth {\n\t\tissuer %s\n\t\tstore %s\n\t\tkey {env.OSC_GATEWAY_KEY}\n\t}\n", l.provider.issuer, store)
}

// gatewayAt is a gateway at an address that its sessions are for.
func (l *lab) gatewayAt(name, address, store string) (*house, error) {
	return l.gatewayBefore(name, address, store, l.upstream.address)
}

// gatewayBefore is one before another app than the rig's.
func (l *lab) gatewayBefore(name, address, store, app string) (*house, error) {
	return l.build(&subject{
		name: name, address: address, global: l.sessionsIn(store), site: fmt.Sprintf("\tosc_proxy %s\n", app),
		env: []string{"OSC_GATEWAY_KEY=" + l.key.Reveal()},
	})
}

// plainHouse is Caddy without us.
func (l *lab) plainHouse(name string) (*house, error) {
	s := plain(l.rig)
	s.name = name
	return l.build(s)
}

func (l *lab) build(s *subject) (*house, error) {
	var err error
	if s.address == "" {
		if s.address, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	if s.admin, err = freeAddress(); err != nil {
		return nil, err
	}
	if l.o.gogc != "" {
		s.env = append(s.env, "GOGC="+l.o.gogc)
	}
	home, err := os.MkdirTemp(l.dir, slug(s.name)+"-")
	if err != nil {
		return nil, err
	}
	h := &house{subject: s, lab: l, home: home, config: filepath.Join(home, "Caddyfile")}
	return h, os.WriteFile(h.config, []byte(l.caddyfile(s)), 0o600)
}

// start runs it until it listens, and says how long that took.
func (h *house) start(ctx context.Context) (time.Duration, error) {
	binary, err := filepath.Abs(h.lab.binary)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	h.program, err = h.lab.spawn(ctx, h.home, h.lab.environment(h.subject, h.home),
		[]string{binary, "run", "--config", h.config, "--adapter", "caddyfile"})
	if err != nil {
		return 0, err
	}
	h.lab.houses = append(h.lab.houses, h)
	h.meter = newMeter(h.process.Process.Pid)
	if err := h.waitUntilListening(ctx); err != nil {
		return 0, h.failed(err)
	}
	return time.Since(begun), nil
}

// waitUntilListening looks every half millisecond: what is measured is tens.
func (h *house) waitUntilListening(ctx context.Context) error {
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline) && ctx.Err() == nil; {
		conn, err := net.DialTimeout("tcp", h.address, patience)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-h.exited:
			h.exited <- err // for stop
			return fmt.Errorf("ended at once: %w", errors.Join(err, errNotUp))
		default:
			nap(500 * time.Microsecond)
		}
	}
	return errors.Join(ctx.Err(), errNotUp)
}

// stop ends it and waits; once is enough.
func (h *house) stop() {
	if h.process == nil {
		return
	}
	h.subject.stop()
	for _, v := range h.crowd {
		v.conn = nil // to connect again
	}
}

func (h *house) resident() (resident, error) { return residentOf(h.process.Process.Pid) }

// reload loads the configuration again although nothing in it has changed.
func (h *house) reload(ctx context.Context) (time.Duration, error) {
	config, err := os.ReadFile(h.config)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.admin+"/load", strings.NewReader(string(config)))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "text/caddyfile")
	request.Header.Set("Cache-Control", "must-revalidate") // or Caddy finds it unchanged and does nothing
	begun := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("reload: %d %s", response.StatusCode, body)
	}
	return time.Since(begun), err
}

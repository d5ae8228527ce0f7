package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nodeApp is an app of Node.js that keeps what it is sent.
type nodeApp struct {
	t       testing.TB
	address string
}

// nodeSaw is a request as node:http has it. The raw lists are names and values
// by turns, duplicates and all.
type nodeSaw struct {
	Method, URL             string
	RawHeaders, RawTrailers []string
	Headers                 map[string]any
	Trailers                map[string]string
}

func newNodeApp(t testing.TB) *nodeApp {
	t.Helper()
	a := &nodeApp{t: t, address: freeAddress(t)}
	_, port, _ := strings.Cut(a.address, ":")
	node := program(t, "OSC_GATEWAY_TEST_NODE", "node", "nodejs")
	startServer(t, "Node.js", a.address, exec.Command(node, filepath.Join("testdata", "reporter.mjs"), port))
	return a
}

// saw returns the requests since the last time.
func (a *nodeApp) saw() []nodeSaw {
	a.t.Helper()
	answer, err := http.Get("http://" + a.address + "/reports")
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	var reports []nodeSaw
	if err := json.NewDecoder(answer.Body).Decode(&reports); err != nil {
		a.t.Fatal(err)
	}
	return reports
}

// take returns the requests since the last time as they looked on the wire, all
// but their bodies.
func (a *nodeApp) take() []string {
	a.t.Helper()
	var all []string
	for _, saw := range a.saw() {
		all = append(all, saw.String())
	}
	return all
}

func (s nodeSaw) String() string {
	var raw strings.Builder
	fmt.Fprintf(&raw, "%s %s HTTP/1.1\r\n", s.Method, s.URL)
	for _, fields := range [][]string{s.RawHeaders, s.RawTrailers} {
		for i := 0; i+1 < len(fields); i += 2 {
			fmt.Fprintf(&raw, "%s: %s\r\n", fields[i], fields[i+1])
		}
		raw.WriteString("\r\n")
	}
	return raw.String()
}

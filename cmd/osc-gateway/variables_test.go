package main

import (
	"strings"
	"testing"
)

func TestAVariableThatIsNoOptionIsRefusedWithTheNearestThatIs(t *testing.T) {
	for name, want := range map[string]string{
		"OSC_GATEWAY_TENNANT":   "OSC_GATEWAY_TENNANT is no option: the nearest is OSC_GATEWAY_TENANT ",
		"OSC_GATEWAY_TENANTS":   "the nearest is OSC_GATEWAY_TENANT ",
		"OSC_GATEWAY_PUBLICK":   "the nearest is OSC_GATEWAY_PUBLIC ",
		"OSC_GATEWAY_PUBLICURL": "the nearest is OSC_GATEWAY_PUBLIC_URL ",
		"osc_gateway_tenant":    "osc_gateway_tenant is no option: the nearest is OSC_GATEWAY_TENANT ",
		"OSC_GATEWAY_":          "OSC_GATEWAY_ is no option",
		"OSC_GATEWAY_KEY_FILE":  "a file is given by the flag --key-file",
	} {
		err := refuseStrays([]string{"HOME=/home/app", name + "=canary"})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func TestAllStrayVariablesAreNamedAtOnce(t *testing.T) {
	err := refuseStrays([]string{"OSC_GATEWAY_TENNANT=acme", "OSC_GATEWAY_REQIRED=/studio/*"})
	if err == nil || !strings.Contains(err.Error(), "TENNANT") || !strings.Contains(err.Error(), "REQIRED") {
		t.Error(err)
	}
}

func TestNoVariableThatBelongsThereIsRefused(t *testing.T) {
	environ := []string{
		"OSC_CLIENT_ID=our-app", "TENNANT=acme", "OSC_GATEWAY=there", "OSC_GATEWAY_TENNANT=", "osc_gateway_cookie=mine",
		"OSC_GATEWAY_JOBS_URL=http://127.0.0.1:9900/token", storeAddress + "=redis://one:6379",
		// Of a service called osc-gateway, and one called osc-gateway-staging.
		"OSC_GATEWAY_SERVICE_HOST=10.0.0.1", "OSC_GATEWAY_SERVICE_PORT=80", "OSC_GATEWAY_SERVICE_PORT_HTTP=80", "OSC_GATEWAY_PORT=tcp://10.0.0.1:80",
		"OSC_GATEWAY_PORT_80_TCP=tcp://10.0.0.1:80", "OSC_GATEWAY_PORT_80_TCP_PROTO=tcp", "OSC_GATEWAY_PORT_80_TCP_PORT=80", "OSC_GATEWAY_PORT_80_TCP_ADDR=10.0.0.1",
		"OSC_GATEWAY_STAGING_SERVICE_HOST=10.0.0.2", "OSC_GATEWAY_STAGING_PORT_80_TCP_ADDR=10.0.0.2",
	}
	for _, o := range options {
		environ = append(environ, o.variable()+"=value")
	}
	t.Setenv("OSC_GATEWAY_COOKIE", "which_is_read")
	if err := refuseStrays(environ); err != nil {
		t.Error(err)
	}
}
